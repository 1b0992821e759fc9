"""https://hl7.org/fhir/R4/http.html#delete, #cdelete, #integrity"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.calls import Server, serving

PATIENT = {"resourceType": "Patient", "id": "a", "identifier": [{"system": "urn:ids", "value": "7"}]}


async def test_a_deletion_is_204_with_the_version_it_made_and_again_204(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    gone = await server.delete("Patient/a")
    assert (gone.status, gone.version, gone.response.body) == (204, 2, b"")
    again = await server.delete("Patient/a")
    assert (again.status, again.version) == (204, 2)
    assert (await server.delete("Patient/never")).status == 204


async def test_a_deleted_resource_is_found_no_more(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    await server.delete("Patient/a")
    assert (await server.get("Patient?identifier=urn:ids|7")).json["total"] == 0


async def test_an_outcome_is_given_where_it_is_preferred(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    answer = await server.call("DELETE", "Patient/a", context=server.context(prefer="OperationOutcome"))
    assert (answer.status, answer.json["resourceType"]) == (200, "OperationOutcome")


@pytest.mark.parametrize(("header", "status"), [('W/"1"', 204), ('W/"2"', 412), ("*", 204)])
async def test_if_match_holds_a_deletion(server: Server, header: str, status: int) -> None:
    await server.put("Patient/a", PATIENT)
    assert (await server.delete("Patient/a", if_match=header)).status == status


#: how many match → status
@pytest.mark.parametrize(("there", "status"), [(0, 204), (1, 204), (2, 412)])
async def test_a_conditional_delete_is_of_one_or_none(server: Server, there: int, status: int) -> None:
    for n in range(there):
        await server.put(f"Patient/m{n}", {**PATIENT, "id": f"m{n}"})
    assert (await server.delete("Patient?identifier=urn:ids|7")).status == status
    left = (await server.get("Patient?_summary=count")).json["total"]
    assert left == (2 if there == 2 else 0)


async def test_a_conditional_delete_without_criteria_deletes_nothing(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    assert (await server.delete("Patient")).status == 412
    assert (await server.delete("Patient?_summary=true")).status in (400, 412)
    assert (await server.get("Patient/a")).status == 200


OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/a"},
}


EVENT = {
    "resourceType": "AuditEvent",
    "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
    "recorded": "2026-11-29T10:00:00Z",
    "agent": [{"requestor": True}],
    "source": {"observer": {"display": "a server"}},
    "entity": [{"what": {"reference": "Patient/a"}}],
}
PROVENANCE = {
    "resourceType": "Provenance",
    "target": [{"reference": "Patient/a"}],
    "recorded": "2026-11-29T10:00:00Z",
    "agent": [{"who": {"display": "somebody"}}],
}


async def test_with_referential_integrity_nothing_dangles(tmp_path: Path) -> None:
    async with serving(tmp_path, referential_integrity=True) as server:
        refused = await server.put("Observation/o", OBSERVATION)
        assert (refused.status, refused.expressions) == (422, ["Observation.subject.reference"])
        await server.put("Patient/a", PATIENT)
        assert (await server.put("Observation/o", OBSERVATION)).status == 201
        assert (await server.delete("Patient/a")).status == 409
        assert (await server.delete("Patient?identifier=urn:ids|7")).status == 409
        both = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"request": {"method": "DELETE", "url": "Patient/a"}},
                {"request": {"method": "DELETE", "url": "Observation/o"}},
            ],
        }
        assert (await server.post("", both)).status == 200


async def test_traces_of_a_resource_hold_up_no_deletion(tmp_path: Path) -> None:
    """https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/provenance.html: they record what was."""
    async with serving(tmp_path, referential_integrity=True) as server:
        await server.put("Patient/a", PATIENT)
        assert (await server.put("AuditEvent/e", {**EVENT, "id": "e"})).status == 201
        assert (await server.put("Provenance/p", {**PROVENANCE, "id": "p"})).status == 201
        assert (await server.get("AuditEvent?entity=Patient/a")).json["total"] == 1
        assert (await server.delete("Patient/a")).status == 204
        assert (await server.get("AuditEvent/e")).json["entity"] == [{"what": {"reference": "Patient/a"}}]
        await server.put("Patient/a", PATIENT)
        assert (await server.delete("Patient?identifier=urn:ids|7")).status == 204


async def test_without_referential_integrity_references_may_lead_nowhere(server: Server) -> None:
    assert (await server.put("Observation/o", OBSERVATION)).status == 201
    await server.put("Patient/a", PATIENT)
    assert (await server.delete("Patient/a")).status == 204
