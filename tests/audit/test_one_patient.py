"""A trace names one patient, tells nobody of another, and is the server's own word or a named system's.

https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/security.html#audit, CSP R1111-43
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.audit.recording import WITNESSED
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING, Token
from fhir_server.store.matching import unpack
from tests import engines
from tests.access.test_leaks import Caller, a_document, ids

PEOPLE = tuple(f"p{n}" for n in range(5))
DOCTOR = Grant((Scope("user", "*", VERBS),), subject="Practitioner/d", client="practice", purpose="TREAT")
SYSTEM = Grant((Scope("system", "*", VERBS),), client="archive")


def a_patients(id: str) -> Grant:
    return Grant((Scope("patient", "*", VERBS),), subject=f"Patient/{id}", patient=id, client="app", traced=False)


def an_observation(patient: str, id: str | None = None) -> dict[str, Any]:
    tree = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **({"id": id} if id else {})}
    return {**tree, "subject": {"reference": f"Patient/{patient}"}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        server = Caller(house, OPEN)
        for id in PEOPLE:
            for tree in (
                {"resourceType": "Patient", "id": id, "name": [{"family": "Demo"}]},
                # Who is in their care team sees their documents.
                {
                    "resourceType": "CareTeam",
                    "id": f"t{id}",
                    "status": "active",
                    "subject": {"reference": f"Patient/{id}"},
                    "participant": [{"member": {"reference": "Practitioner/d"}}],
                },
                an_observation(id, f"o{id}"),
                a_document(f"d{id}", id),
                {"resourceType": "Binary", "id": f"d{id}", "contentType": "text/plain", "data": "eA=="},
            ):
                status, said = await server("PUT", f"{tree['resourceType']}/{tree['id']}", tree)
                assert status == 201, said
        yield house


async def traces(house: House) -> list[dict[str, Any]]:
    page = await house.engine.store.find({"AuditEvent": EVERYTHING}, count=500)
    return [json.loads(version.body) for version in page.versions]


def patients(trace: dict[str, Any]) -> set[str]:
    """Every patient of the scene that a trace says anything of, by whatever element."""
    return {id for id in PEOPLE if any(f"{mark}{id}" in json.dumps(trace) for mark in ("Patient/", "/o", "/d"))}


def bundle(kind: str, *rows: tuple[str, str, dict[str, Any] | None]) -> dict[str, Any]:
    entries = [
        {"request": {"method": method, "url": url}, **({"resource": tree} if tree else {})}
        for method, url, tree in rows
    ]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


_READS = [("GET", f"Observation/o{id}", None) for id in PEOPLE]
_WRITES = [("PUT", f"Observation/o{id}", an_observation(id, f"o{id}")) for id in PEOPLE]
_DELETES = [("DELETE", f"Observation/o{id}", None) for id in PEOPLE]
#: What touches all five: method, path, body, query.
EXCHANGES: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "search": ("GET", "Patient", None, {}),
    "search of what is theirs": ("GET", "Observation", None, {"_sort": "_id"}),
    "search with includes": ("GET", "Observation", None, {"_include": "Observation:subject"}),
    "search of the system": ("GET", "", None, {"_type": "Patient,Observation"}),
    "search of content": ("GET", "Binary", None, {}),
    "history of a type": ("GET", "Patient/_history", None, {}),
    "history of content": ("GET", "Binary/_history", None, {}),
    "history of the system": ("GET", "_history", None, {"_count": "100"}),
    "everything": ("GET", "Patient/$everything", None, {}),
    "batch of reads": ("POST", "", bundle("batch", *_READS), {}),
    "batch of writes": ("POST", "", bundle("batch", *_WRITES), {}),
    "batch of deletions": ("POST", "", bundle("batch", *_DELETES), {}),
    "transaction of reads": ("POST", "", bundle("transaction", *_READS), {}),
    "transaction of writes": ("POST", "", bundle("transaction", *_WRITES), {}),
    "transaction of reads and writes": ("POST", "", bundle("transaction", *_WRITES[:3], *_READS[3:]), {}),
    "transaction of deletions": ("POST", "", bundle("transaction", *_DELETES), {}),
}


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_an_exchange_about_five_patients_leaves_five_traces_of_one_each(house: House, exchange: str) -> None:
    method, path, body, query = EXCHANGES[exchange]
    status, answer = await Caller(house, DOCTOR)(method, path, body, query)
    assert status == 200, answer
    named = [patients(trace) for trace in await traces(house) if patients(trace)]
    assert sorted(map(sorted, named)) == [[id] for id in PEOPLE]
    assert all(trace["agent"][0]["who"]["reference"] == "Practitioner/d" for trace in await traces(house))


#: Ways to ask whether a trace of one's own speaks of somebody else's.
ORACLES = [
    ("AuditEvent", {"entity": "Patient/p1"}),
    ("AuditEvent", {"entity": "Observation/op1"}),
    ("AuditEvent", {"entity:Patient.name": "demo", "entity": "Patient/p1"}),
    ("AuditEvent", {"patient": "Patient/p1"}),
    ("AuditEvent", {"_filter": "entity eq Patient/p1"}),
    ("AuditEvent", {"entity:Observation.subject": "Patient/p1"}),
    ("AuditEvent", {"_has:Provenance:entity:target": "Patient/p1"}),
    ("Patient", {"_has:AuditEvent:entity:entity": "Observation/op1"}),
    ("Patient", {"_has:AuditEvent:patient:entity": "Patient/p1"}),
    ("Patient/p0/AuditEvent", {"entity": "Patient/p1"}),
]


@pytest.mark.parametrize("oracle", ORACLES, ids=str)
async def test_a_patients_own_traces_say_nothing_of_another(house: House, oracle: tuple[str, dict[str, str]]) -> None:
    for path in ("Patient", "Observation"):
        await Caller(house, DOCTOR)("GET", path)
    status, found = await Caller(house, a_patients("p0"))("GET", oracle[0], query=oracle[1])
    assert status in (200, 400, 403)
    if status == 200:
        assert (ids(found), found.get("total", 0)) == ([], 0)
    _, own = await Caller(house, a_patients("p0"))("GET", "AuditEvent")
    assert len(own["entry"]) == 2
    assert set().union(*(patients(entry["resource"]) for entry in own["entry"])) == {"p0"}


def naming(type: str, *named: dict[str, Any]) -> dict[str, Any]:
    """A trace or provenance of the patients that References name."""
    if type == "Provenance":
        return {**a_provenance(), "target": list(named)}
    return {**a_trace(), "entity": [{"what": one, "type": {"code": "1"}} for one in named]}


HER = {"reference": "Patient/p0"}


@pytest.mark.parametrize("type", ["AuditEvent", "Provenance"])
@pytest.mark.parametrize(
    ("others", "total"),
    [
        ([], 1),
        ([HER, {"reference": "http://127.0.0.1/fhir/Patient/p0"}], 1),
        ([{"reference": "Practitioner/d"}], 1),
        ([{"reference": "Patient/p1"}], 0),
        ([{"reference": "http://127.0.0.1/fhir/Patient/p1"}], 0),
        ([{"reference": "Patient/p1/_history/1"}], 0),
        ([{"type": "Patient", "identifier": {"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "1"}}], 0),
    ],
)
async def test_what_a_system_wrote_of_several_patients_is_read_by_none_of_them(
    house: House, type: str, others: list[dict[str, Any]], total: int
) -> None:
    status, said = await Caller(house, replace(SYSTEM, traced=False))("POST", type, naming(type, HER, *others))
    assert status == 201, said
    _, found = await Caller(house, a_patients("p0"))("GET", type, query={"_total": "accurate"})
    assert found["total"] == total


@pytest.mark.parametrize("exchange", ["batch of writes", "transaction of writes", "search"])
async def test_the_traces_of_one_answer_are_one_commit(
    house: House, exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended: list[int] = []
    append = house.engine.store.append

    async def noted(puts: Any) -> None:
        appended.append(len(puts))
        await append(puts)

    monkeypatch.setattr(house.engine.store, "append", noted)
    method, path, body, query = EXCHANGES[exchange]
    await Caller(house, DOCTOR)(method, path, body, query)
    page = await house.engine.store.find({"AuditEvent": EVERYTHING}, count=500)
    # What goes with no write is handed over at once: `Store.append` is one commit on some engines and need be on none.
    together = exchange == "transaction of writes"
    assert [number for number in appended if number] == ([] if together else [len(page.versions)])
    if together or engines.KIND == "embedded":
        assert len({version.at for version in page.versions}) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "Observation", an_observation("p0")),
        ("PUT", "Observation/op0", an_observation("p0", "op0")),
        ("PATCH", "Observation/op0", [{"op": "replace", "path": "/code/text", "value": "y"}]),
        ("DELETE", "Observation/op0", None),
        ("DELETE", "Observation?_id=op0", None),
        ("POST", "", bundle("transaction", _WRITES[0])),
        ("POST", "", bundle("transaction", _DELETES[0])),
        ("POST", "Observation/op0/$meta-add", {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": {"tag": [{"system": "urn:x", "code": "y"}]}}],
        }),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_a_commit_and_the_trace_of_it_are_one(
    house: House, method: str, path: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, commits = type(house.engine.store), []
    transact = store.transact

    async def noted(self: Any, writes: Any, guards: Any = ()) -> Any:
        commits.append([write.type for write in writes])
        return await transact(self, writes, guards)

    monkeypatch.setattr(store, "transact", noted)
    path, _, query = path.partition("?")
    status, answer = await Caller(house, DOCTOR)(method, path, body, dict([query.split("=")]) if query else None)
    assert status in (200, 201, 204), answer
    assert commits == [["Observation", "AuditEvent"]]
    [trace] = await traces(house)
    assert trace["outcome"] == "0"
    assert "Patient/p0" in [entity["what"]["reference"] for entity in trace["entity"]]


async def test_opening_a_documents_content_is_traced_as_the_patients(house: House) -> None:
    assert (await Caller(house, DOCTOR)("GET", "Binary/dp0"))[0] == 200
    [trace] = await traces(house)
    assert [entity["what"]["reference"] for entity in trace["entity"]][-1] == "Patient/p0"


def a_trace() -> dict[str, Any]:
    return {
        "resourceType": "AuditEvent",
        "type": {"code": "x"},
        "recorded": "2026-11-29T10:00:00Z",
        "agent": [{"requestor": True, "who": {"reference": "Practitioner/other"}}],
        "source": {"observer": {"display": "elsewhere"}},
        "entity": [{"what": {"reference": "Patient/p0"}}],
    }


def a_provenance() -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": "Patient/p0"}],
        "recorded": "2026-11-29T10:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/other"}}],
    }


FORGERS = {
    "a patient": Grant((Scope("patient", "*", VERBS),), subject="Patient/p0", patient="p0", client="app"),
    "a doctor": DOCTOR,
    "a person behind a system": Grant(SYSTEM.scopes, subject="Practitioner/d", client="archive"),
}


@pytest.mark.parametrize("forger", FORGERS)
@pytest.mark.parametrize("tree", [a_trace(), a_provenance()], ids=lambda tree: tree["resourceType"])
@pytest.mark.parametrize("way", ["create", "update", "batch", "transaction", "conditional"])
async def test_no_person_writes_what_tells_who_did_what(
    house: House, forger: str, tree: dict[str, Any], way: str
) -> None:
    type, caller = tree["resourceType"], Caller(house, FORGERS[forger])
    count = await house.engine.store.count({type: Token(WITNESSED)})
    match way:
        case "create":
            status, _ = await caller("POST", type, tree)
        case "update":
            status, _ = await caller("PUT", f"{type}/forged", {**tree, "id": "forged"})
        case "conditional":
            status, _ = await caller("PUT", type, tree, {"_id": "none"})
        case _:
            status, answer = await caller("POST", "", bundle(way, ("POST", type, tree)))
            status = int(answer["entry"][0]["response"]["status"][:3]) if way == "batch" else status
    assert status in (403, 404)
    page = await house.engine.store.find({type: EVERYTHING}, count=100)
    assert "Practitioner/other" not in str([version.body for version in page.versions])
    assert await house.engine.store.count({type: Token(WITNESSED)}) >= count


async def test_only_the_servers_own_traces_bear_its_mark(house: House) -> None:
    forged = {**a_trace(), "subtype": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110127"}]}
    for grant in (SYSTEM, OPEN):
        assert (await Caller(house, grant)("POST", "AuditEvent", forged))[0] == 201
    page = await house.engine.store.find({"AuditEvent": EVERYTHING})
    marked = {
        json.loads(version.body)["source"]["observer"]["display"]
        for version in page.versions
        if any(word.param == WITNESSED for word in unpack(version.packed).words)
    }
    assert marked == {"http://127.0.0.1/fhir"}
