"""The whole road of an app, in Chromium, by the keyboard alone: filed, verified, given an opinion, signed, on line.

CSP R1111-38, R1111-39; WCAG 2.1 §2.1.1 (keyboard), §2.4.7 (focus visible), §3.3.1 (errors), §1.4.10 (reflow). The
browser has no JavaScript: every page is whole without it. `FHIR_SCREENSHOTS` names a folder for pictures of each page.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FileChooser, Page, async_playwright

from fhir_server.app import House
from tests.server.people import PASSWORD, a_person, kept
from tests.server.process import Served, operated, serving
from tests.space.catalogue.filing import ANSWERS, APP, DPIA, MET, SUIVI, TODAY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
#: Tab stops looked through before a field counts as out of the keyboard's reach.
MOST_STOPS = 400
STAFF: dict[str, dict[str, Any]] = {
    "camille": {"duties": ("publisher",), "organization": "Organization/alize"},
    "sacha": {"duties": ("verifier",)},
    "claude": {"duties": ("commission",)},
    "alix": {"duties": ("administrator",)},
}


async def _people(house: House) -> None:
    people = [{"resourceType": "Person", "id": one, "name": [{"family": "DEMO", "given": [one]}]} for one in STAFF]
    patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": "DEMO", "given": ["Nathalie"]}]}
    await kept(house, {"resourceType": "Organization", "id": "alize", "name": "Éditeur Alizé Santé"}, patient, *people)
    await a_person(house, "nathalie", "Nathalie DEMO", "Patient/p1")
    for login, more in STAFF.items():
        await a_person(house, login, login.capitalize(), f"Person/{login}", **more)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    operated(tmp_path / "data", _people)
    with serving(tmp_path / "data") as found:
        yield found


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        await found.close()


class Keyboard:
    """Somebody who has a keyboard and no mouse."""

    def __init__(self, page: Page, served: Served, login: str) -> None:
        self.page = page
        self._root = served.root
        self._login = login
        self._shots = 0
        # Asked for from the start: a chooser that opens before it is listened for is lost.
        self._choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
        page.on("filechooser", self._choosers.put_nowait)

    async def to(self, selector: str) -> None:
        """Tab on until what is asked for has the focus, and it can be seen there."""
        for _ in range(MOST_STOPS):
            if await self.page.locator(f"{selector} >> nth=0").evaluate("one => one === document.activeElement"):
                outline = await self.page.locator(":focus").evaluate("one => getComputedStyle(one).outlineStyle")
                assert outline != "none", f"the focus cannot be seen on {selector}"
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    async def type(self, name: str, text: str) -> None:
        await self.to(f'[id="{name}"]')
        await self.page.keyboard.press("Control+A")
        await self.page.keyboard.insert_text(text)

    async def tick(self, name: str, value: str) -> None:
        """A box ticked, or the radio of this value reached with the arrows from the one that has the tab stop."""
        wanted = f'input[name="{name}"][value="{value}"]'
        if await self.page.locator(wanted).first.get_attribute("type") == "checkbox":
            await self.to(wanted)
            await self.page.keyboard.press("Space")
            return
        options = self.page.locator(f'input[name="{name}"]')
        checked = self.page.locator(f'input[name="{name}"]:checked')
        await self.to(f'input[name="{name}"]:checked' if await checked.count() else f'input[name="{name}"]')
        await self.page.keyboard.press("Space")
        for _ in range(await options.count()):
            if await self.page.locator(wanted).is_checked():
                return
            await self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"the arrows do not reach {value} of {name}")

    async def press(self, selector: str) -> None:
        """Enter on a link or button, and the page that follows."""
        await self.to(selector)
        async with self.page.expect_navigation():
            await self.page.keyboard.press("Enter")
        await self.shot()

    async def day(self, name: str, day: Any) -> None:
        """A day, in the order that this browser's own language has."""
        for order in ("%d%m%Y", "%m%d%Y"):
            await self.to(f'[id="{name}"]')
            await self.page.keyboard.type(day.strftime(order))
            if await self.page.locator(f'[id="{name}"]').input_value() == day.isoformat():
                return
            for _ in range(3):
                await self.page.keyboard.press("Shift+Tab")
        raise AssertionError(f"{name} takes no day")

    async def attach(self, name: str, file: Path) -> None:
        """A file, by the chooser that the keyboard opens."""
        await self.to(f'[id="{name}"]')
        await self.page.keyboard.press("Enter")
        await (await asyncio.wait_for(self._choosers.get(), 120)).set_files(file)
        chosen = f'document.getElementById("{name}").files.length === 1'
        async with asyncio.timeout(120):
            while not await self.page.evaluate(chosen):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.05)

    async def opens(self, path: str) -> None:
        await self.page.goto(f"{self._root}{path}")
        if "/auth/sign-in" in self.page.url:
            await self.type("login", self._login)
            await self.type("password", PASSWORD)
            await self.page.keyboard.press("Enter")
            await self.page.wait_for_url(f"{self._root}{path}")
        await self.shot()

    async def says(self, *words: str) -> None:
        said = await self.page.inner_text("main")
        for expected in words:
            assert expected in said, said

    async def shot(self) -> None:
        if folder := os.environ.get("FHIR_SCREENSHOTS"):
            self._shots += 1
            await self.page.screenshot(path=f"{folder}/{self._login}-{self._shots:02}.png", full_page=True)


