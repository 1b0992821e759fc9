"""The exchanges of the demonstration's people are messages as the server has them.

https://fhir-server.example/StructureDefinition/ens-message
"""

from __future__ import annotations

from fhir_server.demo.conversations import conversations
from fhir_server.fhir.json import parse, serialize
from fhir_server.space.messages.model import message_of
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator


def test_each_is_valid_under_the_profile_and_of_one_thread() -> None:
    validator = Validator(Profiles(), unknown="error")
    messages = [message_of(tree) for tree in conversations(["1"]) if not _wrong(validator, tree)]
    assert len(messages) == 4
    known = {one.id: one for one in messages}
    for one in messages:
        before = known[one.answers] if one.answers else one
        assert one.first == before.first
        assert one.answers is None or {one.sender} == {*before.recipients}
    assert [one.ends for one in messages] == [False, False, False, True]


def _wrong(validator: Validator, tree: dict[str, object]) -> list[object]:
    found = validator.validate(parse(serialize(tree)))
    return [one for one in found if one.severity in ("error", "fatal")]
