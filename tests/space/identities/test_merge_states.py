"""Which state of the one record goes with which of the other: `merging/judging.MAY`. CSP R1111-28, R1111-36; R4 Patient.link."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.space.accounts.life import Life, to_basic
from fhir_server.space.accounts.moving import Found
from fhir_server.space.accounts.states import STATES
from fhir_server.space.identities.merging.judging import Pair, against
from fhir_server.store.protocol import Version
from tests.space.identities.people import a_patient

NOW = datetime(2026, 6, 1, tzinfo=UTC)
#: State of the record that ends → of the one that goes on; what is not here is refused. Nobody whose record is closed, who
#: objected to one of the two alone, died or was erased has it opened, or closed, by a merge.
MAY = {
    "informed": {"informed", "open", "activated"},
    "opposed": {"opposed"},
    "open": {"open", "activated"},
    "activated": {"open", "activated"},
}


def space(id: str, state: Any) -> Found:
    def version(tree: dict[str, Any]) -> Version:
        return Version(tree["resourceType"], tree["id"], 1, 0, "PUT", json.dumps(tree).encode(), b"")

    life = Life(id, state, NOW, "inform", NOW, "operator")
    return Found(version(a_patient(id, 1)), version(to_basic(life)))


@pytest.mark.parametrize("source", STATES)
@pytest.mark.parametrize("target", STATES)
def test_which_states_may_be_merged(source: str, target: str) -> None:
    issue = against(Pair(space("s", source), space("t", target), acting=False))
    assert (issue is None) is (target in MAY.get(source, set()))
    if issue is not None:
        assert issue.key == "merge-state"
        assert source in (issue.diagnostics or "")


@pytest.mark.parametrize(
    ("source", "target", "key"),
    [
        ({}, {}, None),
        # Two numbers of one kind, and another trait.
        ({}, {"birthDate": "1990-01-01"}, "merge-people"),
        ({}, {"gender": "male"}, "merge-people"),
        ({}, {"name": [{"use": "official", "family": "Autre"}]}, "merge-people"),
        # As names are compared: capitals, accents.
        ({}, {"name": [{"use": "official", "family": "EXEMPLÉ"}]}, None),
        # Of who has no number, or a provisional one, traits may be what was mistaken.
        ({"identifier": []}, {"birthDate": "1990-01-01"}, None),
    ],
)
def test_who_are_two_people(source: dict[str, Any], target: dict[str, Any], key: str | None) -> None:
    def found(id: str, number: int, more: dict[str, Any]) -> Found:
        tree = a_patient(id, number, **more)
        return Found(Version("Patient", id, 1, 0, "PUT", json.dumps(tree).encode(), b""), None)

    issue = against(Pair(found("s", 1, source), found("t", 2, target), acting=False))
    assert (issue.key if issue is not None else None) == key
