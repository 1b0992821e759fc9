"""Records of invented people that are made one, and what the operator asks about two of them."""

from __future__ import annotations

from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.app import House
from tests.access.test_rules import ask
from tests.space.identities.people import (
    OPERATOR,
    call,
    holder,
)

LABELS = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"


def refers(to: str) -> dict[str, Any]:
    return {"reference": to}


def a_document(id: str, patient: str, *labels: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "34133-9"}]},
        "subject": refers(f"Patient/{patient}"),
        "author": [refers("Practitioner/a")],
        "securityLabel": [{"coding": [{"system": LABELS, "code": one}]} for one in labels or ("N",)],
        "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
        **more,
    }


def an_observation(id: str, patient: str, **more: Any) -> dict[str, Any]:
    said = {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}}
    return {**said, "subject": refers(f"Patient/{patient}"), **more}


def row(name: str, reference: str) -> dict[str, Any]:
    return {"name": name, "valueReference": {"reference": reference}}


async def merges(
    house: House, caller: Grant, source: str, target: str, *more: dict[str, Any], what: str = "merge"
) -> Any:
    rows = [row("source-patient", f"Patient/{source}"), row("target-patient", f"Patient/{target}"), *more]
    return await call(house, caller, f"Patient/${what}", *rows)


async def undone(house: House, source: str = "s", target: str = "t", *more: dict[str, Any]) -> Any:
    return await merges(house, OPERATOR, source, target, *more, what="unmerge")


def said(answer: Any) -> list[str]:
    """The sentences of the outcome."""
    outcome = next(one["resource"] for one in answer["parameter"] if one["name"] == "outcome")
    return [one["diagnostics"] for one in outcome["issue"]]


async def everything(house: House) -> dict[str, Any]:
    """What is stored of everybody, but for steps, traces and what the server notes of each version."""
    found = {}
    for type in (
        "Patient",
        "DocumentReference",
        "Observation",
        "CareTeam",
        "Appointment",
        "RelatedPerson",
        "Group",
        "Binary",
        "Consent",
    ):
        answer = await ask(house, OPERATOR, "GET", f"{type}?_count=200")
        for one in answer.get("entry", ()):
            tree = dict(one["resource"])
            tree.pop("meta", None)
            found[f"{type}/{tree['id']}"] = tree
    return found


def choice(kind: str, patient: str, professional: str = "") -> tuple[dict[str, Any], ...]:
    parts = [{"name": "kind", "valueCode": kind}, {"name": "chosen", "valueBoolean": True}]
    if professional:
        parts.append({"name": "practitioner", "valueReference": refers(professional)})
    return ({"name": "choice", "part": parts},)


async def chooses(house: House, patient: str, kind: str, professional: str = "") -> None:
    answer = await call(
        house, holder(patient), f"Patient/{patient}/$record-choose", *choice(kind, patient, professional)
    )
    assert not isinstance(answer, int), answer
