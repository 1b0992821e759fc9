"""`DocumentReference/$docref`: a patient's documents by the dates of care, the most recent one without a range.

http://hl7.org/fhir/us/core/OperationDefinition/docref
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.profiles import resources as r
from tests.space.record.making import a_document

pytestmark = pytest.mark.asyncio(loop_scope="module")


def care(day: str, **more: Any) -> dict[str, Any]:
    """A document about the care of a day of March 2024; without one, of its own date alone."""
    tree = a_document(url="http://example.org/x", **more)
    tree["date"] = f"2024-06-{day}T10:00:00+01:00"
    tree["context"]["period"] = {"start": f"2024-03-{day}T08:00:00+01:00", "end": f"2024-03-{day}T09:00:00+01:00"}
    return {**tree, "id": f"c{day}"}


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    without = care("04", type=r.concept("http://loinc.org", "34112-3"))
    without |= {"date": "2024-03-04T10:00:00+01:00"}
    del without["meta"]
    del without["context"]["period"]
    return [
        care("01"),
        care("02", type=r.concept("http://loinc.org", "34112-3")),
        care("03", status="superseded"),
        without,
        {**care("05", subject={"reference": "Patient/2"})},
    ]


#: What is asked → the documents found, in their order.
ASKED = [
    ("patient=1&start=2024-03-01&end=2024-03-31", ["c02", "c01", "c04"]),
    ("patient=1&start=2024-03-02", ["c02", "c04"]),
    ("patient=1&end=2024-03-01", ["c01"]),
    ("patient=1&start=2024-06-01", []),
    ("patient=1", ["c02"]),
    ("patient=1&type=http://loinc.org|11502-2", ["c01"]),
    ("patient=1&start=2024-03-01&type=http://loinc.org|11502-2&type=http://loinc.org|34112-3", ["c02", "c01", "c04"]),
    (f"patient=1&start=2024-03-01&profile={r.PDSM}pdsm-comprehensive-document-reference", ["c02", "c01"]),
    ("patient=1&start=2024-03-01&on-demand=true", []),
    ("patient=1&start=2024-03-01&on-demand=false", ["c02", "c01", "c04"]),
    ("patient=Patient/1", ["c02"]),
    ("patient=2", ["c05"]),
    ("patient=none", []),
]


async def put(client: httpx.AsyncClient, documents: list[dict[str, Any]]) -> None:
    for tree in documents:
        answer = await client.put(f"DocumentReference/{tree['id']}", json=tree)
        assert answer.status_code in (200, 201), answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("asked", "found"), ASKED, ids=[one for one, _ in ASKED])
async def test_documents_by_the_dates_of_care(
    sharing: httpx.AsyncClient, documents: list[dict[str, Any]], asked: str, found: list[str], method: str
) -> None:
    await put(sharing, documents)
    if method == "GET":
        answer = await sharing.get(f"DocumentReference/$docref?{asked}")
    else:
        parameters = [a_parameter(*one.split("=")) for one in asked.split("&")]
        tree = {"resourceType": "Parameters", "parameter": parameters}
        answer = await sharing.post("DocumentReference/$docref", json=tree)
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "searchset"
    assert [one["resource"]["id"] for one in answer.json().get("entry", ())] == found
    assert answer.json()["total"] == len(found)


def a_parameter(name: str, value: str) -> dict[str, Any]:
    if name == "type":
        system, code = value.split("|")
        return {"name": name, "valueCodeableConcept": r.concept(system, code)}
    if name == "on-demand":
        return {"name": name, "valueBoolean": value == "true"}
    kind = {"patient": "valueId", "profile": "valueCanonical"}.get(name, "valueDateTime")
    return {"name": name, kind: value}


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("start=2024", "http.patient"),
        ("patient=1&on-demand=perhaps", "http.on-demand"),
        ("patient=1&_count=1", "http._count"),
    ],
)
async def test_what_cannot_be_read_is_refused(sharing: httpx.AsyncClient, asked: str, place: str) -> None:
    answer = await sharing.get(f"DocumentReference/$docref?{asked}")
    assert (answer.status_code, answer.json()["issue"][0]["expression"]) == (400, [place])
