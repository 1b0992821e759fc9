"""What is answered of the matches: pages, order, totals, includes, parts of resources, contained resources.

https://hl7.org/fhir/R4/search.html#return, https://hl7.org/fhir/R4/http.html#paging, https://hl7.org/fhir/R4/bundle.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.answering.explain import explain
from fhir_server.settings import Settings
from tests.server.searches import BASE, SmallServer, entries, ids, link


def patient(id: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, **more}


def observation(id: str, patient: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


async def pages(server: SmallServer, path: str, relation: str = "next") -> list[list[str]]:
    """The ids on each page, following the links to the end."""
    found, bundle = [], await server.search(path)
    while True:
        found.append(ids(bundle))
        url = link(bundle, relation)
        if url is None:
            return found
        bundle = await server.search(url)


async def test_a_searchset_is_a_bundle_as_r4_wants_it(server: SmallServer) -> None:
    await server.put(patient("a", name=[{"family": "Élan"}]))
    bundle = await server.search("Patient?name=%C3%A9lan&_format=json")
    assert bundle["resourceType"] == "Bundle" and bundle["type"] == "searchset" and bundle["total"] == 1
    assert bundle["id"] and bundle["meta"]["lastUpdated"].endswith("Z")
    assert bundle["link"] == [{"relation": "self", "url": f"{BASE}/Patient?name=%C3%A9lan&_format=json"}]
    (entry,) = bundle["entry"]
    assert entry["fullUrl"] == f"{BASE}/Patient/a"
    assert entry["resource"]["name"] == [{"family": "Élan"}]
    assert entry["search"] == {"mode": "match"}


async def test_a_searchset_without_matches_has_no_empty_entry(server: SmallServer) -> None:
    bundle = await server.search("Patient?name=nobody")
    assert bundle["total"] == 0
    assert "entry" not in bundle


async def test_the_self_link_says_what_was_used_and_an_entry_what_was_not(server: SmallServer) -> None:
    await server.put(patient("a", gender="male"))
    bundle = await server.search("Patient?gender=male&foo=1&birthdate=bad&_count=5000", strict=False)
    assert link(bundle, "self") == f"{BASE}/Patient?gender=male&_count=1000"
    (entry,) = entries(bundle, "outcome")
    said = [issue["expression"] for issue in entry["resource"]["issue"]]
    assert said == [["http.foo"], ["http.birthdate"]]
    assert bundle["total"] == 1


@pytest.mark.parametrize("value", ["a+b", "a&b=c", "50% #1", "é|,$ ü", 'x"y\\\\z'])
async def test_links_bring_every_value_back_as_it_was(server: SmallServer, value: str) -> None:
    from urllib.parse import quote

    bundle = await server.search(f"Patient?name={quote(value, safe='')}")
    url = link(bundle, "self")
    assert url is not None and url.isascii() and " " not in url
    assert parse_qsl(urlsplit(url).query) == [("name", value)]


async def test_pages_hold_everything_once_and_lead_back(server: SmallServer) -> None:
    await server.put(*(patient(f"p{n:02d}", birthDate=f"19{n % 7:02d}-01-01") for n in range(23)))
    found = await pages(server, "Patient?_count=5&_sort=birthdate,-_id")
    assert [len(page) for page in found] == [5, 5, 5, 5, 3]
    assert sorted(id for page in found for id in page) == [f"p{n:02d}" for n in range(23)]
    bundle = await server.search("Patient?_count=5&_sort=birthdate,-_id")
    assert link(bundle, "previous") is None and link(bundle, "first") == link(bundle, "self")
    while url := link(bundle, "next"):
        bundle = await server.search(url)
        assert link(bundle, "self") == url
    back = [ids(bundle)]
    while url := link(bundle, "previous"):
        bundle = await server.search(url)
        back.append(ids(bundle))
    assert back == found[::-1]
    first = link(bundle, "first")
    assert first is not None and ids(await server.search(first)) == found[0]


async def test_a_page_neither_repeats_nor_leaves_out_while_others_write(server: SmallServer) -> None:
    await server.put(*(patient(f"p{n}") for n in range(9)))
    first = await server.search("Patient?_count=4&_sort=_id")
    await server.put(patient("p00"), patient("p9"), patient("a"))
    url = link(first, "next")
    assert url is not None
    second = await server.search(url)
    assert ids(first) == ["p0", "p1", "p2", "p3"]
    assert ids(second) == ["p4", "p5", "p6", "p7"]


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("gender=male", "gender=female"),
        lambda url: url.replace("_sort=_id", "_sort=-_id"),
        lambda url: url.replace("Patient?", "Person?"),
        lambda url: url[:-4] + "AAAA",
        lambda url: url + "&birthdate=2000",
    ],
)
async def test_a_cursor_of_another_query_is_refused(server: SmallServer, change: Any) -> None:
    await server.put(*(patient(f"p{n}", gender="male") for n in range(3)))
    url = link(await server.search("Patient?gender=male&_sort=_id&_count=1"), "next")
    assert url is not None
    with pytest.raises(InvalidParameter):
        await server.search(change(url))


async def test_a_page_may_go_on_with_another_size(server: SmallServer) -> None:
    await server.put(*(patient(f"p{n}") for n in range(5)))
    url = link(await server.search("Patient?_sort=_id&_count=1"), "next")
    assert url is not None
    assert ids(await server.search(url.replace("_count=1", "_count=10"))) == ["p1", "p2", "p3", "p4"]


async def test_missing_values_come_last_in_either_order(server: SmallServer) -> None:
    await server.put(
        patient("old", birthDate="1950"),
        patient("young", birthDate="2010"),
        patient("unknown"),
        patient("x", birthDate="1980"),
    )
    assert await server.ids("Patient?_sort=birthdate") == ["old", "x", "young", "unknown"]
    assert await server.ids("Patient?_sort=-birthdate") == ["young", "x", "old", "unknown"]
    assert await pages(server, "Patient?_sort=-birthdate&_count=1") == [["young"], ["x"], ["old"], ["unknown"]]


async def test_several_keys_are_applied_in_turn(server: SmallServer) -> None:
    await server.put(
        patient("b", gender="male", name=[{"family": "Zed"}]),
        patient("a", gender="male", name=[{"family": "Âge"}]),
        patient("c", gender="female", name=[{"family": "Mid"}]),
    )
    assert await server.ids("Patient?_sort=gender,family") == ["c", "a", "b"]
    assert await server.ids("Patient?_sort=-gender,-family") == ["b", "a", "c"]
    assert await server.ids("Patient?_sort=family&_sort=gender") == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("asked", "limit", "total"),
    [
        ("Patient?_count=2", 100, 7),
        ("Patient?_count=2", 7, 7),
        ("Patient?_count=2", 6, None),
        # Few candidates are all looked at, which tells their number.
        ("Patient?_id=p0,p1,p2&_count=2", 1, 3),
        ("Patient?_count=2", 0, None),
        ("Patient?_count=10", 0, 7),
        ("Patient?_count=2&_total=none", 100, None),
        ("Patient?_count=2&_total=accurate", 0, 7),
        ("Patient?_count=2&_total=estimate", 0, 7),
        ("Patient?_summary=count", 0, 7),
        ("Patient?_count=0", 0, 7),
    ],
)
async def test_the_total_is_exact_or_not_there(server: SmallServer, asked: str, limit: int, total: int | None) -> None:
    await server.put(*(patient(f"p{n}") for n in range(7)))
    server.settings = Settings(exact_total_limit=limit)
    assert (await server.search(asked)).get("total") == total


@pytest.mark.parametrize("asked", ["Patient?_count=0", "Patient?_summary=count", "Patient?_summary=count&_count=5"])
async def test_only_the_total_is_answered_without_entries_and_pages(server: SmallServer, asked: str) -> None:
    await server.put(patient("a"))
    bundle = await server.search(asked)
    assert "entry" not in bundle
    assert [one["relation"] for one in bundle["link"]] == ["self"]


WEB: list[dict[str, Any]] = [
    patient("a", managingOrganization={"reference": "Organization/o"}, link=[{"other": {"reference": "Patient/b"}, "type": "seealso"}]),
    patient("b", generalPractitioner=[{"reference": "Practitioner/d"}], link=[{"other": {"reference": "Patient/a"}, "type": "seealso"}]),
    {"resourceType": "Organization", "id": "o", "partOf": {"reference": "Organization/top"}},
    {"resourceType": "Organization", "id": "top"},
    {"resourceType": "Practitioner", "id": "d"},
    observation("o1", "a", performer=[{"reference": "Practitioner/d"}], hasMember=[{"reference": "Observation/o2"}]),
    observation("o2", "a", hasMember=[{"reference": "Observation/o3"}, {"reference": "Observation/gone"}]),
    observation("o3", "b", focus=[{"reference": "http://elsewhere.org/Patient/x"}]),
    {"resourceType": "Provenance", "id": "v1", "target": [{"reference": "Observation/o1"}, {"reference": "Observation/o2"}], "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": {"reference": "Practitioner/d"}}]},
    {"resourceType": "Provenance", "id": "v2", "target": [{"reference": "Provenance/v1"}], "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]},
    {"resourceType": "Questionnaire", "id": "q1", "url": "http://x.org/q", "version": "1", "status": "active"},
    {"resourceType": "Questionnaire", "id": "q2", "url": "http://x.org/q", "version": "2", "status": "active"},
    {"resourceType": "QuestionnaireResponse", "id": "r1", "questionnaire": "http://x.org/q|2", "status": "completed"},
    {"resourceType": "QuestionnaireResponse", "id": "r2", "questionnaire": "http://x.org/q", "status": "completed"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "matches", "beside"),
    [
        ("Observation?_id=o1&_include=Observation:subject", "o1", "a"),
        ("Observation?_id=o1&_include=Observation:subject:Patient", "o1", "a"),
        ("Observation?_id=o1&_include=Observation:subject:Group", "o1", ""),
        ("Observation?_id=o1&_include=Observation:subject&_include=Observation:performer", "o1", "a d"),
        ("Observation?_id=o1&_include=Observation:*", "o1", "a d o2"),
        ("Observation?_id=o1&_include=*", "o1", "a d o2"),
        ("Observation?_id=o1,o2&_include=Observation:has-member", "o1 o2", "o3"),
        ("Observation?_id=o1&_include=Observation:has-member", "o1", "o2"),
        ("Observation?_id=o1&_include:iterate=Observation:has-member", "o1", "o2 o3"),
        ("Observation?_id=o1&_include:recurse=Observation:has-member", "o1", "o2 o3"),
        ("Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization", "o1", "a o"),
        (
            "Observation?_id=o1&_include=Observation:patient&_include:iterate=Patient:organization"
            "&_include:iterate=Organization:partof",
            "o1",
            "a o top",
        ),
        ("Observation?_id=o1&_include=Patient:organization", "o1", ""),
        ("Observation?_id=o3&_include=Observation:focus", "o3", ""),
        ("Patient?_id=a&_include:iterate=Patient:link", "a", "b"),
        ("Patient?_id=a&_revinclude=Observation:patient", "a", "o1 o2"),
        ("Patient?_id=a&_revinclude=Observation:subject:Patient", "a", "o1 o2"),
        ("Patient?_id=a&_revinclude=Observation:subject:Group", "a", ""),
        ("Observation?_id=o1,o2&_revinclude=Provenance:target", "o1 o2", "v1"),
        ("Observation?_id=o1&_revinclude=Provenance:target", "o1", "v1"),
        ("Observation?_id=o1&_revinclude:iterate=Provenance:target", "o1", "v1 v2"),
        ("Patient?_id=a&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target", "a", "o1 o2 v1 v2"),
        ("Patient?_id=a&_revinclude=Observation:*", "a", "o1 o2"),
        ("Patient?_id=a&_revinclude=*", "a", "b o1 o2"),
        ("Patient?_id=a&_revinclude=Observation:patient&_include:iterate=Observation:performer", "a", "d o1 o2"),
        ("QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire", "r1", "q2"),
        ("QuestionnaireResponse?_id=r2&_include=QuestionnaireResponse:questionnaire", "r2", "q1 q2"),
        ("Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire", "q1", "r2"),
        ("Questionnaire?_id=q2&_revinclude=QuestionnaireResponse:questionnaire", "q2", "r1 r2"),
    ],
)
async def test_what_stands_beside_the_matches(server: SmallServer, asked: str, matches: str, beside: str) -> None:
    """https://hl7.org/fhir/R4/search.html#include"""
    await server.put(*WEB)
    bundle = await server.search(asked)
    assert " ".join(sorted(ids(bundle))) == matches
    assert " ".join(sorted(ids(bundle, "include"))) == beside
    assert bundle["total"] == len(ids(bundle))
    urls = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(urls) == len(set(urls))


