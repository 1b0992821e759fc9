"""Requests that are as long as a caller can make them: each a legal call, or a refusal that takes long to arrive at.

A row is data, so that the test of liveness and the table of the README measure the same requests.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

JSON, XML, PATCH = "application/fhir+json", "application/fhir+xml", "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
SYSTEM = "http://example.org/ids"
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request: body and headers as they are sent."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heavy:
    """A request that takes long.

    Attributes:
        name: what it is, in words.
        calls: from a size (1 is as large as it gets) to the calls that prepare, and last the call that is meant.
        apart: whether it is done in the process beside, at a twentieth of that size too; else a bound ends it, or it
            passes through in pieces.
    """

    name: str
    calls: Callable[[float], list[Call]]
    apart: bool = True


def _json(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()


def bundle(kind: str, entries: list[Tree]) -> bytes:
    """A batch or transaction."""
    return _json({"resourceType": "Bundle", "type": kind, "entry": entries})


def entry(method: str, url: str, resource: Tree | None = None, **request: str) -> Tree:
    """An entry of one."""
    return {"request": {"method": method, "url": url, **request}} | ({"resource": resource} if resource else {})


def _patient(n: int = 0, **more: Any) -> Tree:
    return {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": f"{n}"}], **more}


def _observation(reference: str) -> Tree:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": reference}}


def _transaction(size: float) -> list[Call]:
    n = int(1_600 * size)
    rows = [entry("POST", "Patient", _patient(i)) for i in range(n)]
    rows += [entry("POST", "Observation", _observation(f"Patient?identifier={SYSTEM}|{i}")) for i in range(n)]
    return [Call("POST", "", bundle("transaction", rows))]


#: A path that visits a Patient's elements again and again.
_COSTLY = "Patient.name.where(%resource.descendants().count() > 0).given"


def _patch(path: str) -> Tree:
    part = [
        {"name": "type", "valueCode": "delete"},
        {"name": "path", "valueString": path},
    ]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


def _large_patient(n: int) -> Tree:
    names = [{"family": f"F{i}", "given": ["A", "B"]} for i in range(n)]
    return {"resourceType": "Patient", "id": "large", "name": names}


def _patches(size: float) -> list[Call]:
    rows = [entry("PATCH", "Patient/large", _patch(_COSTLY)) for _ in range(int(200 * size) or 1)]
    return [Call("PUT", "Patient/large", _json(_large_patient(600))), Call("POST", "", bundle("batch", rows))]


def _one_patch(size: float) -> list[Call]:
    body = _json(_patch(_COSTLY))
    return [
        Call("PUT", "Patient/large", _json(_large_patient(int(2_000 * size) + 300))),
        Call("PATCH", "Patient/large", body),
    ]


def _copies(size: float) -> list[Call]:
    steps = [{"op": "add", "path": "/contact", "value": []}]
    steps += [{"op": "copy", "from": "/name", "path": f"/contact/{i}"} for i in range(int(900 * size))]
    return [
        Call("PUT", "Patient/large", _json(_large_patient(400))),
        Call("PATCH", "Patient/large", _json(steps), PATCH),
    ]


def _notes(size: float) -> list[Call]:
    note = b'{"text":"a"}'
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"note":['
        + b",".join([note] * int(2_500_000 * size))
        + b"]}"
    )
    return [Call("POST", "Observation/$validate", body)]


def _names(size: float) -> list[Call]:
    return [Call("PUT", "Patient/large", _json(_large_patient(int(400_000 * size))))]


def _names_again(size: float) -> list[Call]:
    body = _json(_patch("Patient.name[0].given[0]"))
    return [*_names(size), Call("PATCH", "Patient/large", body)]


def _names_summarised(size: float) -> list[Call]:
    return [*_names(size), Call("GET", "Patient/large?_elements=identifier")]


def _names_in_xml(size: float) -> list[Call]:
    return [*_names(size), Call("GET", "Patient/large?_format=xml&_pretty=true")]


def _names_indented(size: float) -> list[Call]:
    return [*_names(size), Call("GET", "Patient/large?_pretty=true")]


def _names_on_a_page(size: float) -> list[Call]:
    return [*_names(size), Call("GET", "Patient/large", headers={"Accept": "text/html"})]


def _strings(size: float) -> list[Call]:
    body = b'{"resourceType":"Patient","x":[' + b'"",' * int(15_000_000 * size) + b'""]}'
    return [Call("POST", "Patient", body)]


def _integers(size: float) -> list[Call]:
    body = b'{"resourceType":"Patient","x":[' + b"1," * int(23_000_000 * size) + b"1]}"
    return [Call("POST", "Patient", body)]


def _objects(size: float) -> list[Call]:
    body = b'{"resourceType":"Patient","x":[' + b"{}," * int(15_000_000 * size) + b"{}]}"
    return [Call("POST", "Patient", body)]


def _one_string(size: float) -> list[Call]:
    text = "e\\u0301 " * int(5_000_000 * size)
    body = f'{{"resourceType":"Patient","name":[{{"family":"{text}x"}}]}}'.encode()
    return [Call("POST", "Patient", body)]


def _narrative(size: float) -> list[Call]:
    div = '<div xmlns=\\"http://www.w3.org/1999/xhtml\\">' + "<p>a</p>" * int(5_000_000 * size) + "</div>"
    body = f'{{"resourceType":"Patient","text":{{"status":"generated","div":"{div}"}}}}'.encode()
    return [Call("POST", "Patient", body)]


def _photo(size: float) -> list[Call]:
    data = base64.b64encode(bytes(range(256)) * int(140_000 * size)).decode()
    return [Call("POST", "Patient", _json({"resourceType": "Patient", "photo": [{"data": data}]}))]


def _binary(size: float) -> list[Call]:
    return [Call("POST", "Binary", bytes(range(256)) * int(180_000 * size), "application/pdf")]


def _xml(size: float) -> list[Call]:
    body = (
        b'<Patient xmlns="http://hl7.org/fhir">'
        + b'<name><family value="a"/></name>' * int(1_500_000 * size)
        + b"</Patient>"
    )
    return [Call("POST", "Patient", body, XML)]


def _wrong_json(size: float) -> list[Call]:
    body = _json({"resourceType": "Patient", "name": [{"family": 1} for _ in range(int(130_000 * size))]})
    return [Call("POST", "Patient/$validate", body)]


def _wrong_xml(size: float) -> list[Call]:
    body = b'<Patient xmlns="http://hl7.org/fhir">' + b'<gender value="x"/>' * int(500_000 * size) + b"</Patient>"
    return [Call("POST", "Patient", body, XML)]


def _nested(size: float) -> list[Call]:
    deep = 31
    item = b'{"extension":[' * deep + b'{"url":"http://e.org"}' + b'],"url":"http://e.org"}' * deep
    body = b'{"resourceType":"Patient","extension":[' + b",".join([item] * int(40_000 * size)) + b"]}"
    return [Call("POST", "Patient", body)]


def _contained(size: float) -> list[Call]:
    n = int(100_000 * size)
    rows = [{"resourceType": "Organization", "id": f"o{i}", "name": "x"} for i in range(n)]
    tree = {
        "resourceType": "Patient",
        "contained": rows,
        "generalPractitioner": [{"reference": f"#o{i}"} for i in range(n)],
    }
    return [Call("POST", "Patient", _json(tree))]


def _searches(size: float) -> list[Call]:
    rows = [entry("GET", "Patient?_count=1000") for _ in range(int(1_200 * size))]
    return [*_people(1), Call("POST", "", bundle("batch", rows))]


def _people(size: float) -> list[Call]:
    rows = [
        entry("PUT", f"Patient/p{i}", _patient(i, id=f"p{i}", name=[{"family": f"F{i}"}]))
        for i in range(int(1000 * size))
    ]
    return [Call("POST", "", bundle("transaction", rows))]


def _creates(size: float) -> list[Call]:
    return [
        Call("POST", "", bundle("batch", [entry("POST", "Patient", _patient(i)) for i in range(int(5_000 * size))]))
    ]


def _deletes(size: float) -> list[Call]:
    rows = [entry("DELETE", f"Patient/p{i}") for i in range(int(1000 * size))]
    rows += [
        entry("POST", "Observation", _observation("Patient?identifier=http://example.org/ids|none"))
        for i in range(int(1000 * size))
    ]
    return [*_people(size), Call("POST", "", bundle("transaction", rows))]


def _same_condition(size: float) -> list[Call]:
    n = int(2_500 * size)
    rows = [
        entry(
            "POST", "Patient", _patient(i, birthDate="1970-01-01"), ifNoneExist=f"birthdate=lt18{i % 90 + 10}&name=x{i}"
        )
        for i in range(n)
    ]
    return [Call("POST", "", bundle("transaction", rows))]


def _links(size: float) -> list[Call]:
    n = int(2_500 * size)
    urls = [f"urn:uuid:00000000-0000-4000-8000-{i:012d}" for i in range(n)]
    members = [{"entity": {"reference": url}} for url in urls]
    rows = [{"fullUrl": url, **entry("POST", "Patient", _patient(i))} for i, url in enumerate(urls)]
    rows += [
        entry("POST", "Group", {"resourceType": "Group", "type": "person", "actual": True, "member": members})
        for _ in range(60)
    ]
    return [Call("POST", "", bundle("transaction", rows))]


def _code_system(size: float) -> list[Call]:
    concepts = [
        {"code": f"c{i}", "display": f"Concept number {i}", "definition": "A concept among many others."}
        for i in range(int(230_000 * size))
    ]
    tree = {
        "resourceType": "CodeSystem",
        "id": "large",
        "url": "http://example.org/cs",
        "status": "active",
        "content": "complete",
        "concept": concepts,
    }
    return [Call("PUT", "CodeSystem/large", _json(tree))]


def _expansion(size: float) -> list[Call]:
    include = [{"system": "http://hl7.org/fhir/resource-types"} for _ in range(int(40_000 * size))]
    tree = {
        "resourceType": "ValueSet",
        "id": "large",
        "url": "http://example.org/vs",
        "status": "active",
        "compose": {"include": include},
    }
    return [Call("PUT", "ValueSet/large", _json(tree)), Call("GET", "ValueSet/large/$expand")]


def _sets_of_sets(size: float) -> list[Call]:
    n = int(300 * size) + 2
    rows = []
    for i in range(n):
        compose = {
            "include": [{"valueSet": [f"http://example.org/chain/{j}"]} for j in range(i)]
            or [{"system": "http://hl7.org/fhir/resource-types"}]
        }
        tree = {
            "resourceType": "ValueSet",
            "id": f"chain{i}",
            "url": f"http://example.org/chain/{i}",
            "status": "active",
            "compose": compose,
        }
        rows.append(entry("PUT", f"ValueSet/chain{i}", tree))
    return [Call("POST", "", bundle("transaction", rows)), Call("GET", f"ValueSet/chain{n - 1}/$expand")]


def _translation(size: float) -> list[Call]:
    element = [
        {"code": f"c{i}", "target": [{"code": f"t{i}", "equivalence": "equal"}]} for i in range(int(300_000 * size))
    ]
    tree = {
        "resourceType": "ConceptMap", "id": "large", "url": "http://example.org/cm", "status": "active",
        "group": [{"source": "http://example.org/a", "target": "http://example.org/b", "element": element}],
    }  # fmt: skip
    return [
        Call("PUT", "ConceptMap/large", _json(tree)),
        Call("GET", "ConceptMap/large/$translate?system=http://example.org/a&code=c7&target=http://example.org/b"),
    ]


def _parameter(size: float) -> list[Call]:
    tree = {
        "resourceType": "SearchParameter", "id": "costly", "url": "http://example.org/sp", "name": "costly", "status": "active",
        "description": "x", "code": "costly", "base": ["Patient"], "type": "string",
        "expression": "Patient.name.where(" + "descendants().descendants().count() >= 0 and " * 40 + "true).family",
    }  # fmt: skip
    rows = [entry("PUT", f"Patient/n{i}", {**_large_patient(30), "id": f"n{i}"}) for i in range(int(300 * size) + 1)]
    return [Call("POST", "", bundle("transaction", rows)), Call("PUT", "SearchParameter/costly", _json(tree))]


def _profile(size: float) -> list[Call]:
    constraints = [
        {"key": f"h-{i}", "severity": "error", "human": "x", "expression": "descendants().descendants().count() >= 0"}
        for i in range(int(1_500 * size) + 1)
    ]
    return _profiled([{"id": "Patient", "path": "Patient", "constraint": constraints}], 400)


def _sliced_profile(size: float) -> list[Call]:
    slicing = {
        "discriminator": [{"type": "value", "path": "use"}, {"type": "value", "path": "family"}],
        "rules": "open",
    }
    rows: list[Tree] = [{"id": "Patient.name", "path": "Patient.name", "slicing": slicing}]
    # Few enough are judged in the worker's own turn.
    for i in range(int(900 * max(size, 0.3)) + 1):
        rows.append({"id": f"Patient.name:s{i}", "path": "Patient.name", "sliceName": f"s{i}"})
        rows.append(
            {"id": f"Patient.name:s{i}.family", "path": "Patient.name.family", "patternString": f"X{i}", "min": 1}
        )
        rows.append({"id": f"Patient.name:s{i}.use", "path": "Patient.name.use", "patternCode": "usual", "min": 1})
    return _profiled(rows, 1_500)


def _profiled(rows: list[Tree], names: int) -> list[Call]:
    definition = {
        "resourceType": "StructureDefinition", "id": "hostile", "url": "http://example.org/sd", "name": "Hostile", "status": "active",
        "kind": "resource", "abstract": False, "type": "Patient", "derivation": "constraint", "fhirVersion": "4.0.1",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient", "differential": {"element": rows},
    }  # fmt: skip
    claimed = {**_large_patient(names), "id": "claims", "meta": {"profile": ["http://example.org/sd"]}}
    return [
        Call("PUT", "StructureDefinition/hostile", _json(definition)),
        Call("PUT", "Patient/claims", _json(claimed)),
    ]


def _form(size: float) -> list[Call]:
    body = "&".join(f"family=a{i}" for i in range(int(3_500_000 * size))).encode()
    return [Call("POST", "Patient/_search", body, FORM)]


def _values(size: float) -> list[Call]:
    body = ("identifier=" + ",".join(f"{SYSTEM}|{i}" for i in range(int(1_500_000 * size)))).encode()
    return [Call("POST", "Patient/_search", body, FORM)]


def _filter(size: float) -> list[Call]:
    body = ("_filter=" + " or ".join(f"family sw a{i}" for i in range(int(400 * size) + 1)) + "&_count=1000").encode()
    return [*_people(1), Call("POST", "Patient/_search", body, FORM)]


def _iterated(size: float) -> list[Call]:
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


def _pages(size: float) -> list[Call]:
    body = _json(
        {
            **_large_patient(int(8_000 * size)),
            "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        }
    )
    rows = [
        Call("PUT", f"Patient/l{i}", body.replace(b'"large"', f'"l{i}"'.encode())) for i in range(int(60 * size) + 1)
    ]
    return [*rows, Call("GET", "Patient?_count=1000")]


def _history(size: float) -> list[Call]:
    return [*_pages(size)[:-1], Call("GET", "Patient/_history?_count=1000")]


def _summaries(size: float) -> list[Call]:
    # Large enough whatever the size, and of its own resources alone: what else is stored ends a page earlier.
    rows = _pages(max(size, 0.2))[:-1]
    ids = ",".join(call.path.removeprefix("Patient/") for call in rows)
    return [*rows, Call("GET", f"Patient?_id={ids}&_count=1000&_elements=identifier")]


def _questionnaire(size: float) -> list[Call]:
    """Items inside items, each judged by rules that look at all below."""
    item: Tree = {"linkId": "x", "type": "group", "text": "a"}
    for i in range(12):
        item = {"linkId": f"l{i}", "type": "group", "item": [item, {"linkId": f"m{i}", "type": "display", "text": "a"}]}
    tree = {"resourceType": "Questionnaire", "status": "active", "item": [item] * int(9_000 * size)}
    return [Call("POST", "Questionnaire", _json(tree))]


def _document(size: float) -> list[Call]:
    n = int(60_000 * size)
    urls = [f"urn:uuid:00000000-0000-4000-8000-{i:012d}" for i in range(n)]
    section = {"title": "a", "entry": [{"reference": url} for url in urls]}
    composition = {
        "resourceType": "Composition", "status": "final", "type": {"text": "x"}, "date": "2020", "author": [{"reference": urls[0]}],
        "title": "x", "section": [section],
    }  # fmt: skip
    rows = [{"fullUrl": "urn:uuid:00000000-0000-4000-9000-000000000000", "resource": composition}]
    rows += [{"fullUrl": url, "resource": {"resourceType": "Practitioner", "name": [{"family": "x"}]}} for url in urls]
    tree = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": SYSTEM, "value": "d"},
        "timestamp": "2020-01-01T00:00:00Z",
        "entry": rows,
    }
    return [Call("POST", "Bundle", _json(tree))]


ALL = [
    Heavy("transaction whose entries refer to each other by criteria", _transaction),
    Heavy("batch of FHIRPath patches with a costly path", _patches),
    Heavy("one FHIRPath patch with a costly path", _one_patch),
    Heavy("JSON Patch that copies again and again", _copies),
    Heavy("`$validate` of 2,500,000 notes", _notes),
    Heavy("Patient with 400,000 names stored", _names),
    Heavy("small patch of that Patient", _names_again),
    Heavy("that Patient with `_elements`", _names_summarised),
    Heavy("that Patient in XML", _names_in_xml),
    Heavy("that Patient indented", _names_indented),
    Heavy("that Patient on a page", _names_on_a_page),
    Heavy("array of 15,000,000 strings", _strings),
    Heavy("array of 23,000,000 integers", _integers),
    Heavy("array of 15,000,000 empty objects", _objects),
    Heavy("one string of 40 MB with accents", _one_string),
    Heavy("narrative of 40 MB", _narrative),
    Heavy("photo of 36 MB", _photo),
    Heavy("Binary of 46 MB", _binary, apart=False),
    Heavy("XML of 48 MB", _xml),
    Heavy("JSON with 130,000 mistakes, to be placed", _wrong_json),
    Heavy("XML with 500,000 mistakes, to be placed", _wrong_xml),
    Heavy("40,000 extensions, each 32 deep", _nested),
    Heavy("100,000 contained resources", _contained),
    Heavy("batch of 1,200 searches of 1,000 resources", _searches),
    Heavy("batch of 5,000 creates", _creates),
    Heavy("transaction of 1,000 deletes and as many references", _deletes),
    Heavy("transaction of 2,500 conditions by date", _same_condition),
    Heavy("transaction with 150,000 links between entries", _links),
    Heavy("CodeSystem of 230,000 concepts", _code_system),
    Heavy("`$expand` of 40,000 includes", _expansion),
    Heavy("`$expand` of 300 value sets of value sets", _sets_of_sets, apart=False),
    Heavy("`$translate` by a map of 300,000 codes", _translation),
    Heavy("SearchParameter with a costly expression", _parameter),
    Heavy("claim of a profile with 1,500 costly rules", _profile),
    Heavy("claim of a profile with 900 slices", _sliced_profile),
    Heavy("search form of 3,500,000 parameters", _form, apart=False),
    Heavy("search form of 1,500,000 values", _values, apart=False),
    Heavy("`_filter` of 400 tests", _filter, apart=False),
    Heavy("`_include:iterate` along 1,000 resources", _iterated, apart=False),
    Heavy("page of 60 resources of 350 KB", _pages, apart=False),
    Heavy("history of the same", _history, apart=False),
    Heavy("the same with `_elements`", _summaries),
    Heavy("Questionnaire of 230,000 items", _questionnaire),
    Heavy("document of 60,000 resources", _document),
]  # fmt: skip


def named(words: str) -> Iterator[Heavy]:
    """Those whose name contains `words`."""
    return (one for one in ALL if words in one.name)
