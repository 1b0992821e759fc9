"""Services have people told of things, once each and in words that no event adds to: domain file §2.11."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space.notices.occasions import KINDS, OCCASIONS
from tests.server.people import kept


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url="https://fhir.example/fhir")) as found:
        email = [{"system": "email", "value": "a@example.org"}]
        await kept(found, {"resourceType": "Patient", "id": "a", "telecom": email, "name": [{"family": "DEMO"}]})
        yield found


async def sent(house: House) -> list[str]:
    """The messages that the jobs have sent, as text."""
    await house.clock().run()
    files = (house.settings.data / "outbox").glob("*.eml")
    return [str(message_from_bytes(one.read_bytes(), policy=default)) for one in files]


@pytest.mark.parametrize("kind", KINDS)
async def test_one_thing_is_told_once(house: House, kind: str) -> None:
    notices = house.services.service("notices")
    assert await notices.tell("a", kind, "Observation/secret")
    assert not await notices.tell("a", kind, "Observation/secret")
    [message] = await sent(house)
    assert "a@example.org" in message
    assert "secret" not in message and "DEMO" not in message


def test_every_kind_is_an_occasion_of_its_own_name_in_both_languages() -> None:
    assert {kind: OCCASIONS[kind].kind for kind in KINDS} == {kind: kind for kind in KINDS}
    assert all(one.own.keys() == {"fr", "en"} for one in OCCASIONS.values())


async def test_nobody_is_told_of_whom_there_is_not(house: House) -> None:
    assert not await house.services.service("notices").tell("nobody", "message", "m")
