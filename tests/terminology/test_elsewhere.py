"""Codes that are not here, asked of another terminology server: this project's own on loopback, and broken ones.

https://hl7.org/fhir/R4/terminology-service.html, https://hl7.org/fhir/R4/terminologies.html#strength
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from fhir_server.settings import Settings
from tests.server.process import open_serving
from tests.server.whole import whole
from tests.terminology.elsewhere import HANG, answering, http, said
from tests.terminology.making import ANIMALS, URL, filtered, parameters, value_set

FOUR = "http://example.org/four-legs"
MAP = {
    "resourceType": "ConceptMap",
    "url": "http://example.org/pets",
    "status": "active",
    "group": [
        {
            "source": URL,
            "target": "http://example.org/p",
            "element": [{"code": "cat", "target": [{"code": "C", "equivalence": "equivalent"}]}],
        }
    ],
}
ONE_LEG = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found"}]}


def asking(url: str) -> dict[str, Any]:
    """Settings of a server that asks another, and waits for it as long as a machine under load may take."""
    return {"terminology_url": url, "terminology_seconds": 60}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base of a second server of ours, in a process of its own, that knows animals."""
    with open_serving(tmp_path_factory.mktemp("other") / "data") as served:
        base = served.base
        for tree in (ANIMALS, value_set(filtered("legs", "=", "4"), url=FOUR), MAP):
            assert httpx.post(f"{base}/{tree['resourceType']}", json=tree, timeout=240).status_code == 201
        yield base


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        (f"ValueSet/$validate-code?url={FOUR}&system={URL}&code=cat", "result", True),
        (f"ValueSet/$validate-code?url={FOUR}&system={URL}&code=bat", "result", False),
        (f"CodeSystem/$validate-code?url={URL}&code=dog", "display", "Dog"),
        (f"CodeSystem/$lookup?system={URL}&code=mammal&displayLanguage=fr", "display", "Mammifère"),
        (f"CodeSystem/$subsumes?system={URL}&codeA=mammal&codeB=bat", "outcome", "subsumes"),
        (f"ConceptMap/$translate?url=http://example.org/pets&system={URL}&code=cat", "result", True),
    ],
)
async def test_what_is_not_here_is_answered_by_the_other(
    tmp_path: Path, other: str, url: str, name: str, value: Any
) -> None:
    async with whole(tmp_path) as alone:
        assert (await said(alone, url))[0] == 404
    async with whole(tmp_path, **asking(other)) as client:
        status, found = await said(client, url)
        assert (status, found.get(name)) == (200, value), found


async def test_expansions_searches_and_value_sets_of_ours_over_its_code_systems(tmp_path: Path, other: str) -> None:
    async with whole(tmp_path, **asking(other)) as client:
        answer = await client.get(f"ValueSet/$expand?url={FOUR}&filter=do")
        assert [row["code"] for row in answer.json()["expansion"]["contains"]] == ["dog"]
        # Ours, with one of ours imported, of codes that only the other server has.
        inner = value_set(filtered("concept", "is-a", "mammal"), url="http://example.org/inner")
        mine = value_set({"valueSet": ["http://example.org/inner"]}, url="http://example.org/mine")
        for tree in (inner, mine):
            assert (await client.post("ValueSet", json=tree)).status_code == 201
        answer = await client.get("ValueSet/$expand?url=http://example.org/mine")
        assert [row["code"] for row in answer.json()["expansion"]["contains"]] == ["mammal", "cat", "dog", "bat"]
        query = f"ValueSet/$validate-code?url=http://example.org/mine&system={URL}&code=flyer"
        assert (await said(client, query))[1]["result"] is False
        for code in ("cat", "bat", "flyer"):
            tree = {"resourceType": "Basic", "id": code, "code": {"coding": [{"system": URL, "code": code}]}}
            assert (await client.put(f"Basic/{code}", json=tree)).status_code == 201

        async def found(query: str) -> set[str]:
            answer = await client.get(f"Basic?{query}")
            assert answer.status_code == 200, answer.text
            bundle = answer.json()
            return {entry["resource"]["id"] for entry in bundle["entry"]}

        assert await found(f"code:in={FOUR}") == {"cat"}
        assert await found(f"code:not-in={FOUR}") == {"bat", "flyer"}
        assert await found(f"code:below={URL}|mammal") == {"cat", "bat"}
        assert await found(f"code:above={URL}|bat") == {"bat", "flyer"}


async def test_what_neither_knows_is_the_error_of_ours(tmp_path: Path, other: str) -> None:
    async with whole(tmp_path, **asking(other)) as client:
        assert (await said(client, "CodeSystem/$lookup?system=http://example.org/no&code=1"))[0] == 404
        assert (await said(client, f"CodeSystem/$lookup?system={URL}&code=yeti"))[0] == 404
        assert (await client.get("ValueSet/$expand?url=http://example.org/nowhere")).status_code == 404


PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "http://example.org/four-legged",
    "name": "FourLegged",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Basic",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Basic",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Basic", "path": "Basic"},
            {"id": "Basic.code", "path": "Basic.code", "binding": {"strength": "required", "valueSet": FOUR}},
        ]
    },
}


def four_legged(code: str) -> dict[str, Any]:
    return {
        "resourceType": "Basic",
        "meta": {"profile": ["http://example.org/four-legged"]},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Secret DURAND</div>'},
        "code": {"text": "Secret DURAND", "coding": [{"system": URL, "code": code, "display": "x"}]},
        "subject": {"reference": "Patient/secret"},
    }


