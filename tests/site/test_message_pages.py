"""A doctor writes, the patient reads, saves the report, answers; the doctor ends it, and nobody answers any more.

CSP R1111-26 and following; WCAG 2.1 by `accessible`. Without a script, as every page of ours works.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from fhir_server.space.messages.pages.correspondents import called
from tests.server.closed import Space, serving
from tests.site.accessible import document, errors, said
from tests.site.records import PDF, a_record, send, signed_in
from tests.site.test_practice_pages import TRAITS, doctor, patient
from tests.smart.browser import Browser

MINE = "/mes-messages/p1"
#: Of the addresses under an inbox, those that are no conversation.
OTHERS = ("ecrire", "brouillons", "recherche")


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        await patient(found)
        role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/d1"}}
        await found.put(role)
        yield found


def links(page: Any, start: str) -> set[str]:
    """The addresses on this server, of a page's links, that begin so."""
    return {path for a in page.iter("a") if (path := urlsplit(a.get("href") or "").path).startswith(start)}


async def thread(browser: Browser, path: str) -> str:
    """The address of the one conversation of an inbox."""
    page = document(await browser.http.get(path))
    [link] = {one for one in links(page, f"{path}/") if not one.removeprefix(f"{path}/").startswith(OTHERS)}
    return link


async def written(space: Space) -> Browser:
    """A doctor who found the patient and wrote to them, with a report."""
    browser = await doctor(space)
    await send(browser, "/patients/recherche", "/patients", **TRAITS)
    [page] = links(document(await browser.http.get("/messages")), "/messages/ecrire/")
    answer = await send(
        browser,
        page,
        page,
        {"file": ("bilan.pdf", PDF, "application/pdf")},
        topic="Vos résultats",
        text="Tout va bien.",
    )
    assert "Le message est envoyé" in said(document(answer))
    return browser


async def test_the_story_of_a_conversation(space: Space) -> None:
    zoe, nathalie = await written(space), await signed_in(space)
    inbox = document(await nathalie.http.get(MINE))
    assert "Vos résultats" in said(inbox) and "Non lu" in said(inbox)
    here = await thread(nathalie, MINE)
    page = document(await nathalie.http.get(here))
    assert "Tout va bien." in said(page)
    assert "Non lu" not in said(document(await nathalie.http.get(MINE))), "opened, it is read"
    [file] = links(page, f"{here}/")
    content = await nathalie.http.get(file)
    assert (content.content, content.headers["content-disposition"]) == (PDF, "attachment")
    saved = await send(nathalie, file, here, type="EXPPAT_1")
    assert "Le fichier est enregistré" in said(document(saved))
    assert "bilan" in said(document(await nathalie.http.get("/mon-dossier/p1")))
    answer = await send(nathalie, here, here, {}, text="Merci docteur.")
    assert "Le message est envoyé" in said(document(answer))
    theirs = await thread(zoe, "/messages")
    assert "Merci docteur." in said(document(await zoe.http.get(theirs)))
    ended = await send(zoe, f"{theirs}/fin", theirs)
    assert "L’échange est terminé" in said(document(ended))
    closed = document(await nathalie.http.get(here))
    assert "L’échange a été clos par Zoé EXEMPLE" in said(closed)
    assert "il n’est plus possible d’y répondre" in said(closed)
    assert not [one for one in closed.iter("textarea")]
    refusal = document(await send(nathalie, here, here, {}, text="Encore un mot."), 422)
    assert "L’échange a été clos par Zoé EXEMPLE : personne n’y écrit plus." in said(refusal)
    assert refusal.findtext(".//textarea").strip() == "Encore un mot.", "what was typed is not lost"
    assert "Encore un mot." not in [p.text for p in refusal.iter("p")]


async def test_what_is_missing_is_said_beside_its_field(space: Space) -> None:
    zoe = await doctor(space)
    await send(zoe, "/patients/recherche", "/patients", **TRAITS)
    answer = await send(
        zoe, "/messages/ecrire/p1", "/messages/ecrire/p1", {"file": ("x", b"MZ\0", "x/y")}, topic="", text="a"
    )
    assert set(errors(document(answer, 400))) == {"topic", "file"}


async def test_nobody_else_opens_a_conversation(space: Space) -> None:
    await written(space)
    nathalie = await signed_in(space)
    here = await thread(nathalie, MINE)
    id = here.rpartition("/")[2]
    await space.put({"resourceType": "Patient", "id": "p2", "name": [{"family": "AUTRE", "given": ["Luc"]}]})
    await space.put({"resourceType": "Practitioner", "id": "d2", "name": [{"family": "SECOURS", "given": ["Luc"]}]})
    other = await signed_in(space, "luc", "Patient/p2")
    stranger = await signed_in(space, "autre", "Practitioner/d2")
    for browser, address in ((other, here), (other, f"/mes-messages/p2/{id}"), (stranger, f"/messages/{id}")):
        assert (await browser.http.get(address)).status_code == 404, address
    assert (await stranger.http.get("/messages/ecrire/p1")).headers["location"] == "/patients"


@pytest.mark.parametrize(
    ("code", "written"), [("MME", "Mme"), ("M", "M."), ("DR", "Dr"), ("PR", "Pr"), ("Docteur", "Docteur")]
)
def test_titles_are_written_as_people_write_them(code: str, written: str) -> None:
    """Names come from the directory with the codes of its nomenclatures (NOS TRE_R81, TRE_R11)."""
    tree = {"name": [{"prefix": [code], "given": ["Anne", "Marie"], "family": "DEMO"}]}
    assert called("Practitioner/1", {"Practitioner/1": tree}) == f"{written} Anne DEMO"
