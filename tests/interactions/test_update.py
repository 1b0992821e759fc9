"""https://hl7.org/fhir/R4/http.html#update, #upsert, #cond-update, #concurrency"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.calls import Server


def a_patient(id: str | None = None, **more: Any) -> dict[str, Any]:
    own = {} if id is None else {"id": id}
    return {"resourceType": "Patient", **own, "identifier": [{"system": "urn:ids", "value": "7"}], **more}


async def test_an_update_makes_the_next_version(server: Server) -> None:
    made = await server.post("Patient", a_patient())
    changed = await server.put(f"Patient/{made.id}", a_patient(made.id, gender="male"))
    assert (changed.status, changed.version, changed.json["meta"]["versionId"]) == (200, 2, "2")
    assert changed.json["gender"] == "male"
    assert (await server.get(f"Patient/{made.id}/_history/1")).status == 200


async def test_an_update_of_a_free_id_creates_and_of_a_deleted_one_brings_it_back(server: Server) -> None:
    made = await server.put("Patient/my-id.1", a_patient("my-id.1"))
    assert (made.status, made.response.location) == (201, "Patient/my-id.1/_history/1")
    await server.delete("Patient/my-id.1")
    again = await server.put("Patient/my-id.1", a_patient("my-id.1"))
    assert (again.status, again.version) == (201, 3)


@pytest.mark.parametrize(
    ("url", "body", "status"),
    [
        ("Patient/a", a_patient(), 400),
        ("Patient/a", a_patient("b"), 400),
        ("Patient/a", {"resourceType": "Person", "id": "a"}, 400),
        ("Patient/under_score", a_patient("under_score"), 400),
        ("Patient/" + "a" * 65, a_patient("a" * 65), 400),
        ("Patient/a", {"resourceType": "Patient", "id": "a", "gender": "x"}, 422),
    ],
)
async def test_an_update_whose_id_or_type_is_not_the_urls_is_refused(
    server: Server, url: str, body: dict[str, Any], status: int
) -> None:
    assert (await server.put(url, body)).status == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('W/"2"', 200),
        ('"2"', 200),
        ('W/"1", W/"2"', 200),
        ("*", 200),
        ('W/"1"', 412),
        ('W/"x"', 412),
        ('""', 412),
        ("", 400),
        (",", 400),
    ],
)
async def test_if_match_holds_an_update_to_the_version_the_client_knew(
    server: Server, header: str, status: int
) -> None:
    await server.put("Patient/a", a_patient("a"))
    await server.put("Patient/a", a_patient("a"))
    assert (await server.put("Patient/a", a_patient("a"), if_match=header)).status == status


async def test_if_match_on_what_is_not_there_is_412_and_if_none_match_star_only_creates(server: Server) -> None:
    assert (await server.put("Patient/a", a_patient("a"), if_match='W/"1"')).status == 412
    assert (await server.put("Patient/a", a_patient("a"), if_none_match="*")).status == 201
    assert (await server.put("Patient/a", a_patient("a"), if_none_match="*")).status == 412


async def test_of_twenty_updates_with_the_same_if_match_one_wins(server: Server) -> None:
    await server.put("Patient/a", a_patient("a"))
    answers = await asyncio.gather(*(server.put("Patient/a", a_patient("a"), if_match='W/"1"') for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 19


async def test_updates_at_once_without_if_match_are_all_done_one_after_another(server: Server) -> None:
    answers = await asyncio.gather(*(server.put("Patient/a", a_patient("a")) for _ in range(30)))
    assert sorted(answer.version or 0 for answer in answers) == list(range(1, 31))
    assert sorted(answer.status for answer in answers) == [200] * 29 + [201]


#: matches there are, id in the body → status, and whether the one match was written
@pytest.mark.parametrize(
    ("there", "id", "status", "written"),
    [
        (0, None, 201, "new"),
        (0, "wanted", 201, "wanted"),
        (0, "other", 409, None),
        (1, None, 200, "match-0"),
        (1, "match-0", 200, "match-0"),
        (1, "other", 400, None),
        (2, None, 412, None),
    ],
)
async def test_a_conditional_update_depends_on_how_many_match(
    server: Server, there: int, id: str | None, status: int, written: str | None
) -> None:
    await server.put("Patient/other", {"resourceType": "Patient", "id": "other"})
    for n in range(there):
        await server.put(f"Patient/match-{n}", a_patient(f"match-{n}"))
    answer = await server.put("Patient?identifier=urn:ids|7", a_patient(id, active=True))
    assert answer.status == status
    if written not in (None, "new"):
        assert answer.id == written and answer.json["active"] is True


async def test_a_conditional_update_without_criteria_is_refused(server: Server) -> None:
    assert (await server.put("Patient", a_patient("a"))).status == 412


async def test_conditional_updates_at_once_make_one_resource(server: Server) -> None:
    answers = await asyncio.gather(*(server.put("Patient?identifier=urn:ids|7", a_patient()) for _ in range(20)))
    assert len({answer.id for answer in answers}) == 1
    assert sorted(answer.version or 0 for answer in answers) == list(range(1, 21))