async def test_a_versioned_reference_brings_its_version(server: SmallServer) -> None:
    """https://hl7.org/fhir/R4/search.html#versions"""
    await server.put(patient("a", gender="male"))
    await server.put(patient("a", gender="female"))
    await server.put({**observation("o"), "subject": {"reference": "Patient/a/_history/1"}})
    bundle = await server.search("Observation?_include=Observation:subject")
    (entry,) = entries(bundle, "include")
    assert entry["resource"]["meta"]["versionId"] == "1" and entry["resource"]["gender"] == "male"


async def test_many_versioned_references_bring_what_is_there_and_no_more_than_may_be(server: SmallServer) -> None:
    """https://hl7.org/fhir/R4/search.html#versions"""
    for gender in ("male", "female"):
        await server.put(*(patient(f"p{n}", gender=gender) for n in range(4)))
    named = [f"Patient/p{n}/_history/{v}" for n in range(4) for v in (1, 2, 9)]
    items = [{"item": {"reference": one}} for one in named]
    await server.put({"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": items})
    beside = entries(await server.search("List?_include=List:item"), "include")
    found = sorted((one["resource"]["id"], one["resource"]["meta"]["versionId"]) for one in beside)
    assert found == [(f"p{n}", v) for n in range(4) for v in ("1", "2")]
    server.settings = Settings(max_includes=3)
    bundle = await server.search("List?_include=List:item")
    assert len(ids(bundle, "include")) == 3
    assert entries(bundle, "outcome")[0]["resource"]["issue"][0]["code"] == "too-costly"


