"""Who is let in to which desk of the referencing, and what leads there. CSP R1111-38, R1111-39."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.closed import ROOT, Space, serving
from tests.site.accessible import document
from tests.site.desks import STAFF, at_desk, staffed
from tests.smart.browser import Browser, a_person

NEW = "/referencement/nouveau"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await staffed(found)
        yield found


PAGES = ["/referencement", NEW, "/signalements"]


#: Who → status of each of `PAGES`.
SEEN = {
    "camille": [200, 200, 403],
    "sacha": [200, 403, 403],
    "claude": [200, 403, 403],
    "alix": [200, 403, 200],
    "nathalie": [403, 403, 403],
    "docteur": [403, 403, 403],
    "nobody": [303, 303, 303],
}


@pytest.mark.parametrize("login", SEEN)
async def test_each_page_is_for_those_it_is_for(space: Space, login: str) -> None:
    await a_person(space, "nathalie")
    await a_person(space, "docteur", "Practitioner/d1")
    browser = Browser(space) if login == "nobody" else await at_desk(space, login)
    assert [(await browser.http.get(address)).status_code for address in PAGES] == SEEN[login]


#: Who → where their space leads, and the head of each of their pages.
PLACES = {
    "camille": ["/referencement", "/catalogue"],
    "alix": ["/referencement", "/signalements", "/urgences", "/identites", "/pilotage", "/catalogue"],
    "nathalie": [
        "/mon-dossier",
        "/mon-profil",
        "/carnet",
        "/mes-messages",
        "/mon-agenda",
        "/mes-notifications",
        "/mes-applications",
        "/mes-acces",
        "/mes-proches",
        "/mon-compte",
        "/mes-donnees",
        "/mes-rectifications",
        "/catalogue",
    ],
    "docteur": ["/patients", "/messages", "/agenda", "/mes-notifications", "/outils", "/catalogue"],
}


@pytest.mark.parametrize("login", PLACES)
async def test_one_s_space_leads_where_one_may_go(space: Space, login: str) -> None:
    await a_person(space, "nathalie")
    await a_person(space, "docteur", "Practitioner/d1")
    browser = await at_desk(space, login)
    page = document(await browser.http.get("/mon-espace"))
    tiles = [one.removeprefix(ROOT) for one in page.xpath("//main/nav//a/@href")]
    assert tiles == [*PLACES[login], "/auth/me"]
    for path in tiles:
        page = document(await browser._followed(await browser.http.get(path)))
        head = [one.removeprefix(ROOT) for one in page.xpath("//header/nav[1]//a/@href")]
        assert head == ["/mon-espace", *tiles]


async def test_signing_in_leads_back_to_the_desk(space: Space) -> None:
    browser = Browser(space)
    page = await browser.http.get("/referencement")
    assert page.headers["location"] == "/auth/sign-in?then=%2Freferencement"
    back = await browser.sign_in(await browser._followed(page), "sacha")
    assert str(back.url).endswith("/referencement")
    assert set(STAFF) > {"sacha"}
