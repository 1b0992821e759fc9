"""Each kind of assertion and each operator holds when it should, and fails exactly when it should.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.setup.action.assert,
https://hl7.org/fhir/R4/valueset-assert-operator-codes.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.conformance.client import Client
from tests.conformance.scripts import PATIENT, READ, assertion, of, operation

LEAST = {"resourceType": "Patient", "id": "least", "name": [{"family": "AUTRE"}, {"given": ["Anne"]}]}
MORE = {"resourceType": "Patient", "id": "more", "name": [{"family": "AUTRE"}, {"family": "AUTRE"}]}
CONTAINED = [PATIENT, LEAST, MORE]
XPATH = "fhir:Patient/fhir:name/fhir:family/@value"


@pytest.mark.parametrize(
    ("asserted", "result"),
    [
        # responseCode, response: the read was answered with 200
        ({"responseCode": "200"}, "pass"),
        ({"responseCode": "201"}, "fail"),
        ({"responseCode": "200,201", "operator": "in"}, "pass"),
        ({"responseCode": "201,404", "operator": "in"}, "fail"),
        ({"responseCode": "400,404", "operator": "notIn"}, "pass"),
        ({"responseCode": "200,404", "operator": "notIn"}, "fail"),
        ({"responseCode": "199", "operator": "greaterThan"}, "pass"),
        ({"responseCode": "300", "operator": "greaterThan"}, "fail"),
        ({"responseCode": "300", "operator": "lessThan"}, "pass"),
        ({"responseCode": "200", "operator": "lessThan"}, "fail"),
        ({"response": "okay"}, "pass"),
        ({"response": "gone"}, "fail"),
        ({"response": "gone", "operator": "notEquals"}, "pass"),
        ({"response": "okay", "operator": "notEquals"}, "fail"),
        ({"responseCode": "200", "sourceId": "r"}, "pass"),
        ({"responseCode": "200", "sourceId": "p"}, "error"),
        # contentType
        ({"contentType": "json"}, "pass"),
        ({"contentType": "application/fhir+json"}, "pass"),
        ({"contentType": "xml"}, "fail"),
        # headerField
        ({"headerField": "ETag", "value": 'W/"1"'}, "pass"),
        ({"headerField": "etag", "value": 'W/"2"'}, "fail"),
        ({"headerField": "ETag", "operator": "notEmpty"}, "pass"),
        ({"headerField": "ETag", "operator": "empty"}, "fail"),
        ({"headerField": "X-None", "operator": "empty"}, "pass"),
        ({"headerField": "X-None", "operator": "notEmpty"}, "fail"),
        ({"headerField": "ETag", "operator": "contains", "value": "1"}, "pass"),
        ({"headerField": "ETag", "operator": "contains", "value": "2"}, "fail"),
        ({"headerField": "ETag", "operator": "notContains", "value": "2"}, "pass"),
        ({"headerField": "ETag", "operator": "notContains", "value": "1"}, "fail"),
        ({"headerField": "ETag"}, "error"),
        ({"headerField": "Accept", "direction": "request", "value": "application/fhir+json"}, "pass"),
        ({"headerField": "Accept", "sourceId": "q", "value": "application/fhir+xml"}, "fail"),
        # requestMethod, requestURL
        ({"requestMethod": "get"}, "pass"),
        ({"requestMethod": "post"}, "fail"),
        ({"requestURL": "Patient/${id}"}, "pass"),
        ({"requestURL": "/fhir/Patient/${id}"}, "pass"),
        ({"requestURL": "Patient/other"}, "fail"),
        # resource
        ({"resource": "Patient"}, "pass"),
        ({"resource": "Bundle"}, "fail"),
        ({"resource": "Patient", "direction": "request"}, "fail"),
        # expression
        ({"expression": "Patient.name.family", "value": "AUTRE"}, "pass"),
        ({"expression": "Patient.name.family", "value": "ESS"}, "fail"),
        ({"expression": "Patient.name.family", "value": "AUTRE", "operator": "notEquals"}, "fail"),
        ({"expression": "Patient.birthDate", "value": "1980", "operator": "greaterThan"}, "fail"),
        ({"expression": "Patient.birthDate", "value": "1979", "operator": "greaterThan"}, "pass"),
        ({"expression": "Patient.multipleBirth", "value": "10", "operator": "lessThan"}, "pass"),
        ({"expression": "Patient.name.family", "value": "10", "operator": "lessThan"}, "error"),
        ({"expression": "Patient.active", "value": "true"}, "pass"),
        ({"expression": "Patient.photo", "operator": "empty"}, "pass"),
        ({"expression": "Patient.name", "operator": "empty"}, "fail"),
        ({"expression": "active and name.count() = 2", "operator": "eval"}, "pass"),
        ({"expression": "active and name.count() = 3", "operator": "eval"}, "fail"),
        ({"expression": "photo.exists()"}, "fail"),
        ({"expression": "name.where("}, "error"),
        ({"expression": "Patient.id", "value": "${nobody}"}, "error"),
        ({"expression": "Patient.id", "value": "x", "sourceId": "nothing"}, "error"),
        # path: XPath, and JSONPath
        ({"path": XPATH, "value": "ESSAI"}, "pass"),
        ({"path": XPATH, "value": "Essai"}, "fail"),
        ({"path": "Patient/birthDate", "value": "1980-02-29"}, "pass"),
        ({"path": "count(fhir:Patient/fhir:name)", "value": "2"}, "pass"),
        ({"path": "/fhir:Patient/fhir:name[", "value": "2"}, "error"),
        ({"path": "$.name[0].given[1]", "value": "Anne"}, "pass"),
        ({"path": "$.name[0].given[1]", "value": "Zoé"}, "fail"),
        ({"path": "$..family", "value": "ESSAI"}, "pass"),
        ({"path": "$.name[?(@.family=='AUTRE')].given", "operator": "empty"}, "pass"),
        ({"path": "$.name[(@.length-1)]", "operator": "empty"}, "error"),
        # compareToSource
        ({"compareToSourceId": "p", "compareToSourceExpression": "Patient.name.family"}, "pass"),
        ({"compareToSourceId": "more", "compareToSourceExpression": "Patient.name.family"}, "fail"),
        ({"expression": "Patient.id", "compareToSourceId": "r", "compareToSourceExpression": "Patient.id"}, "pass"),
        ({"path": XPATH, "compareToSourceId": "p", "compareToSourcePath": XPATH}, "pass"),
        ({"path": XPATH, "compareToSourceId": "more", "compareToSourcePath": XPATH}, "fail"),
        # minimumId: whatever the order, each wanted item its own
        ({"minimumId": "p"}, "pass"),
        ({"minimumId": "r", "sourceId": "p"}, "fail"),
        ({"minimumId": "least", "sourceId": "least"}, "pass"),
        ({"minimumId": "more"}, "fail"),
        # navigationLinks, validateProfileId
        ({"navigationLinks": True}, "fail"),
        ({"validateProfileId": "patient"}, "pass"),
        ({"validateProfileId": "bundle"}, "fail"),
        ({"validateProfileId": "unknown"}, "error"),
        ({"validateProfileId": "nothing"}, "error"),
        # neither
        ({"value": "1"}, "error"),
        ({"expression": "Patient.id", "operator": "contains"}, "error"),
        ({"resource": "Patient", "operator": "eval"}, "error"),
    ],
    ids=lambda value: str(value)[:80],
)
async def test_an_assertion_fails_exactly_when_it_should(client: Client, asserted: dict[str, Any], result: str) -> None:
    profiles = [
        {"id": "patient", "reference": "http://hl7.org/fhir/StructureDefinition/Patient"},
        {"id": "bundle", "reference": "http://hl7.org/fhir/StructureDefinition/Bundle"},
        {"id": "unknown", "reference": "https://fhir-server.example/StructureDefinition/nowhere"},
    ]
    fixture = [
        {"id": id, "autocreate": id == "p", "autodelete": id == "p", "resource": {"reference": f"#{id}"}}
        for id in ("p", "least", "more")
    ]
    variable = [{"name": "id", "expression": "Patient.id", "sourceId": "p"}]
    _, done = await of(
        client,
        READ,
        assertion(**asserted),
        contained=CONTAINED,
        fixture=fixture,
        profile=profiles,
        variable=variable,
    )
    assert done.result == result, done.message


@pytest.mark.parametrize(("name", "status"), [("notFound", "404"), ("bad", "400"), ("methodNotAllowed", "405")])
async def test_response_names_are_statuses(client: Client, name: str, status: str) -> None:
    asked = {
        "404": operation("read", url="Patient/never"),
        "400": operation("search", resource="Patient", params="?birthdate=never"),
        "405": operation("delete", url="metadata"),
    }
    done = await of(client, asked[status], assertion(response=name), assertion(responseCode=status))
    assert [action.result for action in done] == ["pass"] * 3, done


async def test_navigation_links_are_first_last_and_next(client: Client) -> None:
    search = operation("search", resource="Patient", params="?_count=1")
    bundle = {
        "resourceType": "Bundle",
        "id": "links",
        "type": "searchset",
        "link": [{"relation": relation, "url": "http://fhir.test"} for relation in ("first", "last", "next")],
    }
    fixture = [
        {"id": id, "autocreate": id == "p", "autodelete": False, "resource": {"reference": f"#{id}"}}
        for id in ("p", "links")
    ]
    done = await of(
        client,
        search,
        assertion(navigationLinks=True, sourceId="links"),
        assertion(navigationLinks=False),
        contained=[PATIENT, bundle],
        fixture=fixture,
    )
    assert [action.result for action in done] == ["pass"] * 3, done
