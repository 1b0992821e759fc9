"""A label that hides something stands where it does, or is refused: a promise that nobody keeps is none.

https://hl7.org/fhir/R4/resource.html#Meta (`security`: of any resource), https://interop.esante.gouv.fr/ig/fhir/pdsm
(TRE_A07 in `DocumentReference.securityLabel`), https://interop.esante.gouv.fr/ig/fhir/sas (TRE_R314 in
`Slot.meta.security`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.fhir.nos import VISIBILITY
from fhir_server.settings import Settings
from fhir_server.space.agenda.labels import SYSTEM as SLOTS
from tests.access.minimal import resource
from tests.server.calls import Answer
from tests.space.record.callers import Caller, document

pytestmark = pytest.mark.asyncio(loop_scope="module")

HL7 = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
#: Coding → whether it would hide a document, and a slot.
LABELS: tuple[tuple[dict[str, str], bool, bool], ...] = (
    ({"system": HL7, "code": "R"}, False, False),
    ({"system": "http://example.org/labels", "code": "ours"}, False, False),
    ({"system": VISIBILITY, "code": "N"}, False, False),
    ({"system": VISIBILITY, "code": "MASQUE_PS"}, True, False),
    ({"system": VISIBILITY, "code": "INVISIBLE_PATIENT"}, True, False),
    ({"system": VISIBILITY, "code": "INVISIBLE_REP_LEGAUX"}, True, False),
    ({"system": VISIBILITY, "code": "UNHEARD_OF"}, True, False),
    ({"system": "urn:oid:1.2.250.1.213.1.1.4.13", "code": "MASQUE_PS"}, True, False),
    ({"system": HL7, "code": "masque_ps"}, True, False),
    ({"code": "INVISIBLE_PATIENT"}, True, False),
    ({"system": SLOTS, "code": "PUBLIC"}, False, True),
    ({"system": SLOTS, "code": "PRO"}, False, True),
    ({"system": SLOTS, "code": "CPTS"}, False, True),
    ({"system": SLOTS, "code": "SNP"}, False, True),
)
SECURITY = [coding for coding, _, _ in LABELS]
HOURS = {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T10:30:00Z"}
#: Of the record, of the agenda, of exchanges, of content and of what is no patient's: whatever it is, the rule is one.
TYPES = (
    "Appointment", "Binary", "Bundle", "CareTeam", "Communication", "Composition", "Consent", "DocumentReference",
    "HealthcareService", "List", "MedicationRequest", "Observation", "Patient", "Practitioner", "Provenance", "Schedule",
    "Slot", "ValueSet",
)  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("house"))) as found:
        await Caller(found).put({"resourceType": "Patient", "id": "a"})
        yield found


def misplaced(answer: Answer) -> list[str]:
    """The elements at which a label is refused, as a rule of the space."""
    return [
        where
        for one in answer.json.get("issue", ())
        if one["severity"] == "error" and one["code"] == "business-rule"
        for where in one["expression"]
    ]


@pytest.mark.parametrize("type", TYPES)
async def test_a_label_is_refused_where_it_would_hide_nothing(house: House, type: str) -> None:
    caller, tree = Caller(house), {**resource(type), "id": "x", **(HOURS if type == "Slot" else {})}
    ours = [n for n, (_, of_document, _) in enumerate(LABELS) if of_document]
    slots = [n for n, (_, _, of_slot) in enumerate(LABELS) if of_slot and type != "Slot"]
    # Once a service has refused, the others are not asked.
    for security, wrong in ((SECURITY, ours), (SECURITY[: ours[0]] + SECURITY[ours[-1] + 1 :], slots)):
        refused = await caller("PUT", f"{type}/x", {**tree, "meta": {"security": security}})
        assert [*misplaced(refused)] == [f"{type}.meta.security[{security.index(SECURITY[n])}]" for n in wrong]
        assert refused.status == (422 if wrong else 201), refused.json
        assert (await caller("GET", f"{type}/x")).status == (404 if wrong else 200)


def adding(meta: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}


@pytest.mark.parametrize("way", ["PUT", "POST", "PATCH", "$meta-add", "transaction"])
async def test_it_is_refused_whichever_way_it_comes(house: House, way: str) -> None:
    caller, tree = Caller(house), {"resourceType": "Observation", "id": "o", **resource("Observation")}
    await caller.put(tree)
    meta = {"security": [{"system": VISIBILITY, "code": "MASQUE_PS"}]}
    labelled = {**tree, "meta": meta}
    entry = {"request": {"method": "PUT", "url": "Observation/o"}, "resource": labelled}
    answer = await {
        "PUT": lambda: caller("PUT", "Observation/o", labelled),
        "POST": lambda: caller("POST", "Observation", labelled),
        "PATCH": lambda: caller(
            "PATCH",
            "Observation/o",
            [{"op": "add", "path": "/meta/security", "value": meta["security"]}],
            "application/json-patch+json",
        ),
        "$meta-add": lambda: caller("POST", "Observation/o/$meta-add", adding(meta)),
        "transaction": lambda: caller("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}),
    }[way]()
    assert answer.status == 422, answer.json
    assert any(where.endswith("meta.security[0]") for where in misplaced(answer))
    assert "security" not in (await caller("GET", "Observation/o")).json["meta"]


async def test_where_they_do_hide_they_are_taken(house: House) -> None:
    caller, slot = Caller(house), {**resource("Slot"), "id": "s", **HOURS}
    kept = [coding for coding, _, of_slot in LABELS if of_slot]
    assert (await caller.put({**slot, "meta": {"security": kept}}))["meta"]["security"] == kept
    assert len((await caller.put(document("d", "MASQUE_PS")))["securityLabel"]) == 1
