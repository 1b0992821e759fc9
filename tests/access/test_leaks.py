"""What is hidden answers exactly like what does not exist, by whichever way one asks.

https://hl7.org/fhir/R4/security.html, https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/search.html
The scene: alice and bob are patients; alice's document `masked` carries MASQUE_PS and the doctor's rule excludes it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Scope
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.settings import Settings
from fhir_server.store.filters import Not, Token
from tests.server.calls import OPERATIONS
from tests.server.people import a_care_team

BASE = "http://127.0.0.1/fhir"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
UNMASKED = Not(Token("security-label", "masque_ps"))

DOCTOR = Grant(
    (Scope("user", "*", VERBS - {"d"}), Scope("user", "DocumentReference", frozenset("d"), UNMASKED)),
    subject="Practitioner/d",
    client="practice",
)
#: As the doctor, and masked documents excluded from every verb.
MASKED_FROM = Grant(
    (
        Scope("user", "DocumentReference", VERBS, UNMASKED),
        *(Scope("user", t, VERBS) for t in ("Patient", "Binary", "List", "Observation", "Practitioner")),
    ),
    subject="Practitioner/d",
    client="practice",
)
ALICE = Grant((Scope("patient", "*", VERBS),), subject="Patient/alice", patient="alice", client="app")
NOBODY = Grant((), client="app")


class Caller:
    """One caller of the server, by FHIR exchanges."""

    def __init__(self, house: House, grant: Grant) -> None:
        self.house, self.grant = house, grant

    async def __call__(
        self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, Any]:
        request = Request(
            method,
            tuple(part for part in path.split("/") if part),
            tuple((query or {}).items()),
            json.dumps(body).encode() if body is not None else b"",
            "application/fhir+json"
            if body is not None and not isinstance(body, list)
            else "application/json-patch+json",
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        context = Context(
            await self.house.seen_by(self.grant, BASE),
            self.house.settings,
            BASE,
            self.house.pipeline,
            cursor_key=self.house.cursor_key,
            watch=self.house.watch,
            operate=OPERATIONS.operate,
        )
        try:
            response: Response = await audited(request, context)
        except FhirError as error:
            return error.status, json.loads(error.body())
        return response.status, json.loads(response.body) if response.body else None


def a_document(id: str, patient: str, label: str | None = None, binary: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "author": [{"reference": "Practitioner/author"}],
        "description": f"word{id}",
        "content": [{"attachment": {"url": f"Binary/{binary or id}"}}],
    }
    if label:
        document["securityLabel"] = [{"coding": [{"system": VISIBILITY, "code": label}]}]
    return document


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path, open=True)) as house:
        loader = Caller(house, OPEN)
        for resource in (
            {"resourceType": "Patient", "id": "alice", "name": [{"family": "Demo"}]},
            {"resourceType": "Patient", "id": "bob", "name": [{"family": "Test"}]},
            {"resourceType": "Practitioner", "id": "author", "name": [{"family": "Auteur"}]},
            *(a_care_team(id, "Practitioner/d") for id in ("alice", "bob")),
            a_document("open", "alice"),
            a_document("masked", "alice"),
            a_document("bobs", "bob"),
            {
                "resourceType": "Binary",
                "id": "masked",
                "contentType": "text/plain",
                "data": "eA==",
                "securityContext": {"reference": "DocumentReference/masked"},
            },
            {
                "resourceType": "List",
                "id": "lot",
                "status": "current",
                "mode": "working",
                "subject": {"reference": "Patient/alice"},
                "entry": [{"item": {"reference": f"DocumentReference/{id}"}} for id in ("open", "masked")],
            },
        ):
            status, answer = await loader("PUT", f"{resource['resourceType']}/{resource['id']}", resource)
            assert status == 201, answer
        # Masked afterwards: its first version was not.
        status, _ = await loader("PUT", "DocumentReference/masked", a_document("masked", "alice", "MASQUE_PS"))
        assert status == 200
        yield house


def ids(bundle: Any, mode: str | None = None) -> list[str]:
    entries = bundle.get("entry", [])
    kept = [e for e in entries if mode is None or e["search"]["mode"] == mode]
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in kept if "resource" in e)


#: Ways to ask for one document directly: method, path with {id}, body, headers.
DIRECT: list[tuple[str, str, Any, dict[str, str]]] = [
    ("GET", "DocumentReference/{id}", None, {}),
    ("GET", "DocumentReference/{id}/_history", None, {}),
    ("GET", "DocumentReference/{id}/_history/1", None, {}),
    ("GET", "DocumentReference/{id}/_history/2", None, {}),
    ("GET", "DocumentReference/{id}/_history/99", None, {}),
    ("GET", "Binary/{id}", None, {}),
    ("GET", "Binary/{id}/_history/1", None, {}),
    ("GET", "DocumentReference/{id}/$meta", None, {}),
    ("PATCH", "DocumentReference/{id}", [{"op": "replace", "path": "/status", "value": "superseded"}], {}),
    ("PATCH", "DocumentReference/{id}", [{"op": "test", "path": "/status", "value": "current"}], {}),
    ("DELETE", "DocumentReference/{id}", None, {}),
    ("GET", "DocumentReference/{id}", None, {"if_none_match": 'W/"2"'}),
    ("GET", "DocumentReference/{id}", None, {"if_modified_since": "Sat, 01 Jan 2050 00:00:00 GMT"}),
]


@pytest.mark.parametrize(("method", "path", "body", "headers"), DIRECT, ids=[f"{m} {p} {h}" for m, p, _, h in DIRECT])
async def test_a_masked_document_answers_like_one_that_never_was(
    house: House, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    caller = Caller(house, MASKED_FROM)
    hidden = await caller(method, path.format(id="masked"), body, **headers)
    absent = await caller(method, path.format(id="absent"), body, **headers)
    assert hidden[0] == absent[0]
    assert json.dumps(hidden[1]).replace("masked", "X") == json.dumps(absent[1]).replace("absent", "X")


@pytest.mark.parametrize("label", [None, "MASQUE_PS"])
async def test_a_put_on_a_hidden_id_is_refused_like_one_on_an_unknown_id(house: House, label: str | None) -> None:
    caller = Caller(house, MASKED_FROM)
    hidden = await caller("PUT", "DocumentReference/masked", a_document("masked", "alice", label))
    absent = await caller("PUT", "DocumentReference/absent", a_document("absent", "alice", label))
    assert hidden == absent
    assert hidden[0] >= 400


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"_total": "accurate"},
        {"_id": "masked"},
        {"subject": "Patient/alice"},
        {"description": "wordmasked"},
        {"security-label": "MASQUE_PS"},
        {"security-label:missing": "false"},
        {"_content": "wordmasked"},
        {"_filter": "description eq wordmasked"},
        {"_lastUpdated": "gt2020-01-01"},
        {"_list": "lot"},
        {"_summary": "count"},
        {"_count": "0"},
        {"_sort": "security-label"},
        {"subject.name": "demo"},
        {"subject:Patient._has:DocumentReference:subject:security-label": "MASQUE_PS"},
    ],
    ids=str,
)
async def test_a_search_gives_and_counts_what_it_would_if_the_masked_did_not_exist(
    house: House, query: dict[str, str]
) -> None:
    status, before = await Caller(house, MASKED_FROM)("GET", "DocumentReference", query=query)
    assert status == 200, before
    assert "DocumentReference/masked" not in json.dumps(before.get("entry", []))
    # Remove it for real; the answer must not change.
    assert (await Caller(house, OPEN)("DELETE", "DocumentReference/masked"))[0] in (200, 204)
    _, after = await Caller(house, MASKED_FROM)("GET", "DocumentReference", query=query)
    assert (ids(before), before.get("total")) == (ids(after), after.get("total"))


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("Patient", {"_has:DocumentReference:subject:security-label": "MASQUE_PS"}),
        ("Patient", {"_has:DocumentReference:subject:description": "wordmasked"}),
        ("List", {"item:DocumentReference.description": "wordmasked"}),
        ("List", {"item:DocumentReference.security-label": "MASQUE_PS"}),
        ("Patient", {"_filter": "_has:DocumentReference:subject:description eq wordmasked"}),
    ],
    ids=str,
)
async def test_a_link_says_nothing_of_what_it_leads_to_when_that_is_hidden(
    house: House, path: str, query: dict[str, str]
) -> None:
    status, found = await Caller(house, MASKED_FROM)("GET", path, query=query)
    assert ids(found) == [] if status == 200 else status == 400
    if status == 200:
        assert found["total"] == 0


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("List", {"_include": "List:item"}),
        ("List", {"_include": "*"}),
        ("List", {"_include:iterate": "List:item"}),
        ("Patient", {"_revinclude": "DocumentReference:subject"}),
        ("Patient", {"_revinclude": "*"}),
        ("Patient/alice/DocumentReference", {}),
        ("Patient/alice/*", {}),
        ("Patient/alice/$everything", {}),
        ("DocumentReference/_history", {}),
        ("_history", {}),
        ("", {"_type": "DocumentReference,Patient,Binary"}),
    ],
    ids=str,
)
async def test_includes_compartments_histories_and_everything_leave_out_the_masked(
    house: House, path: str, query: dict[str, str]
) -> None:
    everyone = await Caller(house, OPEN)("GET", path, query=query)
    status, found = await Caller(house, MASKED_FROM)("GET", path, query=query)
    assert everyone[0] == 200
    assert "DocumentReference/masked" in json.dumps(ids(everyone[1]))
    assert status == 200, found
    assert "DocumentReference/masked" not in ids(found)
    assert "Binary/masked" not in ids(found)
    assert "wordmasked" not in json.dumps(found)


async def test_a_deletion_of_what_was_hidden_stays_404_and_never_becomes_410(house: House) -> None:
    assert (await Caller(house, OPEN)("DELETE", "DocumentReference/masked"))[0] in (200, 204)
    assert (await Caller(house, OPEN)("GET", "DocumentReference/masked"))[0] == 410
    hidden = Caller(house, MASKED_FROM)
    assert (await hidden("GET", "DocumentReference/masked"))[0] == 404
    assert (await hidden("GET", "DocumentReference/masked/_history"))[0] == 404
    assert "masked" not in json.dumps(ids((await hidden("GET", "DocumentReference/_history"))[1]))


@pytest.mark.parametrize("verb", ["create", "update", "delete", "patch"])
async def test_a_condition_matches_only_what_its_caller_could_find(house: House, verb: str) -> None:
    caller = Caller(house, MASKED_FROM)
    query = {"description": "wordmasked"}
    document = {k: v for k, v in a_document("x", "alice").items() if k != "id"}
    match verb:
        case "create":
            status, _ = await caller("POST", "DocumentReference", document, if_none_exist="description=wordmasked")
            assert status == 201
        case "update":
            status, _ = await caller("PUT", "DocumentReference", document, query)
            assert status == 201
        case "delete":
            status, _ = await caller("DELETE", "DocumentReference", None, query)
            assert status in (204, 404, 200)
        case "patch":
            status, _ = await caller("PATCH", "DocumentReference", [{"op": "remove", "path": "/description"}], query)
            assert status == 404
    assert (await Caller(house, OPEN)("GET", "DocumentReference/masked"))[0] == 200
    assert (await Caller(house, OPEN)("GET", "DocumentReference/masked"))[1]["meta"]["versionId"] == "2"


@pytest.mark.parametrize("type", ["batch", "transaction"])
async def test_a_bundle_reads_and_finds_no_more_than_its_caller(house: House, type: str) -> None:
    gets = ["DocumentReference?_total=accurate", "Patient/alice/$everything"]
    bundle = {"resourceType": "Bundle", "type": type,
              "entry": [{"request": {"method": "GET", "url": url}} for url in gets]}  # fmt: skip
    status, answer = await Caller(house, MASKED_FROM)("POST", "", bundle)
    assert status == 200, answer
    assert answer["entry"][0]["resource"]["total"] == 2
    assert "wordmasked" not in json.dumps(answer)


async def test_a_patients_app_sees_and_writes_that_patient_and_no_other(house: House) -> None:
    alice = Caller(house, ALICE)
    assert ids((await alice("GET", "DocumentReference"))[1]) == ["DocumentReference/masked", "DocumentReference/open"]
    assert ids((await alice("GET", "Patient"))[1]) == ["Patient/alice"]
    assert (await alice("GET", "DocumentReference/bobs"))[0] == 404
    assert (await alice("GET", "Patient/bob"))[0] == 404
    mine = {"resourceType": "Observation", "status": "final", "code": {"text": "poids"}}
    assert (await alice("POST", "Observation", {**mine, "subject": {"reference": "Patient/alice"}}))[0] == 201
    assert (await alice("POST", "Observation", {**mine, "subject": {"reference": "Patient/bob"}}))[0] == 403
    assert (await alice("POST", "Observation", mine))[0] == 403


async def test_an_update_may_not_carry_a_resource_out_of_its_writers_reach(house: House) -> None:
    moved = a_document("open", "bob")
    status, _ = await Caller(house, ALICE)("PUT", "DocumentReference/open", moved)
    assert status == 403
    assert (await Caller(house, OPEN)("GET", "DocumentReference/open"))[1]["subject"]["reference"] == "Patient/alice"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "Patient", None),
        ("GET", "Patient/alice", None),
        ("POST", "Patient", {"resourceType": "Patient"}),
        ("PUT", "Patient/alice", {"resourceType": "Patient", "id": "alice"}),
        ("DELETE", "Patient/alice", None),
        ("GET", "Patient/alice/_history", None),
        ("GET", "Patient/_history", None),
        ("GET", "Patient/alice/$everything", None),
    ],
)
async def test_without_a_scope_every_verb_is_forbidden(house: House, method: str, path: str, body: Any) -> None:
    assert (await Caller(house, NOBODY)(method, path, body))[0] == 403


async def test_a_write_judged_against_a_version_that_was_masked_since_is_refused(house: House) -> None:
    repository = await house.seen_by(MASKED_FROM, BASE)
    before = await repository.current("DocumentReference", "open", "u")
    assert before is not None
    await Caller(house, OPEN)("PUT", "DocumentReference/open", a_document("open", "alice", "MASQUE_PS"))
    status, _ = await Caller(house, MASKED_FROM)(
        "PUT", "DocumentReference/open", a_document("open", "alice"), if_match='W/"1"'
    )
    assert status in (404, 412)
    assert (await Caller(house, OPEN)("GET", "DocumentReference/open"))[1]["meta"]["versionId"] == "2"


async def test_every_traced_exchange_leaves_an_audit_event_that_names_the_person(house: House) -> None:
    await Caller(house, DOCTOR)("GET", "DocumentReference/open")
    await Caller(house, MASKED_FROM)("GET", "DocumentReference/masked")
    _, bundle = await Caller(house, OPEN)("GET", "AuditEvent", query={"_sort": "_lastUpdated"})
    read, refused = (entry["resource"] for entry in bundle["entry"])
    assert read["agent"][0]["who"]["reference"] == "Practitioner/d"
    assert {"Patient/alice", "DocumentReference/open/_history/1"} == {e["what"]["reference"] for e in read["entity"]}
    assert (read["outcome"], refused["outcome"]) == ("0", "4")
