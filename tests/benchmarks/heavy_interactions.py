"""Much asked in one request: batches, transactions, patches, searches and pages, each from a size to its calls."""

from __future__ import annotations

from tests.benchmarks.calls import (
    COSTLY,
    FORM,
    PATCH,
    SYSTEM,
    Call,
    a_patch,
    a_patient,
    an_observation,
    as_json,
    bundle,
    entry,
    large_patient,
    people,
)


def transaction(size: float) -> list[Call]:
    n = int(1_600 * size)
    rows = [entry("POST", "Patient", a_patient(i)) for i in range(n)]
    rows += [entry("POST", "Observation", an_observation(f"Patient?identifier={SYSTEM}|{i}")) for i in range(n)]
    return [Call("POST", "", bundle("transaction", rows))]


def patches(size: float) -> list[Call]:
    rows = [entry("PATCH", "Patient/large", a_patch(COSTLY)) for _ in range(int(200 * size) or 1)]
    return [Call("PUT", "Patient/large", as_json(large_patient(600))), Call("POST", "", bundle("batch", rows))]


def one_patch(size: float) -> list[Call]:
    body = as_json(a_patch(COSTLY))
    return [
        Call("PUT", "Patient/large", as_json(large_patient(int(2_000 * size) + 300))),
        Call("PATCH", "Patient/large", body),
    ]


def copies(size: float) -> list[Call]:
    steps = [{"op": "add", "path": "/contact", "value": []}]
    steps += [{"op": "copy", "from": "/name", "path": f"/contact/{i}"} for i in range(int(900 * size))]
    return [
        Call("PUT", "Patient/large", as_json(large_patient(400))),
        Call("PATCH", "Patient/large", as_json(steps), PATCH),
    ]


def searches(size: float) -> list[Call]:
    rows = [entry("GET", "Patient?_count=1000") for _ in range(int(1_200 * size))]
    return [*people(1), Call("POST", "", bundle("batch", rows))]


def creates(size: float) -> list[Call]:
    return [
        Call("POST", "", bundle("batch", [entry("POST", "Patient", a_patient(i)) for i in range(int(5_000 * size))]))
    ]


def deletes(size: float) -> list[Call]:
    rows = [entry("DELETE", f"Patient/p{i}") for i in range(int(1000 * size))]
    rows += [
        entry("POST", "Observation", an_observation("Patient?identifier=http://example.org/ids|none"))
        for i in range(int(1000 * size))
    ]
    return [*people(size), Call("POST", "", bundle("transaction", rows))]


def same_condition(size: float) -> list[Call]:
    n = int(2_500 * size)
    rows = [
        entry(
            "POST",
            "Patient",
            a_patient(i, birthDate="1970-01-01"),
            ifNoneExist=f"birthdate=lt18{i % 90 + 10}&name=x{i}",
        )
        for i in range(n)
    ]
    return [Call("POST", "", bundle("transaction", rows))]


def links(size: float) -> list[Call]:
    n = int(2_500 * size)
    urls = [f"urn:uuid:00000000-0000-4000-8000-{i:012d}" for i in range(n)]
    members = [{"entity": {"reference": url}} for url in urls]
    rows = [{"fullUrl": url, **entry("POST", "Patient", a_patient(i))} for i, url in enumerate(urls)]
    rows += [
        entry("POST", "Group", {"resourceType": "Group", "type": "person", "actual": True, "member": members})
        for _ in range(60)
    ]
    return [Call("POST", "", bundle("transaction", rows))]


def form(size: float) -> list[Call]:
    body = "&".join(f"family=a{i}" for i in range(int(3_500_000 * size))).encode()
    return [Call("POST", "Patient/_search", body, FORM)]


def values(size: float) -> list[Call]:
    body = ("identifier=" + ",".join(f"{SYSTEM}|{i}" for i in range(int(1_500_000 * size)))).encode()
    return [Call("POST", "Patient/_search", body, FORM)]


def filter(size: float) -> list[Call]:
    body = ("_filter=" + " or ".join(f"family sw a{i}" for i in range(int(400 * size) + 1)) + "&_count=1000").encode()
    return [*people(1), Call("POST", "Patient/_search", body, FORM)]


def iterated(size: float) -> list[Call]:
    n = int(1000 * size) + 1
    rows = [
        entry(
            "PUT",
            f"Organization/o{i}",
            {"resourceType": "Organization", "id": f"o{i}", "name": "x"}
            | ({"partOf": {"reference": f"Organization/o{i - 1}"}} if i else {}),
        )
        for i in range(n)
    ]
    return [
        Call("POST", "", bundle("transaction", rows)),
        Call(
            "GET",
            f"Organization?_id=o{n - 1}&_include:iterate=Organization:partof&_revinclude:iterate=Organization:partof",
        ),
    ]


def pages(size: float) -> list[Call]:
    body = as_json(
        {
            **large_patient(int(8_000 * size)),
            "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        }
    )
    rows = [
        Call("PUT", f"Patient/l{i}", body.replace(b'"large"', f'"l{i}"'.encode())) for i in range(int(60 * size) + 1)
    ]
    return [*rows, Call("GET", "Patient?_count=1000")]


def history(size: float) -> list[Call]:
    return [*pages(size)[:-1], Call("GET", "Patient/_history?_count=1000")]


def summaries(size: float) -> list[Call]:
    # Large enough whatever the size, and of its own resources alone: what else is stored ends a page earlier.
    rows = pages(max(size, 0.2))[:-1]
    ids = ",".join(call.path.removeprefix("Patient/") for call in rows)
    return [*rows, Call("GET", f"Patient?_id={ids}&_count=1000&_elements=identifier")]
