"""https://hl7.org/fhir/R4/fhirpatch.html, https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid, Malformed
from fhir_server.interactions.patching.fhirpath_patch import read
from tests.server.calls import Server

Json = dict[str, Any]


def operation(type: str, path: str, **parts: Any) -> Json:
    """One operation; a keyword is a part, its value the element `value[x]` as a one-member object or a plain value."""
    rows: list[Json] = [{"name": "type", "valueCode": type}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if isinstance(value, dict):
            rows.append({"name": name, **value})
        elif isinstance(value, int):
            rows.append({"name": name, "valueInteger": value})
        else:
            rows.append({"name": name, "valueString": value})
    return {"name": "operation", "part": rows}


def patch(*operations: Json) -> Json:
    return {"resourceType": "Parameters", "parameter": list(operations)}


PATIENT: Json = {
    "resourceType": "Patient",
    "id": "a",
    "identifier": [{"system": "urn:s", "value": "1"}, {"system": "urn:s", "value": "2"}],
    "name": [{"family": "A", "given": ["x", "y"]}],
    "birthDate": "1920-01-01",
    "contact": [{"name": {"text": "c"}, "gender": "male"}],
    "deceasedBoolean": False,
}


def changed(**members: Any) -> Json:
    found = {**deepcopy(PATIENT), **members}
    return {key: value for key, value in found.items() if value is not None}


one, two, three = (
    {"system": "urn:s", "value": "1"},
    {"system": "urn:s", "value": "2"},
    {"system": "urn:s", "value": "3"},
)
_3 = {"valueIdentifier": three}

#: operation → the resource it makes of PATIENT
CASES: list[tuple[Json, Json]] = [
    (operation("replace", "Patient.birthDate", value={"valueDate": "1930-01-01"}), changed(birthDate="1930-01-01")),
    (operation("delete", "Patient.birthDate"), changed(birthDate=None)),
    (operation("delete", "Patient.gender"), changed()),
    (operation("add", "Patient", name="gender", value={"valueCode": "male"}), changed(gender="male")),
    (operation("add", "Patient", name="identifier", value=_3), changed(identifier=[one, two, three])),
    (
        operation("add", "Patient", name="telecom", value={"valueContactPoint": {"value": "1"}}),
        changed(telecom=[{"value": "1"}]),
    ),
    (operation("insert", "Patient.identifier", index=0, value=_3), changed(identifier=[three, one, two])),
    (operation("insert", "Patient.identifier", index=1, value=_3), changed(identifier=[one, three, two])),
    (operation("insert", "Patient.identifier", index=2, value=_3), changed(identifier=[one, two, three])),
    (
        operation("insert", "Patient.telecom", index=0, value={"valueContactPoint": {"value": "1"}}),
        changed(telecom=[{"value": "1"}]),
    ),
    (operation("move", "Patient.identifier", source=1, destination=0), changed(identifier=[two, one])),
    (operation("move", "Patient.identifier", source=0, destination=1), changed(identifier=[two, one])),
    (operation("delete", "Patient.identifier[0]"), changed(identifier=[two])),
    (operation("delete", "Patient.identifier.where(value = '2')"), changed(identifier=[one])),
    (operation("replace", "Patient.identifier.where(value = '2')", value=_3), changed(identifier=[one, three])),
    (
        operation("replace", "Patient.name[0].given[1]", value={"valueString": "z"}),
        changed(name=[{"family": "A", "given": ["x", "z"]}]),
    ),
    (
        operation("insert", "Patient.name[0].given", index=1, value={"valueString": "z"}),
        changed(name=[{"family": "A", "given": ["x", "z", "y"]}]),
    ),
    (
        operation("replace", "Patient.contact[0].gender", value={"valueCode": "female"}),
        changed(contact=[{"name": {"text": "c"}, "gender": "female"}]),
    ),
    (
        operation("replace", "Patient.deceased", value={"valueDateTime": "2020"}),
        changed(deceasedBoolean=None, deceasedDateTime="2020"),
    ),
    (operation("delete", "Patient.deceased"), changed(deceasedBoolean=None)),
    (operation("delete", "Patient.contact[0].name.text"), changed(contact=[{"gender": "male"}])),
    (
        operation("add", "Patient", name="maritalStatus", value={"valueCodeableConcept": {"text": "M"}}),
        changed(maritalStatus={"text": "M"}),
    ),
    (
        operation(
            "add",
            "Patient",
            name="contact",
            value={
                "part": [
                    {"name": "name", "valueHumanName": {"text": "n"}},
                    {"name": "telecom", "valueContactPoint": {"value": "1"}},
                    {"name": "telecom", "valueContactPoint": {"value": "2"}},
                ]
            },
        ),
        changed(
            contact=[
                {"name": {"text": "c"}, "gender": "male"},
                {"name": {"text": "n"}, "telecom": [{"value": "1"}, {"value": "2"}]},
            ]
        ),
    ),
    (
        operation(
            "add",
            "Patient",
            name="extension",
            value={"part": [{"name": "url", "valueUri": "urn:e"}, {"name": "value", "valueCode": "x"}]},
        ),
        changed(extension=[{"url": "urn:e", "valueCode": "x"}]),
    ),
    (
        operation(
            "add",
            "Patient.birthDate",
            name="extension",
            value={"part": [{"name": "url", "valueUri": "urn:e"}, {"name": "value", "valueString": "x"}]},
        ),
        changed(_birthDate={"extension": [{"url": "urn:e", "valueString": "x"}]}),
    ),
    (
        operation("replace", "Patient.birthDate", value={"valueDate": "1930", "_valueDate": {"id": "i"}}),
        changed(birthDate="1930", _birthDate={"id": "i"}),
    ),
    (
        operation("add", "Patient.name[0]", name="given", value={"_valueString": {"id": "i"}}),
        changed(name=[{"family": "A", "given": ["x", "y", None], "_given": [None, None, {"id": "i"}]}]),
    ),
    (
        operation("add", "Patient", name="contained", value={"resource": {"resourceType": "Organization", "id": "o"}}),
        changed(contained=[{"resourceType": "Organization", "id": "o"}]),
    ),
]


@pytest.mark.parametrize(("asked", "result"), CASES)
def test_an_operation_changes_what_its_path_names(asked: Json, result: Json) -> None:
    made = read(patch(asked))(deepcopy(PATIENT))
    assert made == result


@pytest.mark.parametrize(
    "asked",
    [
        operation("delete", "Patient.identifier"),
        operation("delete", "Patient"),
        operation("replace", "Patient.gender", value={"valueCode": "male"}),
        operation("replace", "Patient.identifier", value=_3),
        operation("replace", "Patient.birthDate", value={"valueString": "1930-01-01"}),
        operation("replace", "Patient.birthDate", value=_3),
        operation("add", "Patient", name="birthDate", value={"valueDate": "1930"}),
        operation("add", "Patient", name="deceased", value={"valueDateTime": "1930"}),
        operation("add", "Patient", name="nothing", value={"valueString": "x"}),
        operation("add", "Patient.gender", name="id", value={"valueString": "x"}),
        operation("add", "Patient.identifier", name="value", value={"valueString": "x"}),
        operation("insert", "Patient.identifier", index=3, value=_3),
        operation("insert", "Patient.birthDate", index=0, value={"valueDate": "1930"}),
        operation("insert", "Patient.name.given | Patient.contact", index=0, value={"valueString": "x"}),
        operation("move", "Patient.identifier", source=2, destination=0),
        operation("move", "Patient.identifier", source=0, destination=2),
        operation("move", "Patient.telecom", source=0, destination=0),
        operation("delete", "Patient.identifier.count()"),
        operation("delete", "'text'"),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(asked: Json) -> None:
    with pytest.raises(Invalid):
        read(patch(asked))(deepcopy(PATIENT))


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameters": []},
        {"resourceType": "Parameters", "parameter": {}},
        {"resourceType": "Parameters", "parameter": [{"name": "other"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "operation"}]},
        {"resourceType": "Parameters", "parameter": ["x"]},
        patch(operation("sort", "Patient.name")),
        patch(operation("add", "Patient", name="gender")),
        patch(operation("add", "Patient", value={"valueCode": "x"})),
        patch(operation("insert", "Patient.name", value={"valueString": "x"})),
        patch(operation("insert", "Patient.name", index=-1, value={"valueString": "x"})),
        patch(operation("move", "Patient.name", source=0)),
        patch(operation("replace", "Patient.name")),
        patch(operation("delete", "")),
        patch(operation("delete", "Patient.(")),
        patch(operation("delete", "Patient.birthDate", stray="x")),
        patch({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]}),
        patch(
            {
                "name": "operation",
                "part": [{"name": "type", "valueCode": "delete"}, {"name": "type", "valueCode": "add"}],
            }
        ),
    ],
)
def test_what_is_no_patch_is_refused_before_anything_is_read(body: Json) -> None:
    with pytest.raises(Malformed):
        read(body)


def test_a_patch_without_operations_changes_nothing() -> None:
    assert read({"resourceType": "Parameters", "id": "p"})(deepcopy(PATIENT)) == PATIENT
    assert read(patch())(deepcopy(PATIENT)) == PATIENT


def test_a_narrative_is_replaced_by_a_string() -> None:
    # Parameters have no xhtml (https://hl7.org/fhir/R4/datatypes.html#open).
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">%s</div>'}
    before = PATIENT | {"text": text | {"div": text["div"] % "a"}}
    asked = operation("replace", "Patient.text.div", value={"valueString": text["div"] % "b"})
    assert read(patch(asked))(deepcopy(before)) == PATIENT | {"text": text | {"div": text["div"] % "b"}}
    with pytest.raises(Invalid):
        read(patch(operation("replace", "Patient.text.div", value={"valueCode": "b"})))(deepcopy(before))


async def test_a_patch_by_parameters_is_validated_and_kept(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    good = patch(operation("replace", "Patient.birthDate", value={"valueDate": "1930-01-01"}))
    answer = await server.call("PATCH", "Patient/a", good)
    assert (answer.status, answer.version, answer.json["birthDate"]) == (200, 2, "1930-01-01")
    bad = patch(operation("add", "Patient", name="gender", value={"valueCode": "femme"}))
    assert (await server.call("PATCH", "Patient/a", bad)).status == 422
    other = patch(operation("replace", "Patient.id", value={"valueId": "b"}))
    assert (await server.call("PATCH", "Patient/a", other)).status == 422
    assert (await server.call("PATCH", "Patient/a", {"resourceType": "Patient", "id": "a"})).status == 400
    assert (await server.get("Patient/a")).version == 2


async def test_operations_are_done_one_after_another_or_not_at_all(server: Server) -> None:
    await server.put("Patient/a", PATIENT)
    body = patch(
        operation("delete", "Patient.identifier[0]"),
        operation("delete", "Patient.identifier[0]"),
        operation("replace", "Patient.gender", value={"valueCode": "male"}),
    )
    assert (await server.call("PATCH", "Patient/a", body)).status == 422
    assert len((await server.get("Patient/a")).json["identifier"]) == 2
    body["parameter"].pop()
    assert "identifier" not in (await server.call("PATCH", "Patient/a", body)).json
