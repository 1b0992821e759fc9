"""A Binary is its document's: it is opened, changed and planted only by those whom the document lets.

https://hl7.org/fhir/R4/binary.html#security, https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.definitions import types
from fhir_server.search.indexing.attachments import attached
from fhir_server.settings import Settings
from fhir_server.space.services import SERVICES
from fhir_server.store.filters import Index, Word
from fhir_server.store.matching import unpack
from tests.access.test_leaks import BASE, UNMASKED, Caller, a_document, ids
from tests.server.people import a_care_team

BYTES = {"resourceType": "Binary", "contentType": "text/plain", "data": "c2VjcmV0"}


def a_patients(id: str, client: str = "app") -> Grant:
    return Grant((Scope("patient", "*", VERBS),), subject=f"Patient/{id}", patient=id, client=client)


def a_doctors(id: str, client: str = "app", patient: str | None = None) -> Grant:
    return Grant((Scope("user", "*", VERBS),), subject=f"Practitioner/{id}", client=client, patient=patient)


ALICE, BOB, DOCTOR = a_patients("alice"), a_patients("bob"), a_doctors("d")
#: Whoever else uses the software that Alice uses.
OTHERS = {
    "another patient": BOB,
    "a doctor": DOCTOR,
    "a doctor in her record": a_doctors("d", patient="alice"),
    "Alice through other software": a_patients("alice", "other"),
    "Alice with her ward's record open": Grant(
        (Scope("patient", "*", VERBS),), subject="Patient/alice", patient="ward", client="app"
    ),
}
LABORATORY = Grant((Scope("system", "*", VERBS - {"d"}),), client="lab")


BESIDE_THE_RECORD = tuple(one for one in SERVICES if one.name != "record")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    # What a context gives by itself: of documents' content the record has rules besides (tests/space/record).
    async with opened(Settings(data=tmp_path, open=True), BESIDE_THE_RECORD) as house:
        for id in ("alice", "bob", "ward"):
            patient = {"resourceType": "Patient", "id": id, "name": [{"family": "Demo"}]}
            assert (await Caller(house, OPEN)("PUT", f"Patient/{id}", patient))[0] == 201
            team = a_care_team(id, "Practitioner/d")
            assert (await Caller(house, OPEN)("PUT", f"CareTeam/{team['id']}", team))[0] == 201
        yield house


async def filed(house: House, grant: Grant, type: str, tree: dict[str, Any]) -> str:
    """Post a resource; its id."""
    status, made = await Caller(house, grant)("POST", type, {k: v for k, v in tree.items() if k != "id"})
    assert status == 201, made
    return str(made["id"])


async def context(house: House, binary: str) -> str | None:
    """What a Binary names now."""
    _, found = await Caller(house, OPEN)("GET", f"Binary/{binary}")
    reference = found.get("securityContext", {}).get("reference")
    return str(reference) if reference else None


#: Ways to one Binary: method, path, body.
WAYS: list[tuple[str, str, Any]] = [
    ("GET", "Binary/{id}", None),
    ("HEAD", "Binary/{id}", None),
    ("GET", "Binary/{id}/_history", None),
    ("GET", "Binary/{id}/_history/1", None),
    ("GET", "Binary/{id}/$meta", None),
    ("GET", "Binary/{id}/_history/1/$meta", None),
    ("PUT", "Binary/{id}", {**BYTES, "id": "{id}"}),
    ("PATCH", "Binary/{id}", [{"op": "replace", "path": "/data", "value": "eA=="}]),
    ("DELETE", "Binary/{id}", None),
]


def at(id: str, method: str, path: str, body: Any) -> tuple[str, str, Any]:
    made = {**body, "id": id} if isinstance(body, dict) else body
    return method, path.format(id=id), made


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]} {way[1]}")
@pytest.mark.parametrize("other", OTHERS)
async def test_what_alice_wrote_and_filed_nowhere_is_nobody_elses(
    house: House, other: str, way: tuple[str, str, Any]
) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    hidden = await Caller(house, OTHERS[other])(*at(binary, *way))
    absent = await Caller(house, OTHERS[other])(*at("absent", *way))
    assert (hidden[0], absent[0]) == (404, 404)
    assert str(hidden[1]).replace(binary, "X") == str(absent[1]).replace("absent", "X")
    assert (await Caller(house, ALICE)("GET", f"Binary/{binary}"))[0] == 200


@pytest.mark.parametrize("path", ["Binary", "Binary/_history", "_history"])
async def test_lists_show_and_count_only_ones_own_binaries(house: House, path: str) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    for grant in OTHERS.values():
        status, found = await Caller(house, grant)("GET", path)
        assert status == 200
        assert f"Binary/{binary}" not in ids(found)
        if path != "_history":
            assert found["total"] == 0
    assert f"Binary/{binary}" in ids((await Caller(house, ALICE)("GET", path))[1])


async def test_a_system_reaches_what_was_filed_nowhere(house: House) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    assert (await Caller(house, LABORATORY)("GET", f"Binary/{binary}"))[0] == 200


@pytest.mark.parametrize(
    "grant",
    [BOB, Grant((Scope("patient", "*", VERBS - {"u"}),), patient="alice", client="app"), a_patients("ward")],
    ids=["another patient", "a reader of the document", "another record"],
)
@pytest.mark.parametrize("verb", ["create", "update", "patch", "transaction"])
async def test_nothing_is_planted_under_a_document_that_one_could_not_write(
    house: House, grant: Grant, verb: str
) -> None:
    await Caller(house, OPEN)("PUT", "DocumentReference/hers", a_document("hers", "alice"))
    caller = Caller(house, grant)
    own = await filed(house, grant, "Binary", BYTES)

    async def planted(context: str) -> tuple[int, Any]:
        tree = {**BYTES, "securityContext": {"reference": context}}
        match verb:
            case "create":
                return await caller("POST", "Binary", tree)
            case "update":
                return await caller("PUT", f"Binary/{own}", {**tree, "id": own})
            case "patch":
                patch = [{"op": "add", "path": "/securityContext", "value": tree["securityContext"]}]
                return await caller("PATCH", f"Binary/{own}", patch)
        entry = {"resource": tree, "request": {"method": "POST", "url": "Binary"}}
        return await caller("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})

    hidden, absent = await planted("DocumentReference/hers"), await planted("DocumentReference/absent")
    assert hidden == absent
    assert hidden[0] in (403, 404)
    for elsewhere in ("https://elsewhere.example/fhir/DocumentReference/1", "Binary/1", "Patient/bobby"):
        assert (await planted(elsewhere))[0] in (403, 404)


async def test_whoever_may_write_the_document_puts_its_content_under_it(house: House) -> None:
    await Caller(house, OPEN)("PUT", "DocumentReference/hers", a_document("hers", "alice"))
    under = {**BYTES, "securityContext": {"reference": f"{BASE}/DocumentReference/hers"}}
    binary = await filed(house, DOCTOR, "Binary", under)
    assert (await Caller(house, ALICE)("GET", f"Binary/{binary}"))[0] == 200
    assert (await Caller(house, a_patients("alice", "other"))("DELETE", f"Binary/{binary}"))[0] == 204


async def test_whoever_wrote_what_stands_under_a_document_keeps_no_right_of_their_own(house: House) -> None:
    await Caller(house, OPEN)("PUT", "DocumentReference/hers", a_document("hers", "alice"))
    seer = Grant(
        (Scope("user", "Binary", VERBS), Scope("user", "DocumentReference", VERBS, UNMASKED)),
        subject="Practitioner/d",
        client="app",
    )
    binary = await filed(house, seer, "Binary", {**BYTES, "securityContext": {"reference": "DocumentReference/hers"}})
    assert (await Caller(house, seer)("GET", f"Binary/{binary}"))[0] == 200
    await Caller(house, OPEN)("PUT", "DocumentReference/hers", a_document("hers", "alice", "MASQUE_PS"))
    for way in WAYS:
        assert (await Caller(house, seer)(*at(binary, *way)))[0] == 404
    assert ids((await Caller(house, seer)("GET", "Binary"))[1]) == []


#: How the document names its content.
NAMES = ["Binary/{id}", BASE + "/Binary/{id}", "Binary/{id}/_history/1"]


@pytest.mark.parametrize(
    "filer", [ALICE, DOCTOR, LABORATORY, OPEN], ids=["herself", "a doctor", "a laboratory", "open"]
)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["create", "update", "patch", "batch"])
async def test_a_patient_opens_what_was_filed_in_the_natural_way(
    house: House, filer: Grant, name: str, way: str
) -> None:
    binary = await filed(house, filer, "Binary", BYTES)
    url, caller = name.format(id=binary), Caller(house, filer)
    document = a_document("new", "alice")
    document["content"][0]["attachment"]["url"] = url
    if way in ("create", "batch"):
        entry = {"resource": {k: v for k, v in document.items() if k != "id"},
                 "request": {"method": "POST", "url": "DocumentReference"}}  # fmt: skip
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": [entry]}
        await (caller("POST", "", bundle) if way == "batch" else filed(house, filer, "DocumentReference", document))
    else:
        await Caller(house, OPEN)("PUT", "DocumentReference/new", a_document("new", "alice", binary="none"))
        patch = [{"op": "replace", "path": "/content/0/attachment/url", "value": url}]
        status, said = await caller("PUT" if way == "update" else "PATCH", "DocumentReference/new",
                                    document if way == "update" else patch)  # fmt: skip
        assert status == 200, said
    opened_by = a_patients("alice", "viewer")
    assert (await Caller(house, opened_by)("GET", f"Binary/{binary}"))[0] == 200
    assert (await Caller(house, BOB)("GET", f"Binary/{binary}"))[0] == 404
    # What it was while it was filed nowhere stays its writer's.
    assert (await Caller(house, opened_by)("GET", f"Binary/{binary}/_history/1"))[0] == 404
    assert (await Caller(house, ALICE)("GET", "DocumentReference"))[1]["total"] == 1


@pytest.mark.parametrize("order", [("Binary", "DocumentReference"), ("DocumentReference", "Binary")])
@pytest.mark.parametrize("said", [False, True], ids=["attachment alone", "securityContext too"])
@pytest.mark.parametrize("filer", [ALICE, DOCTOR, LABORATORY], ids=["herself", "a doctor", "a laboratory"])
async def test_a_patient_opens_what_was_filed_in_one_transaction(
    house: House, filer: Grant, order: tuple[str, str], said: bool
) -> None:
    names = {
        "Binary": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "DocumentReference": "urn:uuid:" + "1" * 8 + "-1cbf-4d64-b04d-cd9187a4c6e0",
    }
    document = {k: v for k, v in a_document("x", "alice").items() if k != "id"}
    document["content"] = [{"attachment": {"url": names["Binary"]}}]
    content = {**BYTES, "securityContext": {"reference": names["DocumentReference"]}} if said else BYTES
    trees = {"Binary": content, "DocumentReference": document}
    entries = [
        {"fullUrl": names[type], "resource": trees[type], "request": {"method": "POST", "url": type}} for type in order
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    status, answer = await Caller(house, filer)("POST", "", bundle)
    assert status == 200, answer
    made = {
        one["response"]["location"].split("/")[0]: one["response"]["location"].split("/")[1] for one in answer["entry"]
    }
    assert await context(house, made["Binary"]) == f"DocumentReference/{made['DocumentReference']}"
    # Written once: it was never without its document.
    _, found = await Caller(house, a_patients("alice", "viewer"))("GET", f"Binary/{made['Binary']}")
    assert found["meta"]["versionId"] == "1"
    assert (await Caller(house, BOB)("GET", f"Binary/{made['Binary']}"))[0] == 404


async def test_a_binary_that_comes_after_the_document_naming_it_is_filed_there(house: House) -> None:
    await Caller(house, OPEN)("PUT", "DocumentReference/hers", a_document("hers", "alice", binary="later"))
    assert (await Caller(house, OPEN)("PUT", "Binary/later", {**BYTES, "id": "later"}))[0] == 201
    assert (await Caller(house, ALICE)("GET", "Binary/later"))[0] == 200


@pytest.mark.parametrize("thief", OTHERS)
@pytest.mark.parametrize("way", ["create", "transaction", "bound already"])
async def test_nobody_reads_what_another_wrote_by_pointing_at_it(house: House, thief: str, way: str) -> None:
    grant = OTHERS[thief]
    binary = await filed(house, ALICE, "Binary", BYTES)
    hers = None
    if way == "bound already":
        named = await filed(house, ALICE, "DocumentReference", a_document("x", "alice", "MASQUE_PS", binary=binary))
        hers = f"DocumentReference/{named}"
    subject = grant.patient or "bob"
    document = {k: v for k, v in a_document("x", subject, binary=binary).items() if k != "id"}
    entry = {"resource": document, "request": {"method": "POST", "url": "DocumentReference"}}
    body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]} if way == "transaction" else document
    status, _ = await Caller(house, grant)("POST", "" if way == "transaction" else "DocumentReference", body)
    assert status in (200, 201)
    assert await context(house, binary) == hers
    if hers is None:
        assert (await Caller(house, grant)("GET", f"Binary/{binary}"))[0] == 404


async def test_a_system_that_sees_a_binary_and_may_not_write_it_is_told_why_it_is_not_filed(house: House) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    archive = Grant(
        (Scope("system", "DocumentReference", VERBS), Scope("system", "Binary", frozenset("r"))), client="archive"
    )
    document = {k: v for k, v in a_document("x", "bob", binary=binary).items() if k != "id"}
    status, said = await Caller(house, archive)("POST", "DocumentReference", document)
    assert status == 403
    assert "securityContext" in said["issue"][0]["diagnostics"]
    assert (await Caller(house, OPEN)("GET", "DocumentReference"))[1]["total"] == 0


async def test_a_context_stays_when_a_new_version_does_not_say_it(house: House) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    document = await filed(house, ALICE, "DocumentReference", a_document("x", "alice", binary=binary))
    target = f"DocumentReference/{document}"
    alice = Caller(house, ALICE)
    assert (await alice("PUT", f"Binary/{binary}", {**BYTES, "id": binary}))[0] == 200
    assert await context(house, binary) == target
    status, said = await alice("PATCH", f"Binary/{binary}", [{"op": "remove", "path": "/securityContext"}])
    assert (status, said["issue"][0]["expression"]) == (403, ["Binary.securityContext"])
    # The document names other content now; its past version still names this.
    assert (await alice("PUT", target, a_document(document, "alice", binary="other")))[0] == 200
    assert await context(house, binary) == target
    assert (await alice("DELETE", target))[0] == 204
    assert (await alice("GET", f"Binary/{binary}"))[0] == 404


async def test_a_binary_moves_to_another_document_only_between_two_that_its_writer_may_write(house: House) -> None:
    for id, patient in (("hers", "alice"), ("also", "alice"), ("his", "bob")):
        await Caller(house, OPEN)("PUT", f"DocumentReference/{id}", a_document(id, patient, binary="none"))
    binary = await filed(house, ALICE, "Binary", {**BYTES, "securityContext": {"reference": "DocumentReference/hers"}})
    for target, status in (("also", 200), ("his", 403)):
        moved = {**BYTES, "id": binary, "securityContext": {"reference": f"DocumentReference/{target}"}}
        assert (await Caller(house, ALICE)("PUT", f"Binary/{binary}", moved))[0] == status
    assert await context(house, binary) == "DocumentReference/also"


async def test_a_system_that_changes_a_binary_does_not_become_its_writer(house: House) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    assert (await Caller(house, LABORATORY)("PUT", f"Binary/{binary}", {**BYTES, "id": binary}))[0] == 200
    assert (await Caller(house, ALICE)("GET", f"Binary/{binary}"))[0] == 200


async def test_what_was_stored_when_only_clients_were_noted_is_opened_once_a_system_files_it(house: House) -> None:
    binary = await filed(house, ALICE, "Binary", BYTES)
    store = house.engine.store
    version = await store.read("Binary", binary)
    assert version is not None
    index = unpack(version.packed)
    old = Index((*(w for w in index.words if w.param != "_writer"), Word("_writer", "app")), index.spans)
    await store.reindex([(version, old)])
    for grant in (ALICE, *OTHERS.values()):
        assert (await Caller(house, grant)("GET", f"Binary/{binary}"))[0] == 404
    await filed(house, ALICE, "DocumentReference", a_document("x", "alice", binary=binary))
    assert (await Caller(house, ALICE)("GET", f"Binary/{binary}"))[0] == 404
    await filed(house, LABORATORY, "DocumentReference", a_document("x", "alice", binary=binary))
    assert (await Caller(house, ALICE)("GET", f"Binary/{binary}"))[0] == 200


#: What each type with attachments holds one in: a resource with one that names Binary/1.
HOLDING: dict[str, dict[str, Any]] = {
    "DocumentReference": {"content": [{"attachment": {"url": "Binary/1"}}]},
    "DiagnosticReport": {"presentedForm": [{"url": "Binary/1"}]},
    "Media": {"content": {"url": "Binary/1"}},
    "Communication": {"payload": [{"contentAttachment": {"url": "Binary/1"}}]},
    "Patient": {"photo": [{"url": "Binary/1"}]},
    "Consent": {"sourceAttachment": {"url": "Binary/1"}},
    "QuestionnaireResponse": {"item": [{"item": [{"answer": [{"valueAttachment": {"url": "Binary/1"}}]}]}]},
    "Library": {"relatedArtifact": [{"document": {"url": "Binary/1"}}]},
    "Task": {"output": [{"valueAttachment": {"url": "Binary/1"}}]},
    "Contract": {"term": [{"group": [{"asset": [{"answer": [{"valueAttachment": {"url": "Binary/1"}}]}]}]}]},
    "Observation": {"extension": [{"url": "http://x.example", "valueAttachment": {"url": "Binary/1"}}]},
    "List": {"contained": [{"resourceType": "Media", "content": {"url": "Binary/1"}}]},
}


@pytest.mark.parametrize("type", HOLDING)
def test_attachments_are_found_wherever_the_type_has_them(type: str) -> None:
    assert list(attached({"resourceType": type, **HOLDING[type]})) == ["Binary/1"]
    link = {"resourceType": "Basic", "code": {"coding": [{"system": "Binary/1"}]}, "url": "Binary/1"}
    assert list(attached(link)) == []


@pytest.mark.parametrize("type", ["Patient.nope", "string", "Extension", "nothing", 1, None, {}, ["Media"]])
def test_what_is_no_resource_has_no_attachments(type: Any) -> None:
    odd = {"resourceType": type, "content": {"url": "Binary/1"}, "photo": [{"url": "Binary/1"}]}
    assert list(attached({"resourceType": "List", "contained": [odd, "odd", None, [odd]]})) == []
    assert list(attached({"resourceType": "Media", "content": ["odd", 1, {"url": 1}, {"url": "Binary/"}]})) == []


def test_every_element_that_is_an_attachment_by_its_definition_is_found() -> None:
    kept = {"url": "Binary/1"}
    ways = [
        (name, element.path.split(".")[1:])
        for name, one in types().items()
        if one.kind == "resource" and not one.abstract
        for element in one.elements
        if any(t.code == "Attachment" for t in element.types)
    ]
    assert len(ways) > 20
    for type, way in ways:
        held: Any = kept
        for key in reversed(way):
            held = {key.replace("[x]", "Attachment"): held}
        assert list(attached({"resourceType": type, **held})) == ["Binary/1"], (type, way)
