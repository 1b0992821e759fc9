"""A story of messages in a real browser: reports come by mail and over FHIR, are told of, read, filed and answered, until the end.

CSP R1111-26 and following; MSSanté by SMTP; R4 Communication. WCAG 2.1 §2.1.1 (by the keyboard alone), §1.4.10 (whole on a
narrow screen). Invented people only.
"""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from lxml import html
from playwright.async_api import Page, async_playwright, expect

from fhir_server.space.messages.mail.doors import Doors, listening
from fhir_server.space.messages.mail.incoming import Incoming
from fhir_server.space.messages.mail.outgoing import Outgoing
from fhir_server.space.messages.mail.traces import Traces
from fhir_server.space.messages.model import communication
from tests.server.closed import Space, serving
from tests.server.people import a_care_team, kept
from tests.site.accessible import check
from tests.site.records import PDF, a_document
from tests.site.test_browser import CHROMIUM
from tests.site.test_record_story import Visitors, open_record
from tests.smart.browser import a_person
from tests.space.messages.mail.gateway import Caught, Gateway, a_doctor, a_patient
from tests.space.messages.mail.making import a_mail, with_file
from tests.space.record.callers import ALL, Caller, grant

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")

DOCTOR, PATIENT = "Practitioner/d1", "Patient/p1"
NARROW = 360


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with serving(tmp_path, base_url=f"http://127.0.0.1:{port}/fhir") as found:
        own = {"telecom": [{"system": "email", "value": "nathalie@example.test"}]}
        await kept(found.house, a_patient(**own), a_doctor(), a_care_team("p1", DOCTOR))
        await a_person(found)
        await a_person(found, "anne", DOCTOR)
        server = uvicorn.Server(uvicorn.Config(found.house.asgi, port=port, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield found
        server.should_exit = True
        await task


@pytest_asyncio.fixture
async def mail(space: Space) -> AsyncIterator[Gateway]:
    house = space.house
    doors = Doors(Incoming(house.services), house.settings, Traces(house.services).refused)
    [server] = await listening(doors, [("127.0.0.1", 0, False)])
    way = Caught()
    yield Gateway(house, server.sockets[0].getsockname()[1], 0, way, Outgoing(house.services, way))
    server.close()


@pytest_asyncio.fixture
async def visitors(space: Space) -> AsyncIterator[Visitors]:
    # A machine that runs much else is slow, not wrong.
    expect.set_options(timeout=60_000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = Visitors(chromium, space.house.settings.base_url.removesuffix("/fhir"))
        yield opened
        await chromium.close()
        assert opened.problems == []


async def whole(page: Page) -> None:
    """The page that is shown has all that a machine can ask of it, at any width."""
    check(html.document_fromstring(await page.content()))
    size = page.viewport_size
    assert size is not None
    await page.set_viewport_size({"width": NARROW, "height": 800})
    wide = await page.evaluate("document.documentElement.scrollWidth")
    await page.set_viewport_size(size)
    assert wide <= NARROW, page.url


async def tab_to(page: Page, selector: str) -> None:
    """The keyboard's focus on the element, as Tab goes, and to be seen."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            style = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style == "solid", selector
            return
    raise AssertionError(f"no Tab leads to {selector}")


async def told(space: Space) -> None:
    """What is due is told, whatever the hour."""
    now = datetime.now(UTC)
    for job in space.house.services.jobs():
        if job.name in ("messages", "notices", "outbox"):
            await job.run(now)


async def by_fhir(space: Space) -> dict[str, Any]:
    """A report that the doctor's own software sends, with a document of the record."""
    await a_document(space, "bilan", "Bilan sanguin de mars")
    parts: list[dict[str, Any]] = [
        {"contentString": "Voici aussi le bilan, et sa conclusion."},
        {"contentReference": {"reference": "DocumentReference/bilan", "display": "Bilan sanguin de mars"}},
        {"contentAttachment": {"contentType": "application/pdf", "title": "conclusion.pdf",
                               "data": b64encode(PDF).decode()}},
    ]  # fmt: skip
    tree = communication(PATIENT, DOCTOR, [PATIENT], "Votre bilan", parts)
    answer = await Caller(space.house, grant(DOCTOR, ALL))("POST", "Communication", tree)
    assert answer.status == 201, answer.json
    return dict(answer.json)


async def test_reports_by_mail_and_over_fhir_are_read_filed_and_answered_until_the_end(
    space: Space, mail: Gateway, visitors: Visitors, tmp_path: Path
) -> None:
    root = visitors.root
    # What leaves is found by what changed since.
    await mail.outgoing.once()
    assert (await mail.send(with_file(a_mail(), PDF, "compte-rendu.pdf"))).startswith("250 ")
    await by_fhir(space)
    await told(space)
    letters = [one.read_text() for one in (tmp_path / "outbox").iterdir()] if (tmp_path / "outbox").exists() else []
    assert not [one for one in letters if "résultat" in one or "bilan" in one.lower() or "DUPONT" in one]

    own = await visitors.enter("nathalie")
    await own.goto(f"{root}/mes-notifications")
    await expect(own.locator("article h2").first).to_have_text(re.compile("message"))
    await whole(own)
    await own.get_by_role("button", name="Ouvrir").first.click()
    await own.wait_for_url("**/mes-messages/p1")
    await expect(own.get_by_role("heading", name="2 messages non lus")).to_be_visible()
    await whole(own)

    # By the keyboard alone: opened, filed in the record, answered.
    await tab_to(own, "article a[href*='/mes-messages/p1/']")
    await own.keyboard.press("Enter")
    await expect(own.get_by_role("heading", level=1)).to_have_text("Votre bilan")
    await expect(own.get_by_role("link", name="Document du dossier : Bilan sanguin de mars")).to_be_visible()
    await whole(own)
    await tab_to(own, "select[name=type]")
    await own.keyboard.press("ArrowDown")
    await tab_to(own, "form[action*='/mes-messages/'] button")
    await own.keyboard.press("Enter")
    await expect(own.get_by_role("status").first).to_have_text("Le fichier est enregistré dans le dossier.")
    await tab_to(own, "textarea")
    await own.keyboard.type("Merci docteur, j’ai bien lu.")
    await tab_to(own, "button[value=send]")
    await own.keyboard.press("Enter")
    await expect(own.get_by_role("status").first).to_have_text("Le message est envoyé.")
    await own.goto(f"{root}/mon-dossier/p1")
    await expect(own.get_by_role("link", name="conclusion.pdf")).to_be_visible()

    # What came by mail: read, filed, and answered with a file; the answer leaves as a mail.
    await own.goto(f"{root}/mes-messages/p1")
    await own.get_by_role("link", name="Votre résultat").click()
    await expect(own.get_by_role("link", name="Télécharger compte-rendu.pdf")).to_be_visible()
    thread = own.url
    await own.get_by_label("Type de document").select_option(index=1)
    await own.get_by_role("button", name="Enregistrer dans le dossier").click()
    await expect(own.get_by_role("status").first).to_have_text("Le fichier est enregistré dans le dossier.")
    await own.get_by_label("Message", exact=True).fill("Voici mon ancienne ordonnance.")
    old = {"name": "ordonnance.pdf", "mimeType": "application/pdf", "buffer": PDF}
    await own.get_by_label("Fichiers joints").set_input_files(old)
    # Kept, with the file, by the script that shows its way; gone on with, and sent.
    await own.get_by_role("button", name="Garder en brouillon").click()
    await expect(own.get_by_role("status").first).to_have_text(re.compile("Le brouillon est gardé"))
    await expect(own.get_by_label("ordonnance.pdf")).to_be_checked()
    await whole(own)
    await own.get_by_role("button", name="Envoyer").click()
    await expect(own.get_by_role("status").first).to_have_text("Le message est envoyé.")
    await mail.outgoing.once()
    assert any(b"ordonnance.pdf" in raw for _, _, raw in mail.way.mails)

    doctor = await visitors.enter("anne", width=NARROW)
    await doctor.goto(f"{root}/messages")
    await expect(doctor.get_by_role("heading", name="2 messages non lus")).to_be_visible()
    await whole(doctor)
    await doctor.get_by_role("link", name="Votre résultat").click()
    await expect(doctor.locator("main")).to_contain_text("Voici mon ancienne ordonnance.")
    await whole(doctor)

    # The patient's form is open when the doctor ends the exchange.
    await own.goto(thread)
    await own.get_by_label("Message", exact=True).fill("Encore une question.")
    await doctor.get_by_text("Clore l’échange").click()
    await doctor.get_by_role("button", name="Terminer l’échange").click()
    await expect(doctor.get_by_role("status").first).to_have_text("L’échange est terminé.")
    await own.get_by_role("button", name="Envoyer").click()
    await expect(own.get_by_role("alert")).to_contain_text("L’échange a été clos par Anne DUPONT")
    await expect(own.get_by_label("Votre texte, qui n’est pas envoyé")).to_have_value("Encore une question.")
    await whole(own)
    for page, paths in (
        (own, ("/mes-messages/p1/ecrire", "/mes-messages/p1/brouillons", "/mes-notifications/preferences")),
        (doctor, ("/messages/brouillons",)),
    ):
        for path in paths:
            await page.goto(f"{root}{path}")
            await whole(page)
    await open_record(doctor, root)
    await doctor.goto(f"{root}/messages/ecrire/p1")
    await whole(doctor)