async def test_too_many_includes_are_cut_and_that_is_said(server: SmallServer) -> None:
    server.settings = Settings(max_includes=3)
    await server.put(patient("a"), *(observation(f"o{n}") for n in range(5)))
    bundle = await server.search("Patient?_revinclude=Observation:patient")
    assert len(ids(bundle, "include")) == 3
    (entry,) = entries(bundle, "outcome")
    assert entry["resource"]["issue"][0]["code"] == "too-costly"


async def test_each_page_has_its_own_includes(server: SmallServer) -> None:
    await server.put(patient("a"), *(observation(f"o{n}") for n in range(3)))
    bundle = await server.search("Observation?_count=2&_sort=_id&_include=Observation:patient")
    url = link(bundle, "next")
    assert url is not None
    assert ids(bundle, "include") == ids(await server.search(url), "include") == ["a"]


async def test_a_summary_and_elements_leave_part_of_each_resource_marked(server: SmallServer) -> None:
    await server.put(
        patient("a", gender="male", birthDate="2000-01-01", photo=[{"title": "x"}]),
        observation("o", note=[{"text": "long"}], device={"reference": "Device/1"}),
    )
    bundle = await server.search("Observation?_elements=status&_include=Observation:patient")
    match, beside = bundle["entry"]
    assert "note" not in match["resource"] and "device" not in match["resource"]
    assert match["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert beside["resource"]["photo"] == [{"title": "x"}]
    bundle = await server.search("Observation?_summary=true&_include=Observation:patient")
    match, beside = bundle["entry"]
    assert "note" not in match["resource"] and "photo" not in beside["resource"]
    assert "note" in (await server.search("Observation?_summary=false"))["entry"][0]["resource"]


async def test_a_compartment_holds_what_is_about_its_owner(server: SmallServer) -> None:
    """https://hl7.org/fhir/R4/http.html#vsearch"""
    await server.put(
        patient("a"),
        patient("b"),
        observation("o1"),
        observation("o2", "b"),
        {"resourceType": "Organization", "id": "o"},
    )
    mine = ("Patient", "a")
    bundle = await server.search("?status=final", types=("Observation",), compartment=mine)
    assert ids(bundle) == ["o1"]
    assert link(bundle, "self") == f"{BASE}/Patient/a/Observation?status=final"
    bundle = await server.search(
        "?_lastUpdated=gt2000", types=("Observation", "Patient", "Organization"), compartment=mine
    )
    assert sorted(ids(bundle)) == ["a", "o1"]
    assert link(bundle, "self") == f"{BASE}/Patient/a/*?_lastUpdated=gt2000"


async def test_a_system_search_goes_over_every_type_or_those_named(server: SmallServer) -> None:
    await server.put(patient("a"), observation("a"), {"resourceType": "Organization", "id": "o"})
    assert sorted(ids(await server.search("?_id=a", types=()))) == ["a", "a"]
    bundle = await server.search("?_type=Patient,Organization", types=())
    assert sorted(ids(bundle)) == ["a", "o"]
    assert link(bundle, "self") == f"{BASE}?_type=Patient,Organization"
    assert await pages(server, "?_sort=_id&_count=2&_lastUpdated=gt2000") == [["a", "a"], ["o"]]


async def test_an_explanation_says_each_parameter_in_words_and_the_engines_plan(server: SmallServer) -> None:
    await server.put(patient("a"))
    query = await server.query(
        "Observation?patient.name=x&value-quantity=gt5&code:not=a&foo=1&_sort=-date", strict=False
    )
    told = explain(query, await server.engine.store.explain(query.scope, query.sort))
    assert told["resourceType"] == "Parameters"
    by_name = [part["name"] for part in told["parameter"]]
    assert by_name.count("criterion") == 3 and by_name.count("ignored") == 1 and "plan" in by_name
    words = repr(told)
    assert "patient refers to a Patient with (name starts with" in words
    assert "date descending" in words
    assert "foo" in words
