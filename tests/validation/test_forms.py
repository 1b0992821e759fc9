"""The form of URIs, OIDs, UUIDs, languages, units and attachments, and the types canonicals lead to.

https://hl7.org/fhir/R4/datatypes.html, https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/references.html,
https://hl7.org/fhir/R4/valueset-all-languages.html, RFC 5646, RFC 3061
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from fhir_server.fhir import definitions
from fhir_server.terminology.languages import is_language
from fhir_server.validation.steps import steps
from fhir_server.validation.validator import validate
from tests.validation.profiled import DIV, observation, patient

UUID = "c757873d-ec9a-4326-a141-556f43239520"


def found(tree: dict[str, Any]) -> set[tuple[str | None, str | None]]:
    return {(i.key, i.expression) for i in validate(tree) if i.severity == "error"}


#: A URI, and whether it may stand where any URI may, and where an absolute one is asked for.
URIS: list[tuple[str, bool, bool]] = [
    ("http://example.org/a", True, True),
    ("https://example.org/a#b", True, True),
    ("urn:example:a", True, True),
    ("mailto:a@example.org", True, True),
    ("a", True, False),
    ("a/b", True, False),
    ("/a", True, False),
    ("www.example.org", True, False),
    ("urn:oid:1.2.250.1.213.1.4.10", True, True),
    ("urn:oid:2.999", True, True),
    ("urn:oid:2.999|4.0.1", True, True),
    ("urn:oid:0.9.2342", True, True),
    ("urn:oid:1.39.1", True, True),
    ("urn:oid:1.40.1", False, False),
    ("urn:oid:0.40", False, False),
    ("urn:oid:3.1", False, False),
    ("urn:oid:1.02", False, False),
    ("urn:oid:1.2.3.", False, False),
    ("urn:oid:1..3", False, False),
    ("urn:oid:1", False, False),
    ("urn:oid:a.b", False, False),
    ("URN:OID:1.2.3", False, False),
    ("oid:1.2.3", False, False),
    (f"urn:uuid:{UUID}", True, True),
    (f"urn:uuid:{UUID.upper()}", False, False),
    (f"urn:uuid:{UUID[:-1]}", False, False),
    (f"uuid:{UUID}", False, False),
    (f"URN:UUID:{UUID}", False, False),
]


def _with(name: str, uri: str) -> tuple[dict[str, Any], str]:
    """A resource with a URI at one of the places that ask for an absolute one, or at one that asks for any."""
    return {
        "any": (patient(implicitRules=uri), "Patient.implicitRules"),
        "Identifier": (patient(identifier=[{"system": uri, "value": "a:1"}]), "Patient.identifier[0].system"),
        "Coding": (patient(maritalStatus={"coding": [{"system": uri, "code": "a"}]}), "Patient.maritalStatus.coding[0].system"),
        "Quantity": (observation(valueQuantity={"value": 1, "system": uri, "code": "a"}), "Observation.value.system"),
        "Extension": (patient(extension=[{"url": uri, "valueCode": "a"}]), "Patient.extension[0].url"),
        "of a primitive": (
            patient(birthDate="2000", _birthDate={"extension": [{"url": uri, "valueCode": "a"}]}),
            "Patient.birthDate.extension[0].url",
        ),
        "modifier": (patient(modifierExtension=[{"url": uri, "valueCode": "a"}]), "Patient.modifierExtension[0].url"),
    }[name]  # fmt: skip


@pytest.mark.parametrize(
    "place", ["any", "Identifier", "Coding", "Quantity", "Extension", "of a primitive", "modifier"]
)
@pytest.mark.parametrize(("uri", "plain", "absolute"), URIS, ids=[uri for uri, _, _ in URIS])
def test_each_form_of_a_uri(place: str, uri: str, plain: bool, absolute: bool):
    tree, at = _with(place, uri)
    right = plain if place == "any" else absolute
    keys = {key for key, where in found(tree) if where == at}
    assert keys <= {"primitive-format", "absolute-uri"}
    assert (not keys) is right


def test_the_url_of_an_extension_inside_another_may_be_a_name_of_its_definition():
    inner = {"url": "code", "valueCode": "a"}
    deeper = {"url": "more", "extension": [inner]}
    assert found(patient(extension=[{"url": "http://example.org/a", "extension": [inner, deeper]}])) == set()
    value = {"url": "code", "valueCoding": {"code": "a", "extension": [inner]}}
    assert found(patient(extension=[{"url": "http://example.org/a", "extension": [value]}])) == {
        ("absolute-uri", "Patient.extension[0].extension[0].value.extension[0].url")
    }


DEFINING = sorted(
    name
    for name in definitions.resource_types()
    if {"url", "status"} <= steps(name).keys() and steps(name)["url"].path == "uri"
)


@pytest.mark.parametrize("type", DEFINING)
def test_the_canonical_url_of_a_definition_is_absolute(type: str):
    tree = {"resourceType": type, "text": DIV, "status": "draft", "url": "ValueSet/1"}
    assert ("absolute-uri", f"{type}.url") in found(tree)
    assert ("absolute-uri", f"{type}.url") not in found({**tree, "url": "http://example.org/1"})


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("urn:oid:1.2.3", True),
        ("http://example.org/1", True),
        ("1.2.3", False),
        (UUID, False),
        (f"urn:uuid:{UUID}", True),
    ],
)
def test_an_identifier_that_is_a_uri_is_the_whole_uri(value: str, right: bool):
    issues = found(patient(identifier=[{"system": "urn:ietf:rfc:3986", "value": value}]))
    assert issues == (set() if right else {("identifier-uri", "Patient.identifier[0].value")})


#: Language tag → whether it is valid (RFC 5646 §2.2.9).
TAGS = {
    "fr": True, "fr-FR": True, "FR-fr": True, "zh-Hans-CN": True, "zh-yue": True, "sl-rozaj": True, "de-CH-1901": True,
    "es-419": True, "en-u-ca-gregory": True, "x-home": True, "i-klingon": True, "qaa": True, "en-x-twain": True,
    "french": False, "fra": False, "xx": False, "fr-XQX": False, "fr_FR": False, "fr-": False, "e": False, "Français": False,
    "fr-abcd-fghi": False, "en-nothing1": False,
}  # fmt: skip


@pytest.mark.parametrize(("tag", "right"), TAGS.items())
def test_each_language_bound_to_all_languages_at_most(tag: str, right: bool):
    assert is_language(tag) is right
    assert (("maximum-binding", "Patient.language") not in found(patient(language=tag))) is right
    photo = patient(photo=[{"language": tag, "title": "a"}])
    assert (("maximum-binding", "Patient.photo[0].language") not in found(photo)) is right
    spoken = patient(communication=[{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": tag}]}}])
    assert (("maximum-binding", "Patient.communication[0].language") not in found(spoken)) is right


@pytest.mark.parametrize(
    ("language", "right"),
    [
        ({"text": "a dialect"}, True),
        ({"coding": [{"system": "http://example.org/languages", "code": "fr"}]}, False),
        (
            {"coding": [{"system": "http://example.org/l", "code": "1"}, {"system": "urn:ietf:bcp:47", "code": "fr"}]},
            True,
        ),
    ],
)
def test_one_coding_of_a_language_is_enough(language: dict[str, Any], right: bool):
    issues = found(patient(communication=[{"language": language}]))
    assert issues == (set() if right else {("maximum-binding", "Patient.communication[0].language")})


LANGUAGES = sorted(
    element.path
    for type in definitions.resource_types()
    for element in definitions.types()[type].elements
    if element.path == f"{type}.language"
)


@pytest.mark.parametrize("path", LANGUAGES)
def test_the_language_of_every_resource_type_is_one(path: str):
    type = path.partition(".")[0]
    assert ("maximum-binding", path) in found({"resourceType": type, "language": "french"})
    assert ("maximum-binding", path) not in found({"resourceType": type, "language": "fr"})


UCUM = "http://unitsofmeasure.org"


@pytest.mark.parametrize(
    ("element", "unit", "right"),
    [
        ("onsetAge", "a", True), ("onsetAge", "mo", True), ("onsetAge", "wk", True), ("onsetAge", "h", True),
        ("onsetAge", "m", False), ("onsetAge", "kg", False),
    ],
)  # fmt: skip
def test_the_unit_of_an_age_is_one_of_time(element: str, unit: str, right: bool):
    tree = {"resourceType": "Condition", "text": DIV, "subject": {"display": "a"}}
    issues = found({**tree, element: {"value": 5, "system": UCUM, "code": unit}})
    assert (("maximum-binding", "Condition.onset.code") not in issues) is right


DATA = b"a small document"
SHA1 = base64.b64encode(hashlib.sha1(DATA, usedforsecurity=False).digest()).decode()
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()


@pytest.mark.parametrize(
    ("members", "broken"),
    [
        ({"size": len(DATA)}, ""),
        ({"size": len(DATA) + 1}, "size"),
        ({"size": 0}, "size"),
        ({"hash": SHA1}, ""),
        ({"hash": SHA256}, "hash"),
        ({"hash": base64.b64encode(b"a" * 20).decode()}, "hash"),
        ({"size": len(DATA), "hash": SHA1}, ""),
    ],
)
@pytest.mark.parametrize("spaced", [False, True])
def test_what_an_attachment_says_of_its_data(members: dict[str, Any], broken: str, spaced: bool):
    data = base64.b64encode(DATA).decode()
    data = f" {data[:8]}\n{data[8:]} " if spaced else data
    issues = found(patient(photo=[{"contentType": "text/plain", "data": data, **members}]))
    assert issues == ({(f"attachment-{broken}", f"Patient.photo[0].{broken}")} if broken else set())


def test_the_size_of_what_is_elsewhere_is_believed():
    assert found(patient(photo=[{"url": "http://example.org/a", "size": 5, "hash": SHA1}])) == set()


CANONICALS = sorted(
    (element.path, element.types[0].targets)
    for type in definitions.resource_types()
    for element in definitions.children(type).values()
    if len(element.types) == 1 and element.types[0].code == "canonical" and element.types[0].targets not in ((), ("Resource",))
)  # fmt: skip


@pytest.mark.parametrize(("path", "targets"), CANONICALS, ids=[path for path, _ in CANONICALS])
def test_a_canonical_leads_to_a_type_its_element_allows(path: str, targets: tuple[str, ...]):
    type, name = path.split(".")
    repeats = steps(type)[name].repeats
    at = f"{path}[0]" if repeats else path
    for canonical, right in (
        (f"http://example.org/fhir/{targets[0]}/a", True),
        (f"http://example.org/fhir/{targets[0]}/a|1.0", True),
        ("http://example.org/anything", True),
        (f"urn:uuid:{UUID}", True),
        ("http://example.org/fhir/Patient/a", False),
        ("http://example.org/fhir/Patient/a|1.0#b", False),
    ):
        tree = {"resourceType": type, name: [canonical] if repeats else canonical}
        assert (("canonical-target", at) not in found(tree)) is right, canonical


def test_a_profile_is_no_value_set():
    tree = patient(meta={"profile": ["http://hl7.org/fhir/ValueSet/administrative-gender"]})
    assert found(tree) == {("canonical-target", "Patient.meta.profile[0]")}


SYSTEM = {"resourceType": "CodeSystem", "text": DIV, "status": "draft", "url": "http://example.org/cs"}


@pytest.mark.parametrize(
    ("members", "at"),
    [
        ({"content": "complete", "concept": [{"code": "a"}]}, ""),
        ({"content": "not-present"}, ""),
        ({"content": "not-present", "concept": [{"code": "a"}]}, "CodeSystem.concept"),
        ({"content": "supplement", "supplements": "http://example.org/other"}, ""),
        ({"content": "complete", "supplements": "http://example.org/other"}, "CodeSystem.content"),
    ],
)
def test_what_a_code_system_says_of_its_content(members: dict[str, Any], at: str):
    assert found({**SYSTEM, **members}) == ({("code-system-content", at)} if at else set())
