"""Every way out by which a clinical resource could be told of, made from what the server offers, as `ways_out` has them.

https://hl7.org/fhir/R4/http.html, https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from fhir_server.fhir.definitions import SearchParameter
from fhir_server.search.parameters.registry import Registry
from fhir_server.search.parameters.targets import targets_of
from fhir_server.store.filters import Index
from tests.interactions.test_batch import asks, batch
from tests.space.record.callers import Tree, spelt
from tests.space.record.ways_out import JSON, OPERATIONS, PATCH, Call, get, post, refers, values

IDENTIFIER = {"system": "urn:system", "value": "hiddennumber"}
_NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">hiddennarrative</div>'}
_ALL: Tree = {
    "id": "h",
    "meta": {"tag": [{"system": "urn:t", "code": "hiddentag"}], "source": "urn:hidden:source"},
    "text": _NARRATIVE,
    "identifier": [IDENTIFIER],
    "subject": refers("Patient/a"),
    "encounter": refers("Encounter/e"),
}
_HIDDEN = spelt("http://loinc.org", "8310-5")
_TIME = "2024-01-10T08:00:00+01:00"
#: Of each kind one that is hidden, by what many search parameters find.
HIDDEN: Mapping[str, Tree] = {
    "Observation": {
        "status": "final",
        "code": _HIDDEN,
        "category": [spelt("urn:c", "hiddencategory")],
        "effectiveDateTime": _TIME,
        "performer": [refers("Practitioner/author")],
        "valueQuantity": {"value": 37, "system": "http://unitsofmeasure.org", "code": "Cel", "unit": "°C"},
        "interpretation": [spelt("urn:i", "hiddenhigh")],
        "derivedFrom": [refers("Observation/other")],
        "component": [{"code": _HIDDEN, "valueCodeableConcept": spelt("urn:v", "hiddenvalue")}],
    },
    "Condition": {
        "clinicalStatus": spelt("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "code": _HIDDEN,
        "severity": spelt("urn:s", "hiddensevere"),
        "bodySite": [spelt("urn:b", "hiddensite")],
        "onsetDateTime": _TIME,
        "recordedDate": _TIME,
        "recorder": refers("Practitioner/author"),
        "asserter": refers("Practitioner/author"),
        "evidence": [{"code": [_HIDDEN], "detail": [refers("Observation/h")]}],
    },
    "MedicationRequest": {
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": _HIDDEN,
        "authoredOn": _TIME,
        "requester": refers("Practitioner/author"),
    },
    "DiagnosticReport": {
        "status": "final",
        "code": _HIDDEN,
        "effectiveDateTime": _TIME,
        "performer": [refers("Practitioner/author")],
        "result": [refers("Observation/h")],
        "conclusionCode": [spelt("urn:d", "hiddenconclusion")],
    },
}
HIDDEN = {type: {"resourceType": type, **_ALL, **tree} for type, tree in HIDDEN.items()}


def linkers() -> Iterator[Tree]:
    """What everybody sees, or is the caller's own, and names what is hidden: it does whether or not that is there."""
    appointment = {"participant": [{"actor": refers("Patient/a"), "status": "accepted"}], "status": "booked"}
    yield {"resourceType": "Appointment", "id": "for", **appointment, "reasonReference": [refers("Condition/h")]}
    payload = [{"contentReference": refers(f"{type}/h")} for type in HIDDEN]
    a = {"subject": refers("Patient/a")}
    yield {"resourceType": "Communication", "id": "about", "status": "completed", **a, "payload": payload,
           "about": [refers(f"{type}/h") for type in HIDDEN]}  # fmt: skip
    yield {"resourceType": "Task", "id": "focused", "status": "draft", "intent": "plan", "for": refers("Patient/a"),
           "focus": refers("MedicationRequest/h")}  # fmt: skip