async def at(chromium: Browser, served: Served, login: str, **more: Any) -> Keyboard:
    context = await chromium.new_context(locale="fr-FR", java_script_enabled=False, **more)
    # A machine that runs much else is slow, not wrong.
    context.set_default_timeout(120_000)
    return Keyboard(await context.new_page(), served, login)


async def test_an_app_is_filed_verified_signed_and_seen_by_the_keyboard_alone(
    server: Served, chromium: Browser, tmp_path: Path
) -> None:
    publisher = await at(chromium, server, "camille")
    await _filed(publisher, tmp_path)
    verifier = await at(chromium, server, "sacha")
    await _opened(verifier)
    for code in MET:
        await verifier.tick(f"criterion.{code}", "met")
    await verifier.press('button[value="verify"]')
    await verifier.says("Vérifié, avis attendu")
    commission = await at(chromium, server, "claude")
    await _opened(commission)
    await commission.tick("opinion", "reserved")
    await commission.type("reason", "Utile aux personnes hypertendues.")
    await commission.press('button[value="opine"]')
    await commission.says("Avis rendu, décision attendue", "Favorable avec réserves")
    administrator = await at(chromium, server, "alix")
    await _opened(administrator)
    await administrator.type("reason", "Conforme aux référentiels.")
    await administrator.press('button[value="accept"]')
    await administrator.day("start", TODAY)
    await administrator.day("end", TODAY + timedelta(days=1000))
    await administrator.press('button[value="sign"]')
    await administrator.says("Référencé", "En ligne")
    patient = await at(chromium, server, "nathalie")
    await patient.opens("/mon-espace")
    await patient.press('main a[href$="/catalogue"]')
    await patient.press('main a:text("Carnet Tension")')
    await patient.says("Suivre ma tension", "consulter, ajouter les mesures", "Un an", "Éditeur Alizé Santé")


async def _opened(person: Keyboard) -> None:
    """The desk, and the one file that waits there."""
    await person.opens("/referencement")
    await person.press('main a:text("Carnet Tension")')


async def _filed(publisher: Keyboard, folder: Path) -> None:
    (folder / "aipd.pdf").write_bytes(DPIA.data)
    await publisher.opens("/referencement")
    await publisher.press('main a[href$="/nouveau"]')
    await publisher.type("app.name", APP.name)
    # Sent too early: what is wrong is told, and nothing is lost.
    await publisher.page.keyboard.press("Enter")
    await publisher.page.wait_for_selector('[role="alert"]')
    await publisher.shot()
    assert await publisher.page.locator('[id="app.name"]').input_value() == APP.name
    await publisher.to('a[href="#app.version"]')
    await publisher.page.keyboard.press("Enter")
    assert await publisher.page.locator('[id="app.version"]').evaluate("one => one === document.activeElement")
    for name in ("version", "description", "client"):
        await publisher.type(f"app.{name}", getattr(APP, name))
    await publisher.tick("app.category", "mesures")
    await publisher.type("app.url", APP.url)
    await publisher.type("app.privacy_url", APP.privacy_url)
    await publisher.type("app.redirect_uris", "\n".join(APP.redirect_uris))
    at = "app.purpose[0]"
    await publisher.type(f"{at}.label", SUIVI.label)
    for action in SUIVI.actions:
        await publisher.tick(f"{at}.action", action)
    await publisher.to(f'details:has([name="{at}.category"]) > summary')
    await publisher.page.keyboard.press("Enter")
    await publisher.tick(f"{at}.category", "http://loinc.org|85354-9")
    await publisher.type(f"{at}.justification", SUIVI.justification)
    await publisher.type(f"{at}.retention", SUIVI.retention)
    await publisher.type(f"{at}.scope", SUIVI.scopes[0])
    for link, answer in ANSWERS.items():
        if answer in ("true", "false", "no", "care"):
            await publisher.tick(f"answers.{link}", answer)
        else:
            await publisher.type(f"answers.{link}", answer)
    await publisher.attach("dpia", folder / "aipd.pdf")
    await publisher.press("form[enctype] > p:last-child button")
    await publisher.says("Déposé, à vérifier", "aipd.pdf")


#: Pages looked at on a narrow screen: 320 is 1280 at 400 %.
NARROW = ["/referencement", "/referencement/nouveau"]


async def test_the_desks_are_whole_on_a_narrow_screen(server: Served, chromium: Browser) -> None:
    person = await at(chromium, server, "camille", viewport={"width": 320, "height": 800})
    for path in NARROW:
        await person.opens(path)
        width = await person.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, (path, width)
