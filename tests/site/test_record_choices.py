"""Whom a patient blocks and authorises, what emergencies open, and measures: CSP R1111-43, R1111-47 to R1111-49."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.space.record.pages.chart import HEIGHT, WIDTH, Point, drawn
from tests.server.closed import Space, serving
from tests.site.accessible import document, errors, said
from tests.site.catalogue import a_patient
from tests.site.records import a_document, a_record, send, signed_in
from tests.smart.browser import Browser

HERE = "/mon-dossier/p1"
PEOPLE, URGENT = f"{HERE}/professionnels", f"{HERE}/urgence"
RPPS = "10001234560"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        doctor = {"resourceType": "Practitioner", "id": "d2", "name": [{"family": "AUTRE", "given": ["Luc"]}]}
        number = {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{RPPS}"}
        await found.put({**doctor, "identifier": [number]})
        yield found


def listed(page: Any, section: str) -> list[str]:
    return [" ".join(one.text_content().split()) for one in page.xpath(f"//section[h2/@id='{section}']//li/span")]


async def test_a_professional_is_blocked_by_their_number_and_unblocked(space: Space) -> None:
    browser = await signed_in(space)
    page = document(await send(browser, PEOPLE, PEOPLE, act="block", rpps=RPPS))
    assert listed(page, "blocked")[0].startswith("Luc AUTRE, depuis le ") and "bloqué" in said(page)
    page = document(await send(browser, PEOPLE, PEOPLE, act="unblock", practitioner="Practitioner/d2"))
    assert listed(page, "blocked") == []


async def test_a_professional_is_authorised_until_a_day_and_blocking_ends_it(space: Space) -> None:
    browser = await signed_in(space)
    fields = {"rpps": f"8 {RPPS}", "until": "3 mars 2030"}
    page = document(await send(browser, PEOPLE, PEOPLE, act="authorise", **fields))
    assert listed(page, "authorised")[0].endswith("jusqu’au 3 mars 2030")
    page = document(await send(browser, PEOPLE, PEOPLE, act="block", practitioner="Practitioner/d2"))
    assert listed(page, "authorised") == [] and len(listed(page, "blocked")) == 1
    refused = document(await send(browser, PEOPLE, PEOPLE, act="authorise", practitioner="Practitioner/d2"), 422)
    assert "Rien n’a été changé" in said(refused)


async def test_who_cares_and_who_filed_documents_can_be_blocked_from_the_page(space: Space) -> None:
    await a_document(space)
    member = {"member": {"reference": "Practitioner/d2"}}
    team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}}
    await space.put({**team, "participant": [member]})
    browser = await signed_in(space)
    page = document(await browser.http.get(PEOPLE))
    assert (listed(page, "team"), listed(page, "others")) == (["Luc AUTRE"], ["Zoé EXEMPLE"])
    page = document(await send(browser, PEOPLE, PEOPLE, act="block", practitioner="Practitioner/d2"))
    assert listed(page, "team") == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"rpps": ""}, "rpps"),
        ({"rpps": "123"}, "rpps"),
        ({"rpps": "99999999999"}, "rpps"),
        ({"rpps": RPPS, "until": "31/02/2030"}, "until"),
        ({"rpps": RPPS, "until": "2020-01-01"}, "until"),
    ],
)
async def test_what_is_wrong_with_a_number_or_a_day_is_said_there(
    space: Space, fields: dict[str, str], field: str
) -> None:
    browser = await signed_in(space)
    page = document(await send(browser, PEOPLE, PEOPLE, act="authorise", **fields), 400)
    assert errors(page).keys() == {field}
    assert listed(page, "authorised") == []


async def test_a_caregiver_is_told_that_such_choices_are_not_theirs(space: Space) -> None:
    carer = {"resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/p1"}}
    await space.put(carer)
    browser = await signed_in(space, "aidante", "RelatedPerson/r1", wards=("p1",))
    for path in (PEOPLE, URGENT):
        page = document(await browser.http.get(path))
        assert "Seul le titulaire" in said(page) and not page.xpath("//main//form")
    refused = document(await send(browser, PEOPLE, act="block", practitioner="Practitioner/d2"), 403)
    assert "Rien n’a été changé" in said(refused)
    document(await send(browser, URGENT, box=["default"]), 403)


#: What is ticked → what is kept.
BOXES = [[], ["regulation"], ["btg", "masked"], ["default"], ["regulation", "btg", "masked", "default"]]


@pytest.mark.parametrize("ticked", BOXES)
async def test_what_emergencies_open_is_what_was_ticked(space: Space, ticked: list[str]) -> None:
    browser = await signed_in(space)
    page = document(await browser.http.get(URGENT))
    assert page.xpath("//input[@checked]/@value") == ["regulation", "btg"]
    page = document(await send(browser, URGENT, URGENT, box=ticked))
    assert page.xpath("//input[@checked]/@value") == ticked and "enregistrés" in said(page)


async def test_nobody_chooses_for_another(space: Space) -> None:
    await a_patient(space, "p2")
    browser = await signed_in(space, "other", "Patient/p2")
    document(await send(browser, PEOPLE, act="block", practitioner="Practitioner/d2"), 404)
    document(await send(browser, URGENT, box=["default"]), 404)
    for path in (PEOPLE, URGENT, f"{HERE}/mesures", "/mes-acces/p1"):
        document(await browser.http.get(path), 404)
    doctor = await signed_in(space, "docteur", "Practitioner/d1")
    assert (await doctor.http.get(PEOPLE)).status_code == 403
    assert (await Browser(space).http.post(PEOPLE)).status_code == 403


async def measure(space: Space, id: str, code: str, at: str, **more: Any) -> None:
    observation = {"resourceType": "Observation", "id": id, "status": "final", "subject": {"reference": "Patient/p1"}}
    coding = {"system": "http://loinc.org", "code": code}
    await space.put({**observation, "code": {"coding": [coding]}, "effectiveDateTime": at, **more})


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org"}}


async def test_measures_are_a_chart_with_the_same_values_in_a_table(space: Space) -> None:
    parts = [
        {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **quantity(value, "mmHg")}
        for code, value in (("8480-6", 127), ("8462-4", 79))
    ]
    await measure(space, "o1", "85354-9", "2026-03-03T09:00:00+01:00", component=parts)
    await measure(space, "o2", "85354-9", "2026-03-04", component=parts[:1])
    await measure(space, "o3", "29463-7", "2026-03-03", **quantity(63.7, "kg"))
    await measure(space, "o4", "29463-7", "2026-03-04", **quantity(140.4, "lb"))
    await measure(space, "o5", "29463-7", "2026-03-05", status="entered-in-error", **quantity(999, "kg"))
    browser = await signed_in(space)
    page = document(await browser.http.get(f"{HERE}/mesures", params={"periode": "tout"}))
    rows = [[" ".join(cell.text_content().split()) for cell in row] for row in page.xpath("//tbody/tr")]
    assert rows == [["4 mars 2026", "127 mmHg", "–"], ["3 mars 2026 à 09:00", "127 mmHg", "79 mmHg"]]
    assert len(page.xpath("//circle")) == 2 and len(page.xpath("//rect")) == 1
    page = document(await browser.http.get(f"{HERE}/mesures", params={"periode": "tout", "mesure": "29463-7"}))
    # What is in another unit than the newest is in the table, and on no line with others.
    assert len(page.xpath("//tbody/tr")) == 2 and len(page.xpath("//circle")) == 1
    assert "63,7 kg" in said(page) and "999" not in said(page)


@pytest.mark.parametrize("query", [{}, {"mesure": "nothing"}, {"periode": "nothing"}, {"mesure": "<b>"}])
async def test_a_record_without_measures_says_so(space: Space, query: dict[str, str]) -> None:
    browser = await signed_in(space)
    assert "Aucune mesure" in said(document(await browser.http.get(f"{HERE}/mesures", params=query)))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(-1e9, 1e9)), min_size=1, max_size=20))
def test_every_value_is_drawn_inside_between_round_ticks(values: list[tuple[int, float]]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = drawn([[Point(start + timedelta(minutes=at), value) for at, value in sorted(values)]])
    assert found is not None
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found.lines[0])
    assert 2 <= len(found.up) <= 9
    assert all(before > after for (before, _), (after, _) in pairwise(found.up))
