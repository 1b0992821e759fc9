"""No page is wider than a phone: every page that somebody of the demonstration reaches, in Chromium, at 320 and 390 px.

WCAG 2.1 §1.4.10 (reflow), RGAA 4.1 criterion 10.11: nothing but tables and sources, in their own frame, scrolls sideways.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, async_playwright

from tests.demo.served import Demo

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
WIDTHS = (320, 390)
#: Pages alike, but for whom or what they are about, that are looked at.
ALIKE = 3
MOST = 40

#: Who comes ("" for nobody) → where they begin; every link of a page's main part is followed.
PEOPLE: dict[str, tuple[str, ...]] = {
    "": (
        *("/", "/docs", "/docs?type=Patient", "/catalogue", "/indicateurs", "/auth/sign-in"),
        *("/activer", "/fhir/metadata?_format=html", "/nowhere"),
    ),
    "patient": (
        "/mes-proches",
        "/majorite",
        "/mon-profil",
        "/mon-dossier",
        "/mes-messages",
        "/mon-agenda",
        "/auth/me",
        "/mes-applications",
        "/signalements",
    ),
    "parent": ("/carnet", "/mes-proches", "/mon-compte", "/mon-dossier", "/mes-messages", "/mes-applications"),
    "aidante": ("/mes-applications",),
    "medecin": ("/patients", "/messages", "/agenda", "/outils", "/auth/me"),
    "cardiologue": ("/outils",),
    "editeur": ("/referencement", "/referencement/nouveau"),
    "verification": ("/referencement", "/signalements"),
    "commission": ("/referencement",),
    "administration": ("/referencement", "/signalements", "/urgences", "/identites", "/pilotage"),
}
WIDE = """() => {
  const page = document.documentElement;
  const over = [...document.querySelectorAll('body *')]
    .filter(one => !one.closest('.wide') && one.getBoundingClientRect().right > page.clientWidth + 1)
    .map(one => one.tagName + '#' + one.id + '.' + one.className);
  return page.scrollWidth > page.clientWidth ? [page.scrollWidth, ...over.slice(0, 5)] : [];
}"""
OPENED = "for (const one of document.querySelectorAll('details')) one.open = true"


@asynccontextmanager
async def a_phone(demo: Demo, login: str) -> AsyncIterator[Page]:
    """A browser of a phone's width, with this person signed in."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = await chromium.new_context(locale="fr-FR", viewport={"width": WIDTHS[0], "height": 700})
        # A machine that runs much else is slow, not wrong.
        context.set_default_timeout(120_000)
        page = await context.new_page()
        if login:
            await page.goto(f"{demo.root}/auth/sign-in")
            await page.fill("input[name=login]", login)
            await page.fill("input[name=password]", demo.password)
            async with page.expect_navigation():
                await page.click("main form button[type=submit]")
        yield page
        await chromium.close()


async def too_wide(page: Page) -> list[str]:
    """What is wider than the page, at each width; everything that can be opened is."""
    await page.evaluate(OPENED)
    found = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 700})
        if over := await page.evaluate(WIDE):
            found.append(f"{page.url} at {width}: {over}")
    return found


def kind(path: str) -> str:
    """The address without whom or what it is about."""
    return re.sub(r"(?<=/)[A-Za-z0-9-]*\d[A-Za-z0-9.-]*|demo-[a-z]+", "…", path.split("&")[0])


async def links(page: Page, root: str) -> list[str]:
    """Where the main part leads, on this server."""
    found = await page.eval_on_selector_all("main a[href]", "all => all.map(one => one.href)")
    return [one.removeprefix(root) for one in found if one.startswith(root + "/") and "#" not in one]


def is_page(path: str) -> bool:
    # A provider's page is its own; a file, and what is for software, is no page.
    other = ("/auth/with/", "/health/", "/openapi.json")
    return not path.startswith(other) and not re.search(
        r"analyse-impact|/export\?|/archive$|/contenu|\.(ics|csv|json|pdf)\b|_format=(json|xml)|^/(mes-)?messages/[^/]+/[^/]+/\d+$",
        path,
    )


@pytest.mark.parametrize("login", PEOPLE)
async def test_no_page_that_they_reach_is_wider_than_a_phone(demo: Demo, login: str) -> None:
    wide: list[str] = []
    async with a_phone(demo, login) as page:
        pending, seen = list(PEOPLE[login]), set(PEOPLE[login])
        alike: dict[str, int] = {}
        looked = 0
        while pending and looked < MOST:
            path = pending.pop(0)
            alike[kind(path)] = alike.get(kind(path), 0) + 1
            if alike[kind(path)] > ALIKE:
                continue
            await page.goto(f"{demo.root}{path}")
            looked += 1
            wide += await too_wide(page)
            for one in await links(page, demo.root):
                if is_page(one) and one not in seen:
                    seen.add(one)
                    pending.append(one)
    assert wide == []
    assert looked


#: Who, the page, what is filled in: the pages that answer a form, with their errors and their results.
FORMS = [
    ("medecin", "/patients", {"ins": "151125145400108"}),
    ("medecin", "/patients", {"ins": "x"}),
    ("editeur", "/referencement/nouveau", {"app.name": "x" * 300, "app.redirect_uris": "https://" + "y" * 200}),
]


@pytest.mark.parametrize(("login", "path", "given"), FORMS)
async def test_no_answer_to_a_form_is_wider_than_a_phone(
    demo: Demo, login: str, path: str, given: dict[str, str]
) -> None:
    async with a_phone(demo, login) as page:
        await page.goto(f"{demo.root}{path}")
        for name, value in given.items():
            await page.fill(f'[name="{name}"]', value)
        async with page.expect_navigation():
            await page.locator(f'[name="{next(iter(given))}"]').press("Enter")
        assert urlsplit(page.url).path.startswith(path)
        assert await too_wide(page) == []
