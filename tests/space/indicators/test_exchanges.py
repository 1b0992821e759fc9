"""What is counted of delegations, consents to apps and the catalogue: what holds, and nothing of what is over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.fhir.json import serialize
from fhir_server.space.catalogue.apps import App, Purpose, to_device
from fhir_server.space.catalogue.consent_resource import Decision, to_consent
from fhir_server.space.delegations.delegation import Delegation
from fhir_server.space.delegations.delegation import to_consent as consent_of
from fhir_server.space.indicators.facts import counted

AT = datetime(2026, 6, 3, tzinfo=UTC)
APP = App(id="a", client="c", name="Carnet", publisher="Organization/o", version="1", status="EN_LIGNE")
PURPOSE = Purpose("suivi", "Suivre la tension", ("read",))


def delegation(status: Any) -> dict[str, Any]:
    return consent_of(Delegation("p", "q", status, AT, AT, "Patient/p"))


def decision(permit: bool) -> dict[str, Any]:
    return to_consent("p", APP, PURPOSE, Decision(permit, AT, "1", "Patient/p"))


@pytest.mark.parametrize(
    ("tree", "cells", "persons"),
    [
        (delegation("active"), {("bonds", "caregiving")}, set()),
        (delegation("proposed"), set(), set()),
        (delegation("inactive"), set(), set()),
        (decision(True), {("purposes", "suivi")}, {(("paired", "ever"), "Patient/p")}),
        (decision(False), set(), set()),
        (to_device(APP), {("services", APP.status)}, set()),
        ({"resourceType": "Device", "id": "d"}, set(), set()),
        ({"resourceType": "Consent", "id": "c", "status": "active"}, set(), set()),
        ({"resourceType": "Communication", "id": "c", "status": "completed"}, set(), set()),
        # What is not of R4's form counts nothing, and ends nothing.
        ({"resourceType": "DocumentReference", "id": "d", "type": 7}, set(), set()),
        ({"resourceType": "AuditEvent", "id": "d", "agent": "x"}, set(), set()),
    ],
)
def test_what_holds_is_counted(tree: dict[str, Any], cells: set[Any], persons: set[Any]) -> None:
    found = counted(tree["resourceType"], serialize(tree))
    assert (set(found.cells), set(found.persons)) == (cells, persons)
