"""The work of a transaction grows with its entries, not with their square: https://hl7.org/fhir/R4/http.html#trules.

Work is counted in calls of functions, which is the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests import engines
from tests.server.calls import Server

FEW, MANY = 30, 120
SYSTEM = "http://example.org/ids"
Entry = dict[str, Any]


def asks(method: str, url: str, resource: dict[str, Any] | None = None, **request: str) -> Entry:
    entry: Entry = {"request": {"method": method, "url": url, **request}}
    return entry | ({"resource": resource} if resource else {})


def a_patient(n: int, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": f"{n}"}], **more}


def about(reference: str) -> Entry:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return asks(
        "POST",
        "Observation",
        {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": reference}},
    )


def fresh(n: int) -> range:
    """Numbers that no Bundle of another size uses."""
    return range(1000 * n, 1000 * n + n)


def made_and_referred_to(n: int) -> list[Entry]:
    return [
        *(asks("POST", "Patient", a_patient(i)) for i in fresh(n)),
        *(about(f"Patient?identifier={SYSTEM}|{i}") for i in fresh(n)),
    ]


def made_if_none_exist(n: int) -> list[Entry]:
    return [asks("POST", "Patient", a_patient(i), ifNoneExist=f"identifier={SYSTEM}|{i}") for i in fresh(n)]


def updated_by_criteria(n: int) -> list[Entry]:
    return [asks("PUT", f"Patient?identifier={SYSTEM}|{i}", a_patient(i)) for i in fresh(n)]


def linked_by_full_url(n: int) -> list[Entry]:
    urls = [f"urn:uuid:00000000-0000-4000-8000-{i:012d}" for i in fresh(n)]
    return [
        *({"fullUrl": url, **asks("POST", "Patient", a_patient(i))} for i, url in zip(fresh(n), urls, strict=True)),
        *(about(url) for url in urls),
    ]


def stored_and_referred_to(n: int) -> list[Entry]:
    return [about(f"Patient?identifier={SYSTEM}|{i % FEW}") for i in range(2 * n)]


def written_beside_reads(n: int) -> list[Entry]:
    return [
        entry for i in range(n) for entry in (asks("POST", "Patient", a_patient(i)), asks("GET", f"Patient/{i % FEW}"))
    ]


def deleted_beside_references(n: int) -> list[Entry]:
    return [
        *(asks("DELETE", f"Practitioner/{i % FEW}" if i < FEW else f"Practitioner/none{i}") for i in range(n)),
        *(about(f"Patient?identifier={SYSTEM}|{i % FEW}") for i in range(n)),
    ]


async def work(call: Callable[[], Any]) -> int:
    """How many Python functions are called while `call` is awaited, on this thread."""
    count = 0

    def counted(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counted)
    try:
        answer = await call()
    finally:
        sys.setprofile(None)
    assert answer.status == 200, answer.json
    return count


@pytest.mark.parametrize(
    "entries",
    [
        made_and_referred_to,
        made_if_none_exist,
        updated_by_criteria,
        linked_by_full_url,
        stored_and_referred_to,
        written_beside_reads,
        deleted_beside_references,
    ],
    ids=lambda entries: entries.__name__,
)
@pytest.mark.skipif(engines.KIND != "embedded", reason="the engine of the tests looks at everything for each condition")
async def test_four_times_the_entries_are_about_four_times_the_work(
    server: Server, entries: Callable[[int], list[Entry]]
) -> None:
    def bundle(n: int) -> dict[str, Any]:
        return {"resourceType": "Bundle", "type": "transaction", "entry": entries(n)}

    def seeded() -> dict[str, Any]:
        rows = [asks("PUT", f"Patient/{i}", a_patient(i, id=f"{i}")) for i in range(FEW)]
        rows += [asks("PUT", f"Practitioner/{i}", {"resourceType": "Practitioner", "id": f"{i}"}) for i in range(FEW)]
        return {"resourceType": "Bundle", "type": "transaction", "entry": rows}

    if entries in (stored_and_referred_to, written_beside_reads, deleted_beside_references):
        assert (await server.post("", seeded())).status == 200
    # What is compiled when it is first needed is no work of the transaction.
    await server.post("", {**bundle(2), "type": "transaction"})
    few, many = await work(lambda: server.post("", bundle(FEW))), 0
    many = await work(lambda: server.post("", bundle(MANY)))
    assert many < 6 * few, (few, many)
