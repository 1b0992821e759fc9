"""Every way out of a server by which a document could be told of, made from what the server offers.

Search parameters come from the registry in force, links from the types that have a parameter for them, operations from
their OperationDefinitions. https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fhir_server.fhir.definitions import SearchParameter, folder, resource_types
from fhir_server.search.parameters.registry import Registry
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import Index
from tests.interactions.test_batch import asks, batch
from tests.space.record.callers import BASE, Tree, document, labelled, spelt

#: (method, URL, body, media type, headers)
Call = tuple[str, str, Any, str, Mapping[str, str]]
JSON, PATCH = "application/fhir+json", "application/json-patch+json"

#: The hidden document, one that replaces it, and one that has nothing to do with it.
H, NEXT, OTHER = "DocumentReference/h", "DocumentReference/next", "DocumentReference/other"
MASTER = "urn:uuid:5c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"
ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"


def refers(to: str) -> Tree:
    return {"reference": to}


def rich(author: str, *codes: str, **more: Any) -> Tree:
    """A document that every search parameter finds."""
    identifier = {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22"}
    content = {
        "attachment": {
            "contentType": "text/plain",
            "language": "fr-FR",
            "url": "Binary/h",
            "title": "hiddentitle",
            "creation": "2024-01-10T09:30:00+01:00",
        },
        "format": {"system": "urn:format", "code": "hiddenformat"},
    }
    tree = document("h", *codes, author=refers(author))
    return {
        **tree,
        "meta": {
            "tag": [{"system": "urn:t", "code": "hiddentag"}],
            "security": [{"system": "urn:s", "code": "hiddensecurity"}],
            "source": "urn:hidden:source",
            "profile": ["http://example.org/hidden-profile"],
        },
        "language": "fr",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">hiddennarrative</div>'},
        "extension": [{"url": ARCHIVED, "valueBoolean": False}],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": MASTER},
        "identifier": [identifier],
        "type": spelt("http://loinc.org", "11502-2"),
        "category": [spelt("urn:c", "hiddencategory")],
        "date": "2024-01-10T10:00:00+01:00",
        "authenticator": refers("Practitioner/signs"),
        "custodian": refers("Organization/keeps"),
        "relatesTo": [{"code": "appends", "target": refers(OTHER)}],
        "description": "hiddendescription",
        "content": [content],
        "context": {
            "encounter": [refers("Encounter/e")],
            "event": [spelt("urn:e", "hiddenevent")],
            "period": {"start": "2024-01-10T08:00:00+01:00", "end": "2024-01-10T09:00:00+01:00"},
            "facilityType": spelt("urn:f", "hiddenfacility"),
            "practiceSetting": spelt("urn:p", "hiddensetting"),
            "related": [refers("Encounter/e")],
        },
        **more,
    }


def direct() -> Iterator[Call]:
    """The document, its content and its versions, by their addresses."""
    for place in (H, "Binary/h"):
        for url in (place, f"{place}/_history", f"{place}/_history/1", f"{place}/_history/2", f"{place}/$meta"):
            yield get(url)
        yield "GET", place, None, "", {"if_none_match": 'W/"1"'}
        yield "GET", place, None, "", {"if_modified_since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    for url in ("DocumentReference/_history", "Binary/_history", "_history", "List/_history", "List/lot",
                "List/lot/_history/1", NEXT, f"{NEXT}/_history", "Provenance/of", "Communication/about",
                "Composition/sums", "Basic/extends", "Task/focused", "QuestionnaireResponse/said"):  # fmt: skip
        yield get(url)


def values(index: Index, code: str, param: SearchParameter) -> Iterator[str]:
    """What a parameter would be asked with to find the document, from the rows that it was indexed by."""
    for word in index.words:
        if word.param == code and not word.group:
            of_system = f"{word.qualifier}|{word.value}" if param.type == "token" else word.value
            yield quote(of_system, safe="")
    for span in index.spans:
        if span.param == code:
            yield "gt2024-01-09&date=lt2024-01-11" if code == "date" else "gt2024-01-09"
    if param.type == "composite":
        yield quote(f"{OTHER}$appends", safe="")


def searches(index: Index, params: Mapping[str, SearchParameter]) -> Iterator[tuple[str, Call]]:
    """Each search parameter, by what the document has: (code, call)."""
    for code, param in params.items():
        for value in dict.fromkeys(values(index, code, param)):
            yield code, get(f"DocumentReference?{code}={value}&_total=accurate")
            yield code, get(f"DocumentReference?{code}={value}&_summary=count")
        yield code, get(f"DocumentReference?{code}:missing=false&_total=accurate&_elements=id")
        yield code, get(f"DocumentReference?{code}:missing=true&_total=accurate&_elements=id")
        if param.type not in ("composite", "special"):
            yield code, get(f"DocumentReference?_sort=-{code}&_elements=id&_count=1")
        if param.type == "reference":
            yield code, get(f"DocumentReference?_include=DocumentReference:{code}")


#: Parameters of no expression, and result parameters, by what the document has.
SPECIAL = (
    "_id=h", "_text=hiddennarrative", "_content=hiddendescription", "_content=hiddentitle", "_list=lot", "_list=own",
    "_filter=_id%20eq%20h", "_filter=description%20co%20%22hidden%22", "_filter=relatesto%20eq%20DocumentReference/h",
    "_has:List:item:_id=lot", "_has:DocumentReference:relatesto:_id=next", "_lastUpdated=gt2020", "_count=1",
    "_contained=both&_total=accurate", "_include=*", "_revinclude=*&_id=other,h", "_elements=description", "_summary=text",
    "_total=estimate", "relatesto=DocumentReference/h", "relatesto:DocumentReference._id=h", "related=DocumentReference/h",
    "relatesto.description=hiddendescription", "relation=replaces", "relation:not=replaces", "relatesto:missing=true",
    f"relationship={quote(H, safe='')}$replaces", f"relatesto={quote(f'{BASE}/{H}', safe='')}",
    "patient=a&status=current&_count=20&_total=accurate", "subject:Patient._has:DocumentReference:subject:_id=h",
)  # fmt: skip


def linking(registry: Registry, types: tuple[str, ...]) -> Iterator[str]:
    """Searches of every type by what refers to the document."""
    for type in types:
        for code, param in registry.of(type).items():
            if param.type != "reference" or "DocumentReference" not in targets_of(param, type):
                continue
            yield f"{type}?{code}={H}&_total=accurate"
            yield f"{type}?{code}:DocumentReference.description=hiddendescription&_total=accurate"
            yield f"{type}?{code}:identifier={quote(f'urn:ietf:rfc:3986|{MASTER}', safe='')}"
            yield f"{type}?{code}:missing=true&_total=accurate&_elements=id"
            yield f"{type}?_include={type}:{code}&_include:iterate=DocumentReference:relatesto"
            yield f"DocumentReference?_has:{type}:{code}:_lastUpdated=gt2020&_total=accurate"
            yield f"DocumentReference?_revinclude={type}:{code}&_count=2"


def writes(hidden: Tree) -> Iterator[Call]:
    """Writes of it, by it and about it: each is refused as if it were not there."""
    mine = document("mine", patient="a")
    identified = f"identifier={quote(f'urn:ietf:rfc:3986|{MASTER}', safe='')}"
    # With what the document is like, and without a label that only some may write.
    there = {**hidden, "securityLabel": labelled("N"), "status": "current"}
    for match in ({}, {"if_match": 'W/"1"'}, {"if_none_match": "*"}):
        yield "PUT", H, there, JSON, match
        yield "DELETE", H, None, "", match
    yield (
        "PUT",
        "Binary/h",
        {"resourceType": "Binary", "id": "h", "contentType": "text/plain", "data": "eA=="},
        JSON,
        {},
    )
    yield "DELETE", "Binary/h", None, "", {}
    for url in (H, f"DocumentReference?{identified}", "DocumentReference?_tag=hiddentag"):
        yield "PATCH", url, [{"op": "replace", "path": "/status", "value": "superseded"}], PATCH, {}
        yield "PATCH", url, [{"op": "test", "path": "/status", "value": "x"}], PATCH, {}
    yield "DELETE", f"DocumentReference?{identified}", None, "", {}
    posted = {key: value for key, value in mine.items() if key != "id"}
    yield "POST", "DocumentReference", posted, JSON, {"if_none_exist": identified}
    for kind in ("batch", "transaction"):
        for entry in (
            asks("GET", H),
            asks("GET", f"DocumentReference?{identified}"),
            asks("DELETE", H),
            asks("PUT", H, there),
            asks("POST", "DocumentReference", {**posted, "relatesTo": [{"code": "appends", "target": refers(H)}]}),
        ):
            yield "POST", "", batch(entry, type=kind), JSON, {}
    link = {"relatesTo": [{"code": "appends", "target": refers(H)}]}
    yield "POST", "DocumentReference", {**posted, **link}, JSON, {}
    entry = {"entry": [{"item": refers(H)}, {"item": refers(OTHER)}]}
    a_list = {"resourceType": "List", "status": "current", "mode": "working", "subject": refers("Patient/a"), **entry}
    yield "POST", "List", a_list, JSON, {}
    content = {"resourceType": "Binary", "contentType": "text/plain", "data": "eA==", "securityContext": refers(H)}
    yield "POST", "Binary", content, JSON, {}
    # What was not shown is put back, and not told.
    shown = {**a_list, "id": "lot", "entry": [{"item": refers(OTHER)}]}
    yield "PUT", "List/lot", shown, JSON, {}
    yield "PATCH", "List/lot", [{"op": "add", "path": "/title", "value": "a title"}], PATCH, {}
    yield get("List/lot")


def parameters(**named: Any) -> Tree:
    rows = [{"name": name, f"value{kind}": value} for name, (kind, value) in named.items()]
    return {"resourceType": "Parameters", "parameter": rows}


def post(url: str, body: Any = None) -> Call:
    return "POST", url, body, JSON if body is not None else "", {}


def get(url: str) -> Call:
    return "GET", url, None, "", {}


_TAG = parameters(meta=("Meta", {"tag": [{"system": "urn:system", "code": "mine"}]}))
#: Id of an OperationDefinition → how it could tell of the document. A new operation needs a row here.
OPERATIONS: Mapping[str, tuple[Call, ...]] = {
    "Patient-everything": (
        get("Patient/a/$everything"),
        get("Patient/a/$everything?_count=3"),
        get("Patient/a/$everything?_type=DocumentReference,List"),
        get("Patient/$everything"),
    ),
    "Composition-document": (get("Composition/sums/$document"), get("Composition/sums/$document?persist=false")),
    "Observation-lastn": (get("Observation/$lastn?patient=a&code:missing=false"),),
    "Resource-meta": (get(f"{H}/$meta"), get("DocumentReference/$meta"), get("$meta")),
    "Resource-meta-add": (post(f"{H}/$meta-add", _TAG),),
    "Resource-meta-delete": (post(f"{H}/$meta-delete", _TAG),),
    "Resource-validate": (
        post(f"{H}/$validate?mode=delete"),
        post(f"{H}/$validate?mode=update"),
        get(f"{H}/$validate"),
    ),
    "explain": (get("DocumentReference/$explain?_id=h"), get(f"List/$explain?item={H}")),
    "DocumentReference-docref": (
        get("DocumentReference/$docref?patient=a"),
        get("DocumentReference/$docref?patient=Patient/a"),
    ),
    "DocumentReference-show": (get(f"{H}/$show"), get(f"{NEXT}/$show")),
    "DocumentReference-generate-metadata": (post("DocumentReference/$generate-metadata?reference=Binary/h"),),
    "DocumentReference-file-cda": (post("DocumentReference/$file-cda?reference=Binary/h"),),
    "Record-access-explain": (
        get(f"{H}/$access-explain"),
        get(f"{H}/$access-explain?practitioner=Practitioner/author"),
        get("Patient/a/$access-explain"),
    ),
    "AuditEvent-emergencies": (get("AuditEvent/$emergencies"),),
    "AuditEvent-emergency-review": (),
    "Patient-record-choices": (get("Patient/a/$record-choices"),),
    "Patient-record-choose": (),
    "Communication-mark-read": (post("Communication/about/$mark-read"),),
    "Communication-end": (),
    "Communication-save-attachment": (post("Communication/about/$save-attachment?payload=0&type=DOCPAT03"),),
    "Patient-unread": (get("Patient/a/$unread"),),
    "Patient-notice-preferences": (get("Patient/a/$notice-preferences"),),
    "Patient-notice-prefer": (),
    # Of the caller's own subscriptions: tests/subscriptions judges what they tell.
    "backport-subscription-status": (get("Subscription/$status"),),
    "backport-subscription-events": (),
    "backport-subscription-get-ws-binding-token": (post("Subscription/$get-ws-binding-token"),),
    "Appointment-remind": (),
    "Appointment-reminders": (),
    "Patient-calendar-address": (post("Patient/a/$calendar-address?action=show"),),
    "Patient-export-agenda": (get("Patient/a/$export-agenda"),),
    "Patient-import-agenda": (),
    # Counts of everybody: small ones are not told, tests/space/indicators.
    "Measure-evaluate-measure": (),
    "Patient-prevention": (get("Patient/a/$prevention"),),
    "Patient-prevention-mark": (),
    # What the archive holds of hidden documents: tests/space/portability.
    "Patient-export-record": (),
    "Patient-export-status": (get("Patient/a/$export-status"),),
    "Patient-export-archive": (get("Patient/a/$export-archive"),),
    "Patient-not-concerned": (),
    # Of what the patient's side wrote, by nobody else: tests/space/profile/test_sharing.py.
    "Patient-share-profile": (),
    "Patient-attending-doctor": (),
    "Patient-summary": (get("Patient/a/$summary"),),
    "Patient-space": (get("Patient/a/$space"),),
    "Patient-space-move": (),
    "Patient-change-identity": (),
    # Of an administrator, and they name no document: tests/space/identities.
    "Patient-merge": (),
    "Patient-unmerge": (),
    "Patient-refile": (),
    "Patient-homonyms": (get("Patient/a/$homonyms"),),
    "Patient-rectify": (),
    "Patient-rectifications": (get("Patient/a/$rectifications"), get("Patient/$rectifications")),
    "Patient-rectification-answer": (),
    "Patient-identity-history": (get("Patient/a/$identity-history"),),
    "Patient-delegations": (get("Patient/a/$delegations"),),
    **dict.fromkeys((f"Patient-delegation-{one}" for one in ("match", "invite", "answer", "end", "attach")), ()),
    # Of terminology, of an administrator, and of the catalogue of apps: they read no document.
    **dict.fromkeys(
        (
            "CodeSystem-lookup",
            "CodeSystem-subsumes",
            "CodeSystem-validate-code",
            "ConceptMap-translate",
            "ValueSet-expand",
            "ValueSet-validate-code",
            "Task-referencing-file",
            "Task-referencing-step",
            "reindex",
        ),
        (),
    ),
}


def offered() -> set[str]:
    """Ids of all OperationDefinitions that this server has."""
    services = Path(__file__).parents[3] / "fhir_server" / "space"
    files = [*folder("capability").glob("OperationDefinition-*.json"), *services.glob("*/OperationDefinition-*.json")]
    return {json.loads(file.read_text())["id"] for file in files}


def generic() -> Iterator[Call]:
    """Every operation that may be asked of a document, a Binary or any resource, of the document itself."""
    for file in folder("capability").glob("OperationDefinition-*.json"):
        tree = json.loads(file.read_text())
        for type in {"DocumentReference", "Binary"} & {*tree.get("resource", ()), "Binary", "DocumentReference"}:
            of_all = "Resource" in tree.get("resource", ()) or not tree.get("resource")
            if tree["instance"] and (type in tree.get("resource", ()) or of_all):
                yield get(f"{type}/h/${tree['code']}")
                yield post(f"{type}/h/${tree['code']}")


def linkers(named: bool) -> Iterator[Tree]:
    """What refers to the document, in every shape; without the references where `named` says so."""

    def entries(*targets: str) -> list[str]:
        return [one for one in targets if named or one != H]

    a = {"subject": refers("Patient/a")}
    items = [{"item": refers(one), "flag": {"text": "word"}} for one in entries(H, OTHER)]
    yield {"resourceType": "List", "id": "lot", "status": "current", "mode": "working", **a, "entry": items}
    alone = {"entry": [{"item": {**refers(H), "display": "hiddendisplay"}}]} if named else {}
    yield {"resourceType": "List", "id": "own", "status": "current", "mode": "working", **a, **alone}
    related = {"context": {"related": [refers(one) for one in entries(H)]}} if named else {}
    replaces = {"relatesTo": [{"code": "replaces", "target": refers(H)}]} if named else {}
    yield document("next", "N", patient="a", **replaces, **related)
    targets = [refers(one) for one in entries(H, OTHER)]
    agent = {"agent": [{"who": refers("Practitioner/signs")}], "recorded": "2024-01-10T10:00:00Z"}
    yield {"resourceType": "Provenance", "id": "of", "target": targets, **agent}
    payload = [{"contentReference": refers(one)} for one in entries(H)] + [{"contentString": "hello"}]
    yield {"resourceType": "Communication", "id": "about", "status": "completed", **a, "payload": payload}
    section = [{"title": "a section", "entry": [refers(one) for one in entries(H, OTHER)]}]
    head = {"status": "final", "type": {"text": "x"}, "date": "2024-01-10", "author": [refers("Practitioner/signs")]}
    yield {"resourceType": "Composition", "id": "sums", **head, **a, "title": "t", "section": section}
    extension = [{"url": "urn:x", "valueReference": refers(one)} for one in entries(H, OTHER)]
    yield {"resourceType": "Basic", "id": "extends", "code": {"text": "x"}, **a, "extension": extension}
    focus = {"focus": refers(H)} if named else {}
    yield {
        "resourceType": "Task",
        "id": "focused",
        "status": "draft",
        "intent": "plan",
        "for": refers("Patient/a"),
        **focus,
    }
    answers = [{"valueReference": refers(one)} for one in entries(H, OTHER)]
    item = [{"linkId": "1", "answer": answers}]
    yield {"resourceType": "QuestionnaireResponse", "id": "said", "status": "completed", **a, "item": item}


#: Types that refer to it here; by the others nothing could be found in either world.
LINKING = (
    "Basic",
    "Communication",
    "Composition",
    "DocumentReference",
    "List",
    "Provenance",
    "QuestionnaireResponse",
    "Task",
)
assert set(LINKING) <= resource_types()