def every(indexes: Mapping[str, Index], registry: Registry) -> Iterator[Call]:
    """Every way out, of each type; what changes something comes last."""
    for type, index in indexes.items():
        yield from _direct(type)
        yield from _searches(type, index, registry.of(type))
        yield from _linking(type, registry)
        for code in ("meta", "validate", "access-explain", "everything"):
            yield get(f"{type}/h/${code}")
            yield post(f"{type}/h/${code}")
    yield from (call for name in _WHOLE for call in OPERATIONS[name])
    yield get("Observation/$lastn?patient=a")
    yield get("Patient/a/$everything?_type=Observation,Condition,MedicationRequest,DiagnosticReport")
    yield get("Patient?_revinclude=Observation:subject&_revinclude=Condition:patient&_id=a")
    yield get("_history")
    for type in indexes:
        yield from _writes(type)


#: Operations of a whole record.
_WHOLE = ("Patient-everything", "Patient-summary", "Observation-lastn", "Record-access-explain")


def _direct(type: str) -> Iterator[Call]:
    for url in (f"{type}/h", f"{type}/h/_history", f"{type}/h/_history/1", f"{type}/_history"):
        yield get(url)
    yield get(f"Patient/a/{type}")
    yield "GET", f"{type}/h", None, "", {"if_none_match": 'W/"1"'}


def _searches(type: str, index: Index, params: Mapping[str, SearchParameter]) -> Iterator[Call]:
    for code, param in params.items():
        for value in dict.fromkeys(values(index, code, param)):
            yield get(f"{type}?{code}={value}&_total=accurate")
            yield get(f"{type}?{code}={value}&_summary=count")
        yield get(f"{type}?{code}:missing=false&_total=accurate&_elements=id")
        if param.type not in ("composite", "special"):
            yield get(f"{type}?_sort=-{code}&_elements=id&_count=1")
    for query in ("_id=h", "_text=hiddennarrative", "_content=hiddennarrative", "_filter=_id%20eq%20h", "_count=1",
                  "_lastUpdated=gt2020&_total=accurate", "_include=*", "subject:Patient._id=a", "_summary=text",
                  f"_has:{type}:subject:_id=h"):  # fmt: skip
        yield get(f"{type}?{query}")


def _linking(type: str, registry: Registry) -> Iterator[Call]:
    for other in (*HIDDEN, "Appointment", "Communication", "Task", "Patient", "Encounter"):
        for code, param in registry.of(other).items():
            if param.type == "reference" and type in targets_of(param, other):
                yield get(f"{other}?{code}:{type}.status=final,active&_total=accurate")
                yield get(f"{other}?{code}:{type}._tag=hiddentag&_total=accurate")
                yield get(f"{other}?_include={other}:{code}")
        for code, param in registry.of(type).items():
            if param.type == "reference" and other in targets_of(param, type):
                yield get(f"{other}?_has:{type}:{code}:_tag=hiddentag&_total=accurate")
                yield get(f"{other}?_revinclude={type}:{code}")


def _writes(type: str) -> Iterator[Call]:
    tree = {**HIDDEN[type], "text": _NARRATIVE}
    posted = {key: value for key, value in tree.items() if key != "id"}
    identified = f"identifier={quote('urn:system|hiddennumber', safe='')}"
    patch = [{"op": "test", "path": "/status", "value": "x"}]
    for match in ({}, {"if_match": 'W/"1"'}, {"if_none_match": "*"}):
        yield "PUT", f"{type}/h", tree, JSON, match
        yield "DELETE", f"{type}/h", None, "", match
    for url in (f"{type}/h", f"{type}?{identified}"):
        yield "PATCH", url, patch, PATCH, {}
    yield "DELETE", f"{type}?{identified}", None, "", {}
    for kind in ("batch", "transaction"):
        for entry in (asks("GET", f"{type}/h"), asks("DELETE", f"{type}/h"), asks("PUT", f"{type}/h", tree)):
            yield "POST", "", batch(entry, type=kind), JSON, {}
    yield "POST", type, posted, JSON, {"if_none_exist": identified}
