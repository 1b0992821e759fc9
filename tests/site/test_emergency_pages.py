"""Emergencies on the administrator's page: those to look at first, a word on each, few traits. CSP R1111-43, RGAA 4.1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.touched import Touched
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.space.accesses.pages.emergencies import SHOWN
from tests.server.closed import BASE, Space
from tests.site.accessible import document, errors, said
from tests.site.records import a_record, send, signed_in
from tests.smart.browser import Browser

HERE = "/urgences"
AGO = {"today": 0, "before": 1, "long": 60}


async def broken(space: Space, day: str, doctor: str = "d1", patient: str = "p1", reason: str = "Coma") -> None:
    """The trace of a record opened in an emergency."""
    touched = Touched(noting=True)
    touched.patients = {f"Patient/{patient}": None}
    caller = Grant(subject=f"Practitioner/{doctor}", client="cabinet", purpose="BTG", reason=reason)
    at = datetime.now(UTC) - timedelta(days=AGO[day])
    await record(
        space.house.repository(), [exchange_event(caller, touched, "read", "DocumentReference", 200, BASE, at=at)]
    )


async def administrator(space: Space, login: str = "alix") -> Browser:
    await space.put({"resourceType": "Person", "id": login, "name": [{"family": login.upper(), "given": ["Jo"]}]})
    return await signed_in(space, login, f"Person/{login}", duties=("administrator",))


@pytest.fixture
async def opened(space: Space) -> Space:
    await a_record(space)
    # Traces are found from the newest on, as they were kept.
    await broken(space, "long")
    await broken(space, "before", patient="p2", reason="Noyade")
    await broken(space, "today")
    return space


def cards(page: Any) -> list[str]:
    return [" ".join(" ".join(one.itertext()).split()) for one in page.xpath("//article")]


def actions(page: Any) -> list[str]:
    return [str(one) for one in page.xpath("//article//form/@action")]


async def test_emergencies_are_told_and_looked_through_with_a_word(opened: Space) -> None:
    browser = await administrator(opened)
    page = document(await browser.http.get(HERE))
    newest, other = cards(page)
    assert "Zoé EXEMPLE" in newest and "Raison donnée Coma" in newest and "2 accès à examiner" in said(page)
    # A number and initials, whatever else the record says of somebody.
    assert "Dossier p1 (N. D.)" in newest and "Nathalie" not in said(page) and "DEMO" not in said(page)
    assert "Noyade" in other
    page = document(await send(browser, actions(page)[0], HERE, note="Justifié : le patient était inconscient."))
    waiting, reviewed = cards(page)
    assert "Noyade" in waiting and "1 accès à examiner" in said(page)
    assert "Examiné par Jo ALIX" in reviewed and "Justifié : le patient était inconscient." in reviewed
    assert len(cards(document(await browser.http.get(f"{HERE}?jours=90")))) == 3


async def test_a_review_lacks_no_word_and_is_not_written_over(opened: Space) -> None:
    browser = await administrator(opened)
    action = actions(document(await browser.http.get(HERE)))[0]
    for note in ("", " ", "x" * 1001):
        page = document(await send(browser, action, HERE, note=note), 422)
        assert errors(page) == {"note": "De 1 à 1000 caractères."}
    await send(browser, action, HERE, note="Premier mot.")
    page = document(await send(await administrator(opened, "sacha"), action, HERE, note="Second mot."))
    assert "déjà été examiné" in said(page) and "Premier mot." in said(page) and "Second mot." not in said(page)
    document(await send(browser, f"{HERE}/{'0' * 32}", HERE, note="Rien."), 404)


async def test_only_administrators_look_through_them(opened: Space) -> None:
    for login, subject, more in (
        ("nathalie", "Patient/p1", {}),
        ("docteur", "Practitioner/d1", {}),
        ("verification", "Person/v", {"duties": ("verifier",)}),
    ):
        browser = await signed_in(opened, login, subject, **more)
        assert (await browser.http.get(HERE)).status_code == 403
        assert (await send(browser, f"{HERE}/x", note="Vu.")).status_code == 403


@pytest.mark.parametrize("query", ["?jours=x", "?page=-1", "?page=9999", "?page=٣", "?done=x"])
async def test_an_address_that_makes_no_sense_shows_the_first_or_last_page(opened: Space, query: str) -> None:
    assert len(cards(document(await (await administrator(opened)).http.get(HERE + query)))) == 2


async def test_many_are_shown_a_page_at_a_time(space: Space) -> None:
    await a_record(space)
    for n in range(SHOWN + 1):
        await broken(space, "today", doctor=f"x{n}")
    browser = await administrator(space)
    page = document(await browser.http.get(HERE))
    assert len(cards(page)) == SHOWN and "inconnu de l’annuaire" in cards(page)[0]
    [following] = page.xpath("//a[@rel='next']/@href")
    assert len(cards(document(await browser.http.get(following)))) == 1
