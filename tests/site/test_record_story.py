"""A document's whole story in a real browser and over FHIR: filed, found, masked, refused, opened in an emergency, told.

CSP R1111-43, R1111-47, R1111-48; PDSm ITI-67. The pages run with their scripts here; what they do without is in the
tests beside. WCAG 2.1 §1.4.10: each page is whole at 320 pixels, which is 1280 at 400 %.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Page, async_playwright, expect

from fhir_server.access.grant import Grant
from tests.server.closed import Space, serving
from tests.server.people import PASSWORD
from tests.site.records import PDF, a_document, a_record
from tests.site.test_browser import CHROMIUM
from tests.site.test_practice_pages import INS, patient
from tests.smart.browser import a_person
from tests.space.record.callers import ALL, OWN, Caller, grant

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

REASON = "Perte de connaissance, personne ne répond"


class Visitors:
    """People with a browser each, in front of one server."""

    def __init__(self, chromium: Any, root: str) -> None:
        self._chromium = chromium
        self.root = root
        self.problems: list[str] = []

    async def enter(self, login: str, width: int = 1280, script: bool = True) -> Page:
        """Somebody signed in, on the page of their account; `script` is whether their browser runs any."""
        size = {"width": width, "height": 800}
        context = await self._chromium.new_context(viewport=size, locale="fr-FR", java_script_enabled=script)
        # A machine that runs much else is slow, not wrong.
        context.set_default_timeout(120_000)
        page: Page = await context.new_page()
        page.on("console", lambda said: self._complained(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        await page.goto(f"{self.root}/auth/sign-in")
        await page.get_by_label("Identifiant").fill(login)
        await page.get_by_label("Mot de passe").fill(PASSWORD)
        await page.locator("main button[type=submit]").first.click()
        await page.wait_for_url("**/mon-espace")
        return page

    def _complained(self, text: str) -> None:
        # Of a page that refuses something the status is a complaint too: it is what is tested.
        if "the server responded with a status of 4" not in text:
            self.problems.append(text)


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with serving(tmp_path, base_url=f"http://127.0.0.1:{port}/fhir") as found:
        await a_record(found)
        await patient(found, telecom=[{"system": "email", "value": "nathalie@example.test"}])
        for id, family in (("d1", "EXEMPLE"), ("d2", "SECOURS")):
            name = {"family": family, "given": ["Zoé" if id == "d1" else "Luc"]}
            await found.put({"resourceType": "Practitioner", "id": id, "name": [name]})
        team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}}
        await found.put({**team, "participant": [{"member": {"reference": "Practitioner/d1"}}]})
        await a_person(found)
        await a_person(found, "zoe", "Practitioner/d1")
        await a_person(found, "luc", "Practitioner/d2")
        server = uvicorn.Server(uvicorn.Config(found.house.asgi, port=port, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield found
        server.should_exit = True
        await task


@pytest_asyncio.fixture
async def visitors(space: Space) -> AsyncIterator[Visitors]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = Visitors(chromium, space.house.settings.base_url.removesuffix("/fhir"))
        yield opened
        await chromium.close()
        assert opened.problems == []


async def open_record(page: Page, root: str) -> None:
    await page.goto(f"{root}/patients")
    await page.get_by_label("Matricule INS", exact=True).fill(INS)
    await page.get_by_role("button", name="Ouvrir").first.click()
    await page.wait_for_url("**/patients/p1")


async def file(page: Page, title: str) -> None:
    await page.get_by_role("link", name="Déposer un document").click()
    await page.get_by_label("Fichier", exact=True).set_input_files(
        {"name": "a.pdf", "mimeType": "application/pdf", "buffer": PDF}
    )
    await page.get_by_label("Titre").fill(title)
    await page.get_by_label("Type de document").select_option(label="CR ou fiche de consultation ou de visite")
    await page.get_by_role("button", name="Déposer").click()
    await expect(page.get_by_role("status").first).to_have_text(re.compile("déposé"))


async def test_a_document_is_filed_found_masked_refused_and_an_emergency_is_told(
    space: Space, visitors: Visitors, tmp_path: Path
) -> None:
    root = visitors.root
    author = await visitors.enter("zoe")
    await open_record(author, root)
    for title in ("Consultation intime", "Consultation ordinaire"):
        await file(author, title)

    own = await visitors.enter("nathalie")
    await own.goto(f"{root}/mon-dossier")
    await own.get_by_role("link", name="Comptes rendus").click()
    await own.get_by_role("link", name="Consultation intime").click()
    masked = own.url
    await own.get_by_role("button", name="Masquer aux professionnels").click()
    await expect(own.get_by_role("status").first).to_have_text(re.compile("masqué aux professionnels"))

    other = await visitors.enter("luc")
    await open_record(other, root)
    await expect(other.get_by_text("Aucun document que vous puissiez voir")).to_be_visible()
    await other.goto(masked.replace("/mon-dossier/", "/patients/"))
    await expect(other.locator("main")).to_contain_text("Il n’y a rien à cette adresse")

    await open_record(other, root)
    await other.get_by_text("Accès en urgence").click()
    await other.get_by_label("Raison", exact=True).fill(REASON)
    await other.get_by_role("button", name="Ouvrir en urgence").click()
    await expect(other.get_by_text("Dossier ouvert en urgence")).to_be_visible()
    await expect(other.locator("article h3")).to_have_text(["Consultation ordinaire"])
    await author.goto(f"{root}/patients/p1")
    await expect(author.locator("article h3")).to_have_count(2)

    now = datetime.now(UTC)
    for job in space.house.services.jobs():
        if job.name in ("emergencies", "notices", "outbox"):
            await job.run(now)
    [letter] = [one.read_text() for one in (tmp_path / "outbox").iterdir()]
    assert "nathalie@example.test" in letter and "Consultation" not in letter and REASON not in letter

    await own.goto(f"{root}/mes-acces/p1")
    await expect(own.locator("main")).to_contain_text(REASON)
    await expect(own.locator("main")).to_contain_text("Luc SECOURS")

    both = {"Consultation intime", "Consultation ordinaire"}
    assert await over_fhir(space, grant("Patient/p1", OWN, patient="p1")) == both
    assert await over_fhir(space, grant("Practitioner/d1", ALL)) == both
    assert await over_fhir(space, grant("Practitioner/d2", ALL)) == set()


async def over_fhir(space: Space, granted: Grant) -> set[str]:
    """Titles of the documents that software finds for somebody."""
    answer = await Caller(space.house, granted)("GET", "DocumentReference?patient=p1")
    return {one["resource"]["content"][0]["attachment"]["title"] for one in answer.json.get("entry", ())}


async def test_a_file_is_dropped_on_the_form_and_what_is_wrong_is_said_without_a_new_page(visitors: Visitors) -> None:
    own = await visitors.enter("nathalie")
    await own.goto(f"{visitors.root}/mon-dossier/p1/ajouter")
    dropped = await own.evaluate_handle(
        """() => { const held = new DataTransfer();
        held.items.add(new File(["Bonjour"], "lettre.txt", {type: "text/plain"})); return held; }"""
    )
    await own.dispatch_event("[data-drop]", "drop", {"dataTransfer": dropped})
    await expect(own.get_by_text("Fichier choisi : lettre.txt")).to_be_visible()
    await own.get_by_label("Titre").fill("Ma lettre")
    await own.get_by_label("Type de document").select_option(label="Autre document")
    await own.get_by_label("Date du document").fill("hier")
    await own.get_by_role("button", name="Ajouter").click()
    await expect(own.get_by_text("Cette date n’existe pas").first).to_be_visible()
    assert await own.evaluate("document.activeElement.tagName") == "MAIN"
    file = {"name": "lettre.txt", "mimeType": "text/plain", "buffer": b"Bonjour"}
    await own.get_by_label("Fichier", exact=True).set_input_files(file)
    await own.get_by_label("Date du document").fill("3 mars 2026")
    await own.get_by_role("button", name="Ajouter").click()
    await own.wait_for_url("**/mon-dossier/p1?done=added")
    await own.get_by_role("link", name="Ma lettre").click()
    await expect(own.get_by_role("region", name="Contenu du document")).to_have_text("Bonjour")


PAGES = ["", "/ajouter", "/supprimer", "/mesures", "/professionnels", "/urgence", "/document/d1"]


async def test_the_pages_of_a_record_are_whole_on_a_narrow_screen(space: Space, visitors: Visitors) -> None:
    await a_document(space, title="Compte rendu de consultation anticoagulants-prothrombine")
    own = await visitors.enter("nathalie", width=320)
    for path in PAGES:
        await own.goto(f"{visitors.root}/mon-dossier/p1{path}")
        assert await own.evaluate("document.documentElement.scrollWidth") <= 320, path
    await space.house.services.service("notices").tell("p1", "document", "d", occasion="visible")
    for path in ("/mes-notifications", "/mes-notifications/preferences"):
        await own.goto(f"{visitors.root}{path}")
        assert await own.evaluate("document.documentElement.scrollWidth") <= 320, path
    doctor = await visitors.enter("zoe", width=320)
    await open_record(doctor, visitors.root)
    for path in ("", "/deposer", "/document/d1"):
        await doctor.goto(f"{visitors.root}/patients/p1{path}")
        assert await doctor.evaluate("document.documentElement.scrollWidth") <= 320, path


async def test_a_form_is_filled_in_with_the_keyboard_alone(visitors: Visitors) -> None:
    doctor = await visitors.enter("zoe")
    await doctor.goto(f"{visitors.root}/patients")
    await doctor.keyboard.press("Tab")
    await doctor.keyboard.press("Enter")
    assert await doctor.evaluate("document.activeElement.id") == "content"
    for _ in range(2):
        await doctor.keyboard.press("Tab")
    assert await doctor.evaluate("document.activeElement.id") == "ins"
    outline = await doctor.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await doctor.keyboard.type(INS)
    await doctor.keyboard.press("Enter")
    await doctor.wait_for_url("**/patients/p1")
