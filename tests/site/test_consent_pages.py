"""Consent by purpose for the catalogue's apps: CSP R1111-39; SMART App Launch 2.2 for what is then granted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from fhir_server.space.catalogue.opening import of
from tests.server.closed import TOKEN, Space, serving
from tests.site.accessible import document, said
from tests.site.catalogue import CARNET, READ, SCOPE, WRITE, a_patient, referenced
from tests.smart.browser import Browser, a_person, an_app, answered

YES, NO = {"purpose-ordonnances": "yes"}, {"purpose-tension": "no"}


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_patient(found)
        yield found


async def asked(space: Space, scope: str = SCOPE, **changes: Any) -> tuple[Any, Browser, Any]:
    """The consent page of the app, seen by the patient."""
    await a_person(space)
    app = await referenced(space, **changes)
    browser = Browser(space)
    return app, browser, await browser.sign_in(await browser.open(app.request(scope)))


async def token(space: Space, app: Any, answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await space.http.post(TOKEN, data=app.exchange(answered(answer)["code"]))).json()
    return found


async def test_each_purpose_is_told_in_words_and_none_is_ticked(space: Space) -> None:
    _, _, answer = await asked(space)
    page = document(answer)
    words = said(page)
    for expected in (
        "Carnet Tension", "Éditeur Alizé Santé", "2.0.0",
        "consulter les documents", "Prescription", "Vous rappeler l’heure de chaque prise.", "Trois mois",
        "ajouter les mesures et résultats", "Pression artérielle", "Un an",
    ):  # fmt: skip
        assert expected in words, expected
    assert page.xpath("//fieldset/legend/text()") == ["Rappeler mes traitements", "Suivre ma tension"]
    assert not page.xpath("//input/@checked")
    assert page.xpath("//a[@href='https://carnet.example/vie-privee']")


async def test_what_is_granted_is_what_was_accepted(space: Space) -> None:
    app, browser, page = await asked(space)
    answer = await browser.submit(page, decision="allow", **YES, **NO)
    assert (await token(space, app, answer))["scope"].split() == ["launch/patient", "patient/DocumentReference.rs"]
    kept = await of(space.house.services).consents.decided("p1", CARNET)
    assert {code: one.permit for code, one in kept.items()} == {"ordonnances": True, "tension": False}
    assert kept["ordonnances"].performer == "Patient/p1"


async def test_a_choice_left_open_is_asked_again_with_the_others_kept(space: Space) -> None:
    _, browser, page = await asked(space)
    page = document(await browser.submit(page, decision="allow", **YES), 400)
    assert page.get_element_by_id("purpose-tension-error") is not None
    assert page.xpath("//input[@checked]/@id") == ["purpose-ordonnances-yes"]
    assert not await of(space.house.services).consents.decided("p1", CARNET)


async def test_nothing_is_asked_again_while_nothing_changes(space: Space) -> None:
    app, browser, page = await asked(space)
    await browser.submit(page, decision="allow", **YES, **NO)
    again = answered(await browser.open(app.request(SCOPE)))
    assert "code" in again


async def test_a_purpose_that_changed_is_asked_again_and_says_so(space: Space) -> None:
    app, browser, page = await asked(space)
    await browser.submit(page, decision="allow", **YES, **NO)
    longer = replace(READ, retention="Dix ans")
    await of(space.house.services).catalogue.save(replace(CARNET, version="3.0.0", purposes=(longer, WRITE)))
    page = document(await browser.open(app.request(SCOPE)))
    assert "Cette finalité a changé" in said(page) and "Dix ans" in said(page)
    assert page.xpath("//input[@checked]/@id") == ["purpose-tension-no"]


async def test_refusing_everything_tells_the_app_and_takes_back_what_was_accepted(space: Space) -> None:
    app, browser, page = await asked(space)
    await browser.submit(page, decision="allow", **YES, **NO)
    page = await browser.open(app.request(SCOPE, prompt="consent"))
    assert answered(await browser.submit(page, decision="deny"))["error"] == "access_denied"
    assert not any(one.permit for one in (await of(space.house.services).consents.decided("p1", CARNET)).values())


async def test_keeping_access_is_a_choice_of_its_own(space: Space) -> None:
    app, browser, page = await asked(space, f"{SCOPE} offline_access")
    assert document(page).get_element_by_id("special-offline_access-yes") is not None
    answer = await browser.submit(page, decision="allow", **YES, **NO, **{"special-offline_access": "no"})
    assert "refresh_token" not in await token(space, app, answer)


async def test_somebody_who_acts_for_a_patient_is_told_for_whom(space: Space) -> None:
    await a_patient(space, "child", "DEMO", "Lou")
    await a_person(space, subject="RelatedPerson/r1", wards=("child",))
    app = await referenced(space)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    assert "Vous décidez pour Lou DEMO" in said(document(page))
    await browser.submit(page, decision="allow", **YES, **NO)
    assert (await of(space.house.services).consents.decided("child", CARNET))[
        "ordonnances"
    ].performer == "RelatedPerson/r1"


async def test_software_outside_the_catalogue_is_asked_about_scope_by_scope(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPE)
    browser = Browser(space)
    page = document(await browser.sign_in(await browser.open(app.request(SCOPE))))
    assert page.xpath("//input[@name='scope']") and not page.xpath("//input[@type='radio']")


GRANULAR = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
OUTSIDE = f"openid fhirUser launch/patient offline_access patient/Patient.r {GRANULAR}"


async def test_nothing_is_ticked_for_anybody_and_a_constraint_is_told_in_words(space: Space) -> None:
    """RGPD art. 4(11) and 7(2): consent is an act, on what can be understood."""
    await a_person(space)
    app = await an_app(space, OUTSIDE)
    page = document(await (browser := Browser(space)).sign_in(await browser.open(app.request(OUTSIDE))))
    boxes = page.xpath("//input[@type='checkbox']")
    assert [box.get("value") for box in boxes] == ["offline_access", "patient/Patient.r", GRANULAR]
    assert not page.xpath("//input/@checked") and not page.xpath("//input[@disabled]")
    assert "catégorie : résultats de laboratoire" in said(page) and "observation-category" not in said(page)
    assert "savoir qui vous êtes" in said(page)


async def test_only_what_was_ticked_is_granted_and_ticking_nothing_grants_nothing(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, OUTSIDE)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(OUTSIDE)))
    again = await browser.submit(page, decision="allow", scope=[])
    assert "Cochez ce que vous autorisez" in said(document(again, 400))
    back = await browser.submit(again, decision="allow", scope=[GRANULAR])
    body = (await space.http.post(TOKEN, data=app.exchange(answered(back)["code"]))).json()
    assert body["scope"].split() == ["openid", "fhirUser", "launch/patient", GRANULAR]
    assert "refresh_token" not in body


async def test_what_was_chosen_before_is_not_ticked_the_next_time(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, OUTSIDE)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(OUTSIDE)))
    answered(await browser.submit(page, decision="allow", scope=["patient/Patient.r"]))
    assert not document(await browser.open(app.request(OUTSIDE))).xpath("//input/@checked")
