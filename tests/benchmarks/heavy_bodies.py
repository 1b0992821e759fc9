"""One resource as large, deep or wrong as a body can hold it: from a size to the calls that send and ask for it."""

from __future__ import annotations

import base64

from tests.benchmarks.calls import SYSTEM, XML, Call, Tree, a_patch, as_json, names


def notes(size: float) -> list[Call]:
    note = b'{"text":"a"}'
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"note":['
        + b",".join([note] * int(2_500_000 * size))
        + b"]}"
    )
    return [Call("POST", "Observation/$validate", body)]


def names_again(size: float) -> list[Call]:
    body = as_json(a_patch("Patient.name[0].given[0]"))
    return [*names(size), Call("PATCH", "Patient/large", body)]


def names_summarised(size: float) -> list[Call]:
    return [*names(size), Call("GET", "Patient/large?_elements=identifier")]


def names_in_xml(size: float) -> list[Call]:
    return [*names(size), Call("GET", "Patient/large?_format=xml&_pretty=true")]


def names_indented(size: float) -> list[Call]:
    return [*names(size), Call("GET", "Patient/large?_pretty=true")]


def names_on_a_page(size: float) -> list[Call]:
    return [*names(size), Call("GET", "Patient/large", headers={"Accept": "text/html"})]


def strings(size: float) -> list[Call]:
    body = b'{"resourceType":"Patient","x":[' + b'"",' * int(15_000_000 * size) + b'""]}'
    return [Call("POST", "Patient", body)]


def integers(size: float) -> list[Call]:
    body = b'{"resourceType":"Patient","x":[' + b"1," * int(23_000_000 * size) + b"1]}"
    return [Call("POST", "Patient", body)]


def objects(size: float) -> list[Call]:
    body = b'{"resourceType":"Patient","x":[' + b"{}," * int(15_000_000 * size) + b"{}]}"
    return [Call("POST", "Patient", body)]


def one_string(size: float) -> list[Call]:
    text = "e\\u0301 " * int(5_000_000 * size)
    body = f'{{"resourceType":"Patient","name":[{{"family":"{text}x"}}]}}'.encode()
    return [Call("POST", "Patient", body)]


def narrative(size: float) -> list[Call]:
    div = '<div xmlns=\\"http://www.w3.org/1999/xhtml\\">' + "<p>a</p>" * int(5_000_000 * size) + "</div>"
    body = f'{{"resourceType":"Patient","text":{{"status":"generated","div":"{div}"}}}}'.encode()
    return [Call("POST", "Patient", body)]


def photo(size: float) -> list[Call]:
    data = base64.b64encode(bytes(range(256)) * int(140_000 * size)).decode()
    return [Call("POST", "Patient", as_json({"resourceType": "Patient", "photo": [{"data": data}]}))]


def binary(size: float) -> list[Call]:
    return [Call("POST", "Binary", bytes(range(256)) * int(180_000 * size), "application/pdf")]


def xml_names(size: float) -> list[Call]:
    body = (
        b'<Patient xmlns="http://hl7.org/fhir">'
        + b'<name><family value="a"/></name>' * int(1_500_000 * size)
        + b"</Patient>"
    )
    return [Call("POST", "Patient", body, XML)]


def wrong_json(size: float) -> list[Call]:
    body = as_json({"resourceType": "Patient", "name": [{"family": 1} for _ in range(int(130_000 * size))]})
    return [Call("POST", "Patient/$validate", body)]


def wrong_xml(size: float) -> list[Call]:
    body = b'<Patient xmlns="http://hl7.org/fhir">' + b'<gender value="x"/>' * int(500_000 * size) + b"</Patient>"
    return [Call("POST", "Patient", body, XML)]


def nested(size: float) -> list[Call]:
    deep = 31
    item = b'{"extension":[' * deep + b'{"url":"http://e.org"}' + b'],"url":"http://e.org"}' * deep
    body = b'{"resourceType":"Patient","extension":[' + b",".join([item] * int(40_000 * size)) + b"]}"
    return [Call("POST", "Patient", body)]


def contained(size: float) -> list[Call]:
    n = int(100_000 * size)
    rows = [{"resourceType": "Organization", "id": f"o{i}", "name": "x"} for i in range(n)]
    tree = {
        "resourceType": "Patient",
        "contained": rows,
        "generalPractitioner": [{"reference": f"#o{i}"} for i in range(n)],
    }
    return [Call("POST", "Patient", as_json(tree))]


def questionnaire(size: float) -> list[Call]:
    """Items inside items, each judged by rules that look at all below."""
    item: Tree = {"linkId": "x", "type": "group", "text": "a"}
    for i in range(12):
        item = {"linkId": f"l{i}", "type": "group", "item": [item, {"linkId": f"m{i}", "type": "display", "text": "a"}]}
    tree = {"resourceType": "Questionnaire", "status": "active", "item": [item] * int(9_000 * size)}
    return [Call("POST", "Questionnaire", as_json(tree))]


def document(size: float) -> list[Call]:
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
    return [Call("POST", "Bundle", as_json(tree))]
