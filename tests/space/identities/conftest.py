"""A house with two records of one person, somebody else, and all that may hang on a record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.space.identities.people import (
    a_patient,
)
from tests.space.identities.records import a_document, an_observation, refers


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, base_url="http://127.0.0.1/fhir", caregivers="on")) as found:
        await kept(
            found,
            a_patient("s", 1),
            a_patient("t", 2),
            a_patient("other", 3, birthDate="1990-01-01"),
            {"resourceType": "Practitioner", "id": "d"},
            {"resourceType": "Practitioner", "id": "a"},
            a_document("plain", "s"),
            a_document("masked", "s", "MASQUE_PS"),
            a_document("theirs", "t"),
            an_observation("o", "s", performer=[refers("Patient/s")], note=[{"authorReference": refers("Patient/s"), "text": "x"}]),
            # A parent measured a child: the child's record, and the parent's name in it.
            an_observation("of-child", "other", performer=[refers("Patient/s")]),
            {"resourceType": "CareTeam", "id": "team", "status": "active", "subject": refers("Patient/s"), "participant": [{"member": refers("Practitioner/d")}]},
            {"resourceType": "Appointment", "id": "rdv", "status": "booked", "start": "2030-01-01T10:00:00Z", "end": "2030-01-01T10:30:00Z", "participant": [{"actor": refers("Patient/s"), "status": "accepted"}]},
            {"resourceType": "RelatedPerson", "id": "mother", "active": True, "patient": refers("Patient/s")},
            {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "member": [{"entity": refers("Patient/s")}]},
            {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "eA==", "securityContext": refers("Patient/s")},
            {"resourceType": "AuditEvent", "id": "trace", "type": {"code": "rest"}, "recorded": "2026-01-01T00:00:00Z", "agent": [{"requestor": True}], "source": {"observer": {"display": "x"}}, "entity": [{"what": refers("Patient/s")}]},
        )  # fmt: skip
        yield found
