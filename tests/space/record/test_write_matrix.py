"""Who writes what of a document: every caller × every write × whose document it is × its label, generated.

Domain file §1.3, §2.3 to §2.6: https://interop.esante.gouv.fr/ig/fhir/pdsm (405: another element than status, labels and
archive; 422: refused by rule; 403: not the author; 404: absent or hidden). What a caller does not see is answered as
what is not there, whatever is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN
from fhir_server.app import House
from fhir_server.space.record.label_changes import ROWS
from tests.profiles import resources as r
from tests.server.people import kept
from tests.space.record.callers import Caller, Tree, labelled
from tests.space.record.writers import (
    A05,
    ARCHIVED,
    CALLERS,
    LABELS,
    PATCH,
    PEOPLE,
    WHOSE,
    a_document,
    parts,
    replaced,
    replacing,
    sees,
    stored,
    writing,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with writing(tmp_path_factory.mktemp("writes")) as found:
        yield found


#: A write, what is sent, and who does it of a document: of that of a professional's, or the patient's, by whose it is.
PATCHES: Mapping[str, list[Tree]] = {
    "describe": replacing("description", "x"),
    "describe in the narrative": replacing("text", {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}),
    "tag": replacing("meta/tag", [{"code": "x"}]),
    "supersede": replacing("status", "superseded"),
    "delete": replacing("status", "entered-in-error"),
    "archive": replacing("extension", [ARCHIVED]),
}  # fmt: skip
#: What is not among these is 405 to everybody but an administrator's software.
MANAGED: Mapping[str, frozenset[str]] = {
    "supersede": frozenset({"author", "colleague"}),
    "delete": frozenset({"author"}),
    "archive": frozenset({"author"}),
}


@pytest.mark.parametrize("write", PATCHES)
@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_patch_is_its_authors(house: House, caller: str, whose: str, write: str) -> None:
    id = await stored(house, a_document(whose, "N"))
    answer = await Caller(house, CALLERS[caller])("PATCH", f"DocumentReference/{id}", PATCHES[write], PATCH)
    if caller == "software":
        expected = 200
    elif write not in MANAGED:
        expected = 405
    else:
        expected = 200 if parts(caller, whose) & MANAGED[write] else 403
    assert answer.status == expected, answer.json
    if expected != 200:
        assert answer.expressions[0].startswith("DocumentReference.")


@pytest.mark.parametrize("code", LABELS[1:])
@pytest.mark.parametrize("verb", ["PATCH", "PUT", "transaction"])
@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("caller", CALLERS)
async def test_a_label_is_added_and_removed_by_the_table(
    house: House, caller: str, whose: str, verb: str, code: str
) -> None:
    mine = parts(caller, whose)
    patients_side = caller in ("patient", "representative", "caregiver")
    for before, after, who in ((["N"], [code], ROWS[code].add), ([code], ["N"], ROWS[code].remove)):
        tree = a_document(whose, *before)
        id = await stored(house, tree)
        seen = await sees(house, caller, id)
        answer = await labelling(house, caller, {**tree, "id": id}, labelled(*after), verb)
        if caller == "software":
            expected = {200}
        elif not seen:
            expected = {404}
        elif mine & who and not (code == "INVISIBLE_PATIENT" and patients_side):
            expected = {200}
        else:
            expected = {422} if mine & {"author", "patient", "representative"} else {403}
        assert answer.status in expected, (before, after, answer.json)


async def labelling(house: House, caller: str, tree: Tree, labels: list[Tree], verb: str) -> Any:
    call, url = Caller(house, CALLERS[caller]), f"DocumentReference/{tree['id']}"
    if verb == "PATCH":
        return await call("PATCH", url, replacing("securityLabel", labels), PATCH)
    sent = {**tree, "securityLabel": labels}
    if verb == "PUT":
        return await call("PUT", url, sent)
    entry = {"resource": sent, "request": {"method": "PUT", "url": url}}
    return await call("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})


#: What somebody changes with PUT → who does; None: nobody, it would be another document.
PUTS: Mapping[str, tuple[Tree, frozenset[str] | None]] = {
    "description": ({"description": "x"}, frozenset({"author"})),
    "narrative": ({"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}}, frozenset({"author"})),
    "tag": ({"meta": {"tag": [{"code": "x"}]}}, frozenset({"author"})),
    "name": ({"masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4"}}, None),
    "author": ({}, None),
    "content": ({"content": [{"attachment": {"url": "http://example.org/y"}}]}, None),
}  # fmt: skip


@pytest.mark.parametrize("what", PUTS)
@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("caller", PEOPLE)
async def test_other_metadata_is_its_authors_and_what_it_is_nobodys(
    house: House, caller: str, whose: str, what: str
) -> None:
    tree = a_document(whose, "N")
    id = await stored(house, tree)
    more, who = PUTS[what]
    if what == "author":
        more = {"author": [*tree["author"], {"reference": "Practitioner/other"}]}
    answer = await Caller(house, CALLERS[caller])("PUT", f"DocumentReference/{id}", {**tree, "id": id, **more})
    mine = parts(caller, whose)
    assert answer.status == (403 if "author" not in mine else 422 if who is None else 200), answer.json


@pytest.mark.parametrize("by_criteria", [False, True])
@pytest.mark.parametrize("caller", CALLERS)
async def test_nobody_deletes_a_document_but_by_its_status(house: House, caller: str, by_criteria: bool) -> None:
    tree = a_document("a professional's", "N")
    id = await stored(house, tree)
    url = (
        f"DocumentReference?identifier={tree['masterIdentifier']['value']}"
        if by_criteria
        else f"DocumentReference/{id}"
    )
    answer = await Caller(house, CALLERS[caller])("DELETE", url)
    assert answer.status == (204 if caller == "software" else 405)
    assert caller == "software" or "PATCH" in answer.headers["Allow"]


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("caller", PEOPLE)
async def test_a_document_is_replaced_by_its_author_or_for_its_organisation(
    house: House, caller: str, whose: str
) -> None:
    id = await stored(house, a_document(whose, "N"))
    professional = caller in ("author", "author by role", "author in a record", "colleague", "other")
    subject = CALLERS[caller].subject
    new = a_document("a professional's" if professional else "the patient's", "N", relatesTo=replaced(id))
    if not professional:
        new["author"] = [{"reference": subject}]
        new["type"] = r.concept(r.nos("TRE_A05-TypeDocComplementaire"), "DOCPAT03")
    answer = await Caller(house, CALLERS[caller])("POST", "DocumentReference", new)
    may = bool(parts(caller, whose) & {"author", "colleague"})
    assert answer.status == (201 if may else 403), answer.json
    after = (await Caller(house)("GET", f"DocumentReference/{id}")).json
    assert after["status"] == ("superseded" if may else "current")


#: Type → who files it. Software of an administrator files all.
TYPES: Mapping[tuple[str, str], frozenset[str]] = {
    ("http://loinc.org", "34112-3"): frozenset({"author", "colleague", "other"}),
    ("http://loinc.org", "74465-6"): frozenset({"author", "patient", "representative", "caregiver"}),
    (A05, "REMB"): frozenset(),
    (A05, "EXPPAT_1"): frozenset({"patient", "representative", "caregiver"}),
    (A05, "EXPPAT_3"): frozenset({"patient"}),
    (A05, "DOCPAT03"): frozenset({"patient", "representative", "caregiver"}),
}


@pytest.mark.parametrize("type", TYPES, ids=[code for _, code in TYPES])
@pytest.mark.parametrize("caller", ["author", "patient", "representative", "caregiver", "software"])
async def test_a_type_of_document_is_filed_by_whom_it_is_of(house: House, caller: str, type: tuple[str, str]) -> None:
    professional = caller in ("author", "software")
    new = a_document("a professional's" if professional else "the patient's", "N", type=r.concept(*type))
    if not professional:
        new["author"] = [{"reference": CALLERS[caller].subject}]
    answer = await Caller(house, CALLERS[caller])("POST", "DocumentReference", new)
    assert answer.status == (201 if caller == "software" or caller in TYPES[type] else 422), answer.json
    assert answer.status == 201 or answer.expressions == ["DocumentReference.type"]


#: What somebody files for themselves and is not so → the element.
FILED: list[tuple[str, Tree, str]] = [
    ("another author", {"author": [{"reference": "Practitioner/author"}]}, "author"),
    ("with a professional", {"author": [{"reference": "Patient/a"}, {"reference": "Practitioner/author"}]}, "author"),
    ("with whoever has a name", {"author": [{"reference": "Patient/a"}, {"display": "Dr House"}]}, "author"),
    ("with who is contained", {"author": [{"reference": "Patient/a"}, {"reference": "#d"}],
                               "contained": [{"resourceType": "Practitioner", "id": "d"}]}, "author"),
    ("theirs and a laboratory's", {"type": {"coding": [*r.concept(A05, "DOCPAT03")["coding"],
                                                      *r.concept("http://loinc.org", "34112-3")["coding"]]}}, "type"),
    ("superseded", {"status": "superseded"}, "status"),
    ("deleted", {"status": "entered-in-error"}, "status"),
    ("invisible to themselves", {"securityLabel": labelled("INVISIBLE_PATIENT")}, "securityLabel"),
    ("from a hospital", {"context": {"facilityType": r.concept(r.nos("TRE_R02-SecteurActivite"), "SA01")}}, "context.facilityType"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "element"), [row[1:] for row in FILED], ids=[row[0] for row in FILED])
async def test_what_a_patient_files_is_theirs(house: House, more: Tree, element: str) -> None:
    answer = await Caller(house, CALLERS["patient"])(
        "POST", "DocumentReference", a_document("the patient's", "N", **more)
    )
    assert (answer.status, answer.expressions) == (422, [f"DocumentReference.{element}"])


#: Who wrote a document beside the software "app" → who writes through it as its author.
THROUGH: list[tuple[list[Tree], str, bool]] = [
    ([{"reference": "Practitioner/author"}, {"reference": "Device/app"}], "author", True),
    ([{"reference": "Practitioner/author"}, {"reference": "Device/app"}], "other", False),
    ([{"reference": "Practitioner/author"}, {"reference": "Device/app"}], "patient", False),
    ([{"reference": "Device/app"}], "other", False),
    ([{"reference": "Device/app"}], "patient", True),
    ([{"reference": "Patient/a"}, {"reference": "Device/app"}], "patient", True),
]


@pytest.mark.parametrize(("authors", "caller", "may"), THROUGH)
async def test_nobody_is_the_author_by_the_software_that_others_use_too(
    house: House, authors: list[Tree], caller: str, may: bool
) -> None:
    id = await stored(house, a_document("the patient's", "N", author=authors))
    deleted = await Caller(house, CALLERS[caller])(
        "PATCH", f"DocumentReference/{id}", replacing("status", "entered-in-error"), PATCH
    )
    assert deleted.status == (200 if may else 403), deleted.json


async def test_the_author_makes_nobody_else_the_author_by_what_is_contained(house: House) -> None:
    id = await stored(house, a_document("a professional's", "N"))
    author = Caller(house, CALLERS["author"])
    tree = (await author("GET", f"DocumentReference/{id}")).json
    tree["contained"][1]["identifier"][0]["value"] = "899700218891"
    answer = await author("PUT", f"DocumentReference/{id}", tree)
    assert (answer.status, answer.expressions) == (422, ["DocumentReference.author"]), answer.json


async def test_what_was_superseded_or_deleted_stays_so(house: House) -> None:
    for status, refused in (("superseded", 422), ("entered-in-error", 404)):
        id = await stored(house, a_document("a professional's", "N", status=status))
        answer = await Caller(house, CALLERS["author"])(
            "PATCH", f"DocumentReference/{id}", replacing("status", "current"), PATCH
        )
        assert answer.status in (refused, 422)
        assert (await Caller(house)("GET", f"DocumentReference/{id}")).json["status"] == status


async def test_at_most_ten_documents_are_deleted_at_once(house: House) -> None:
    ids = [await stored(house, a_document("the patient's", "N")) for _ in range(11)]
    part = {"name": "operation", "part": [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "DocumentReference.status"}, {"name": "value", "valueCode": "entered-in-error"}]}  # fmt: skip
    tree = {"resourceType": "Parameters", "parameter": [part]}
    entries = [{"resource": tree, "request": {"method": "PATCH", "url": f"DocumentReference/{id}"}} for id in ids]
    patient = Caller(house, CALLERS["patient"])
    answer = await patient("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert (answer.status, answer.expressions) == (422, ["Bundle.entry[10].resource.status"])
    answer = await patient("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries[:10]})
    assert answer.status == 200, answer.json


async def test_the_content_of_a_document_stays_what_it_is(house: House) -> None:
    binary = {"resourceType": "Binary", "id": "filed", "contentType": "text/plain", "data": "YWJj"}
    document = a_document("a professional's", "N", content=[{"attachment": {"url": "Binary/filed"}}])
    await kept(house, binary, {**document, "id": "holder"})
    author = Caller(house, CALLERS["author"])
    for verb, body in (("PUT", {**binary, "data": "ZGVm"}), ("DELETE", None)):
        assert (await author(verb, "Binary/filed", body)).status == 405
    assert (await Caller(house, OPEN)("GET", "Binary/filed")).json["data"] == "YWJj"
