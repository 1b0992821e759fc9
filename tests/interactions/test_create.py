"""https://hl7.org/fhir/R4/http.html#create, #ccreate, #return"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.calls import Server

PATIENT = {"resourceType": "Patient", "identifier": [{"system": "urn:ids", "value": "7"}]}


async def test_a_create_is_201_with_where_it_is_and_an_id_of_the_servers(server: Server) -> None:
    made = await server.post("Patient", {**PATIENT, "id": "mine", "meta": {"versionId": "9", "tag": [{"code": "t"}]}})
    assert (made.status, made.version) == (201, 1)
    assert made.response.location == f"Patient/{made.id}/_history/1"
    assert made.id != "mine" and made.json["id"] == made.id
    assert made.json["meta"]["versionId"] == "1" and made.json["meta"]["tag"] == [{"code": "t"}]
    assert (await server.get("Patient/mine")).status == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "required"),
        (b"not json", 400, "structure"),
        (b"[]", 400, "structure"),
        (b"{}", 400, "required"),
        (b'{"resourceType":3}', 400, "required"),
        (b'{"resourceType":"Observation","status":"final","code":{"text":"x"}}', 400, "invalid"),
        (b'{"resourceType":"Patient","resourceType":"Patient"}', 400, "structure"),
        (b'{"resourceType":"Patient","gender":"femme"}', 422, "code-invalid"),
    ],
)
async def test_a_body_that_cannot_be_read_is_400_and_one_that_is_not_valid_422(
    server: Server, body: bytes, status: int, code: str
) -> None:
    answer = await server.post("Patient", body)
    assert (answer.status, answer.codes[0]) == (status, code)
    assert (await server.get("Patient?_summary=count")).json["total"] == 0


async def test_all_that_is_wrong_is_told_at_once_with_where(server: Server) -> None:
    answer = await server.post(
        "Patient", {"resourceType": "Patient", "gender": "x", "birthDate": "2023-02-30", "foo": 1}
    )
    assert answer.status == 422
    assert {"Patient.gender", "Patient.birthDate"} <= set(answer.expressions) and len(answer.codes) >= 3


@pytest.mark.parametrize(
    ("prefer", "kind"), [("representation", "Patient"), ("minimal", None), ("OperationOutcome", "OperationOutcome")]
)
async def test_the_client_gets_the_body_it_prefers(server: Server, prefer: str, kind: str | None) -> None:
    answer = await server.call("POST", "Patient", PATIENT, context=server.context(prefer=prefer))
    assert answer.status == 201 and answer.response.location is not None
    assert (answer.json or {}).get("resourceType") == kind


@pytest.mark.parametrize(
    "criteria",
    ["identifier=urn:ids|7", "?identifier=urn:ids|7", "Patient?identifier=urn:ids|7", "identifier=urn%3Aids%7C7"],
)
async def test_a_conditional_create_makes_one_and_then_finds_it(server: Server, criteria: str) -> None:
    first = await server.post("Patient", PATIENT, if_none_exist=criteria)
    second = await server.post("Patient", {**PATIENT, "active": True}, if_none_exist=criteria)
    assert (first.status, second.status) == (201, 200)
    assert (second.id, second.version, "active" in second.json) == (first.id, 1, False)


async def test_a_question_mark_in_the_criteria_is_part_of_their_value(server: Server) -> None:
    asking = {"resourceType": "Patient", "identifier": [{"system": "http://example.org/ids?of=us", "value": "7"}]}
    made = [
        await server.post("Patient", asking, if_none_exist="identifier=http://example.org/ids?of=us|7") for _ in "12"
    ]
    assert [answer.status for answer in made] == [201, 200]


async def test_a_byte_order_mark_is_passed_over(server: Server) -> None:
    """RFC 8259 §8.1"""
    made = await server.post("Patient", b'\xef\xbb\xbf{"resourceType":"Patient","active":true}')
    assert made.status == 201 and (await server.get(f"Patient/{made.id}")).json["active"] is True


async def test_a_conditional_create_with_several_matches_is_412(server: Server) -> None:
    await server.post("Patient", PATIENT)
    await server.post("Patient", PATIENT)
    answer = await server.post("Patient", PATIENT, if_none_exist="identifier=urn:ids|7")
    assert (answer.status, answer.codes) == (412, ["multiple-matches"])


@pytest.mark.parametrize(
    ("criteria", "status"),
    [
        ("", 412),
        ("identifier=", 412),
        ("nothing=1", 400),
        ("_count=1", 400),
        ("birthdate=x", 400),
        ("identifier=%zz", 400),
        ("identifier=%ff", 400),
        ("identifier=%00", 400),
        ("&".join(["active=true"] * 300), 400),
    ],
)
async def test_criteria_that_choose_nothing_are_refused_even_leniently(
    server: Server, criteria: str, status: int
) -> None:
    context = server.context(strict=False)
    answer = await server.call("POST", "Patient", PATIENT, context=context, if_none_exist=criteria)
    assert answer.status == status


async def test_a_deleted_match_is_no_match(server: Server) -> None:
    first = await server.post("Patient", PATIENT, if_none_exist="identifier=urn:ids|7")
    await server.delete(f"Patient/{first.id}")
    assert (await server.post("Patient", PATIENT, if_none_exist="identifier=urn:ids|7")).status == 201


async def test_fifty_conditional_creates_at_once_make_one_resource(server: Server) -> None:
    answers = await asyncio.gather(
        *(server.post("Patient", PATIENT, if_none_exist="identifier=urn:ids|7") for _ in range(50))
    )
    assert sorted(answer.status for answer in answers) == [200] * 49 + [201]
    assert len({answer.id for answer in answers}) == 1
    assert (await server.get("Patient?_summary=count")).json["total"] == 1


async def test_a_search_parameter_that_could_find_nothing_is_refused_with_the_reason(server: Server) -> None:
    parameter: dict[str, Any] = {
        "resourceType": "SearchParameter",
        "url": "http://example.org/sp",
        "name": "X",
        "status": "active",
        "description": "x",
        "code": "x",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.(((",
    }
    answer = await server.post("SearchParameter", parameter)
    assert answer.status == 422 and "SearchParameter.expression" in answer.expressions
    good = await server.post("SearchParameter", {**parameter, "expression": "Patient.name.given"})
    assert good.status == 201
    assert server.registry.state("http://example.org/sp") == "pending"
    await server.delete(f"SearchParameter/{good.id}")
    assert server.registry.state("http://example.org/sp") is None