async def test_bindings_of_profiles_are_judged_by_the_other(tmp_path: Path, other: str) -> None:
    async with whole(tmp_path, **asking(other)) as client:
        assert (await client.post("StructureDefinition", json=PROFILE)).status_code == 201
        assert (await client.post("Basic", json=four_legged("cat"))).status_code == 201
        refused = await client.post("Basic", json=four_legged("bat"))
        assert refused.status_code == 422 and "required-binding" in refused.text
        batch = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"resource": four_legged(code), "request": {"method": "POST", "url": "Basic"}}
                for code in ("cat", "bat")
            ],
        }
        assert (await client.post("", json=batch)).status_code == 422


#: What a broken server answers: nothing in time, no HTTP, no FHIR, another resource, an error, a way elsewhere.
BROKEN = {
    "hangs": HANG,
    "no HTTP": b"hello\r\n\r\n",
    "no JSON": http(200, b"<html>"),
    "no result": http(200, b'{"resourceType":"Patient"}'),
    "no rows": http(200, b'{"resourceType":"Parameters","parameter":[3]}'),
    "error": http(500, b""),
    "forbidden": http(403, b'{"resourceType":"OperationOutcome","issue":[]}'),
    "not FHIR's 404": http(404, b"nothing here"),
    "redirect": http(302, b"", "Location: http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=list(BROKEN))
async def test_a_broken_one_refuses_no_write_and_is_503_for_questions(tmp_path: Path, answer: bytes) -> None:
    async with (
        answering(answer) as wrong,
        whole(tmp_path, terminology_url=wrong.url, terminology_seconds=0.2) as client,
    ):
        assert (await client.post("StructureDefinition", json=PROFILE)).status_code == 201
        written = await client.post("Basic", json=four_legged("cat"), headers={"Prefer": "return=OperationOutcome"})
        [issue] = [one for one in written.json()["issue"] if FOUR in one["diagnostics"]]
        assert (written.status_code, issue["severity"], issue["code"]) == (201, "warning", "incomplete")
        for url in (
            f"ValueSet/$expand?url={FOUR}",
            f"CodeSystem/$lookup?system={URL}&code=cat",
            f"Basic?code:in={FOUR}",
        ):
            refused = await client.get(url)
            assert (refused.status_code, refused.json()["issue"][0]["code"]) == (503, "transient"), refused.text
            assert int(refused.headers["retry-after"]) > 0
        # What is here is answered as ever.
        assert (await client.get("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/days-of-week")).status_code == 200
        assert not any(word in asked for asked in wrong.asked for word in (b"DURAND", b"secret", b"Secret"))


async def test_one_that_fails_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async with answering(http(500, b"")) as wrong, whole(tmp_path, **asking(wrong.url)) as client:
        for n in range(6):
            refused = await client.get(f"ValueSet/$expand?url=http://example.org/{n}")
            assert refused.status_code == 503
        assert len(wrong.asked) == 3


async def test_answers_are_kept_and_stand_in_when_it_dies(tmp_path: Path) -> None:
    answer = http(200, b'{"resourceType":"Parameters","parameter":[{"name":"display","valueString":"One"}]}')
    url = f"CodeSystem/$lookup?system={URL}&code=1"
    for seconds in (3600, 0):
        async with answering(answer) as wrong:
            setup = {**asking(wrong.url), "terminology_cache_seconds": seconds}
            async with whole(tmp_path / str(seconds), **setup) as client:
                for _ in range(3):
                    assert (await said(client, url))[1] == {"display": "One"}
                assert len(wrong.asked) == (1 if seconds else 3)
                wrong.answer = http(500, b"")
                assert (await said(client, url))[1] == {"display": "One"}
            async with whole(tmp_path / str(seconds), **setup) as again:  # another worker has them as well
                assert (await said(again, url))[1] == {"display": "One"}


async def test_what_it_does_not_know_is_not_asked_each_time(tmp_path: Path) -> None:
    body = b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}'
    async with answering(http(404, body)) as wrong, whole(tmp_path, **asking(wrong.url)) as client:
        for _ in range(3):
            assert (await client.get(f"CodeSystem/$lookup?system={URL}&code=1")).status_code == 404
        assert len(wrong.asked) == 1


async def test_the_token_goes_to_it_and_to_it_only_codes_are_said(tmp_path: Path) -> None:
    answer = http(200, b'{"resourceType":"Parameters","parameter":[{"name":"result","valueBoolean":true}]}')
    concept = {
        "text": "DURAND",
        "extension": [{"url": "http://example.org/DURAND", "valueString": "DURAND"}],
        "coding": [{"id": "DURAND", "system": URL, "code": "cat", "display": "Cat", "userSelected": True}],
    }
    given = {
        **value_set(filtered("legs", "=", "4"), url=FOUR),
        "description": "DURAND",
        "contained": [{"id": "DURAND"}],
    }
    async with answering(answer) as wrong:
        setup = {**asking(wrong.url), "terminology_header": "Authorization: Bearer abc"}
        async with whole(tmp_path, **setup) as client:
            body = parameters(valueSet=given, codeableConcept=concept)
            assert (await said(client, "ValueSet/$validate-code", body)) == (200, {"result": True})
        [asked] = wrong.asked
    assert b"authorization: Bearer abc" in asked.replace(b"Authorization", b"authorization")
    assert b"POST /fhir/ValueSet/$validate-code " in asked and b"DURAND" not in asked and b'"cat"' in asked


@pytest.mark.parametrize(
    "url", ["ftp://a.test", "http://", "http://user:secret@a.test", "http://a.test/?x=1", "a.test"]
)
def test_an_address_that_is_no_plain_base_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(terminology_url=url)
