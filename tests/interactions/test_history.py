"""https://hl7.org/fhir/R4/http.html#history, https://hl7.org/fhir/R4/http.html#paging"""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.calls import BASE, Answer, Server


def a_patient(id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, **more}


def rows(answer: Answer) -> list[tuple[str, str, str]]:
    return [
        (entry["request"]["method"], entry["request"]["url"], entry["response"]["etag"])
        for entry in answer.json["entry"]
    ]


def link(answer: Answer, relation: str) -> str | None:
    found = [one["url"] for one in answer.json["link"] if one["relation"] == relation]
    return found[0].removeprefix(BASE + "/") if found else None


async def test_a_resource_s_history_is_newest_first_with_its_deletion(server: Server) -> None:
    made = await server.post("Patient", {"resourceType": "Patient"})
    await server.put(f"Patient/{made.id}", a_patient(made.id, gender="male"))
    await server.delete(f"Patient/{made.id}")
    history = await server.get(f"Patient/{made.id}/_history")
    assert (history.status, history.json["type"], history.json["total"]) == (200, "history", 3)
    url = f"Patient/{made.id}"
    assert rows(history) == [("DELETE", url, 'W/"3"'), ("PUT", url, 'W/"2"'), ("POST", "Patient", 'W/"1"')]
    deletion, update, creation = history.json["entry"]
    assert "resource" not in deletion and deletion["response"]["status"] == "204"
    assert update["resource"]["gender"] == "male" and update["response"]["status"] == "200"
    assert creation["response"]["status"] == "201"
    assert {entry["fullUrl"] for entry in history.json["entry"]} == {f"{BASE}/{url}"}
    assert update["response"]["lastModified"] == update["resource"]["meta"]["lastUpdated"]


async def test_the_history_of_what_never_was_is_404(server: Server) -> None:
    assert (await server.get("Patient/none/_history")).status == 404
    assert (await server.get("Patients/_history")).status == 404


async def test_the_history_of_a_type_and_of_everything(server: Server) -> None:
    await server.put("Patient/a", a_patient("a"))
    await server.put("Organization/o", {"resourceType": "Organization", "id": "o", "name": "x"})
    await server.delete("Patient/a")
    assert rows(await server.get("Patient/_history")) == [
        ("DELETE", "Patient/a", 'W/"2"'),
        ("PUT", "Patient/a", 'W/"1"'),
    ]
    assert [row[1] for row in rows(await server.get("_history"))] == ["Patient/a", "Organization/o", "Patient/a"]


@pytest.mark.parametrize("place", ["Patient/a/_history", "Patient/_history", "_history"])
async def test_pages_hold_every_version_once_while_others_write(server: Server, place: str) -> None:
    for _ in range(7):
        await server.put("Patient/a", a_patient("a"))
    seen: list[str] = []
    url: str | None = f"{place}?_count=3"
    pages = 0
    while url:
        page = await server.get(url)
        seen += [row[2] for row in rows(page)]
        await server.put("Patient/a", a_patient("a"))
        url, pages = link(page, "next"), pages + 1
    assert seen == [f'W/"{n}"' for n in range(7, 0, -1)]
    assert pages == 3


async def test_a_forged_link_is_400(server: Server) -> None:
    for _ in range(3):
        await server.put("Patient/a", a_patient("a"))
    url = link(await server.get("Patient/_history?_count=1"), "next")
    assert url is not None
    assert (await server.get(url)).status == 200
    assert (await server.get(url[:-1] + ("A" if url[-1] != "A" else "B"))).status == 400
    assert (await server.get(url.replace("Patient/", "Patient/a/"))).status == 400


async def test_since_and_at_choose_by_time(server: Server) -> None:
    await server.put("Patient/a", a_patient("a"))
    second = await server.put("Patient/a", a_patient("a"))
    now = second.json["meta"]["lastUpdated"]
    assert 'W/"2"' in [row[2] for row in rows(await server.get(f"Patient/a/_history?_since={now}"))]
    assert (await server.get("Patient/a/_history?_since=2100-01-01T00:00:00Z")).json["total"] == 0
    assert [row[2] for row in rows(await server.get("Patient/a/_history?_at=2100"))] == ['W/"2"']
    assert (await server.get("Patient/a/_history?_at=2000-01-01")).json["total"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "_count=x",
        "_count=-1",
        "_since=yesterday",
        "_at=2023-13",
        "_sort=name",
        "name=x",
        "_cursor=x",
        "_count=1&_count=2",
    ],
)
async def test_what_history_does_not_understand_is_400(server: Server, query: str) -> None:
    await server.put("Patient/a", a_patient("a"))
    assert (await server.get(f"Patient/a/_history?{query}")).status == 400


async def test_unknown_parameters_are_left_out_under_lenient_handling(server: Server) -> None:
    await server.put("Patient/a", a_patient("a"))
    answer = await server.call("GET", "Patient/a/_history?name=x", context=server.context(strict=False))
    assert (answer.status, link(answer, "self")) == (200, "Patient/a/_history")


async def test_a_count_of_none_gives_the_total_alone(server: Server) -> None:
    await server.put("Patient/a", a_patient("a"))
    answer = await server.get("Patient/a/_history?_count=0")
    assert (answer.json["total"], "entry" in answer.json) == (1, False)


async def test_the_resources_of_a_history_can_be_shaped(server: Server) -> None:
    await server.put("Patient/a", a_patient("a", gender="male", birthDate="2000"))
    answer = await server.get("Patient/a/_history?_elements=gender")
    [resource] = answer.resources
    assert resource["gender"] == "male" and "birthDate" not in resource
