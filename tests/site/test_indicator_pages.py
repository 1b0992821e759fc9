"""The pages of indicators: whom they are for, what they tell, and the same as a file. RGAA 4.1, RFC 4180."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from fhir_server.space.indicators.definitions import BY_CODE, INDICATORS
from fhir_server.space.indicators.recounting import Indicators
from fhir_server.space.indicators.tables import months_before
from fhir_server.space.paris import PARIS
from tests.server.closed import ROOT, Space, serving
from tests.server.people import kept
from tests.site.accessible import document, said
from tests.site.desks import at_desk, staffed
from tests.smart.browser import Browser
from tests.space.indicators.test_counting import filed, person

CODES = [one.code for one in INDICATORS]
PUBLIC = [one.code for one in INDICATORS if one.public]


def last_month() -> str:
    return months_before(datetime.now(UTC).astimezone(PARIS).date())[-1]


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await staffed(found)
        yield found


async def filled(space: Space) -> None:
    """Documents of a hospital, few of a pharmacy, of forty people."""
    day = f"{last_month()}-10T10:00:00+01:00"
    await kept(space.house, *(person(f"p{n}") for n in range(40)))
    many = (filed(f"h{n}", f"p{n}", "SA01", "11490-0", day) for n in range(30))
    few = (filed(f"f{n}", f"p{n}", "SA33", "57833-6", day) for n in range(3))
    more = (filed(f"c{n}", f"p{n}", "SA07", "57833-6", day) for n in range(14))
    await kept(space.house, *many, *few, *more)
    await Indicators(space.house.services).recount(datetime.now(UTC))


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("full", [False, True])
async def test_every_page_is_accessible_with_and_without_anything_to_tell(
    space: Space, full: bool, language: str
) -> None:
    if full:
        await filled(space)
    http = Browser(space).http
    page = document(await http.get(f"/indicateurs?lang={language}"))
    for code in PUBLIC:
        assert page.xpath(f"//a[@href='{ROOT}/indicateurs/{code}']"), code
        found = document(await http.get(f"/indicateurs/{code}?lang={language}"))
        title = BY_CODE[code].title[0 if language == "fr" else 1]
        assert found.findtext(".//h1") == title
        for picture in found.findall(".//svg"):
            # WCAG 1.1.1: a picture has its words, and the table beside it says the same.
            assert picture.find("title").text == title and picture.find("desc").text
            assert found.find(".//table") is not None


async def test_what_hospitals_sent_last_month_for_each_inhabitant_is_on_the_first_page(space: Space) -> None:
    await filled(space)
    http = Browser(space).http
    page = document(await http.get("/indicateurs?lang=fr"))
    [row] = [one for one in page.findall(".//tr") if one.findtext("th") == "Établissements de santé"]
    assert [cell.text_content() for cell in row.findall("td")][:2] == ["30", "0,75"]
    home = document(await http.get("/?lang=fr"))
    assert home.xpath(f"//main//a[@href='{ROOT}/indicateurs']")


async def test_few_are_not_disclosed_on_pages_or_in_files(space: Space) -> None:
    await filled(space)
    http = Browser(space).http
    page = document(await http.get("/indicateurs/documents?lang=fr"))
    cells = [cell.text_content() for cell in page.xpath("//td")]
    assert "n. d." in cells and "3" not in cells
    assert "n. d." in said(page)
    lines = list(csv.DictReader(io.StringIO((await http.get("/indicateurs/documents/series.csv")).text)))
    few = [one for one in lines if one["column"] == "pharmacy" and one["row"] == last_month()]
    assert [(one["value"], one["hidden"]) for one in few] == [("", "true")]
    many = [one for one in lines if one["column"] == "hospital" and one["row"] == last_month()]
    assert [(one["value"], one["column_name"]) for one in many] == [("30", "Établissements de santé")]


async def test_how_few_records_were_not_fed_is_not_told_by_the_share_of_the_others(space: Space) -> None:
    await filled(space)
    share = "Dossiers alimentés par un professionnel"
    words = {}
    for people in (40, 60):
        await kept(space.house, *(person(f"p{n}") for n in range(people)))
        await Indicators(space.house.services).recount(datetime.now(UTC))
        page = document(await Browser(space).http.get("/indicateurs?lang=fr"))
        [line] = [one for one in page.xpath("//dl/div") if one.findtext("dt") == share]
        words[people] = line.find("dd").text_content()
    # Thirty were fed: of forty there are ten others.
    assert words == {40: "n. d.", 60: "50,0 %"}


async def test_a_file_has_every_cell_of_the_table(space: Space) -> None:
    await filled(space)
    answer = await Browser(space).http.get("/indicateurs/document-types/series.csv?lang=fr")
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert 'filename="document-types.csv"' in answer.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    # Of 47 documents 44 are told, three of pharmacies are not: these 44, divided as the 47 are.
    assert [(one["row"], one["value"]) for one in lines] == [("11490-0", "28"), ("57833-6", "16")]


@pytest.mark.parametrize("code", CODES)
async def test_what_is_for_staff_is_shown_to_nobody_else(space: Space, code: str) -> None:
    nobody, alix, camille = Browser(space), await at_desk(space, "alix"), await at_desk(space, "camille")
    public = 200 if code in PUBLIC else 404
    for way in ("", "/series.csv"):
        assert (await nobody.http.get(f"/indicateurs/{code}{way}")).status_code == public
        assert (await nobody.http.get(f"/pilotage/{code}{way}")).status_code == 303
        assert (await camille.http.get(f"/pilotage/{code}{way}")).status_code == 403
        assert (await alix.http.get(f"/pilotage/{code}{way}")).status_code == 200
    page = document(await alix.http.get("/pilotage?lang=fr"))
    assert page.xpath(f"//a[@href='{ROOT}/pilotage/{code}']")


@pytest.mark.parametrize("path", ["/indicateurs/nothing", "/indicateurs/nothing/series.csv"])
async def test_what_there_is_not_is_not_found(space: Space, path: str) -> None:
    document(await Browser(space).http.get(path), 404)
