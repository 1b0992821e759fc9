"""The public catalogue, my apps and the professional's tools: CSP R1111-38, R1111-39, R1111-43; SMART EHR launch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.opening import of
from fhir_server.space.catalogue.reports import Reports
from tests.server.closed import BASE, ROOT, TOKEN, Space, serving
from tests.site.accessible import document, errors, said
from tests.site.catalogue import CARNET, READ, SCOPE, WRITE, a_patient, referenced
from tests.smart.browser import Browser, a_person, an_app, answered

DESK = App(
    "imagerie", "imagerie", "Visionneuse", "Organization/alize", "1.0", "EN_LIGNE",
    audience="professional",
    purposes=(replace(READ, code="images", scopes=("patient/*.rs",)),),
    launch_uri="https://app.example/launch",
)  # fmt: skip


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_patient(found)
        yield found


async def signed_in(space: Space, login: str = "nathalie") -> Browser:
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), login)
    return browser


INS = "269054958815780"


async def at_hand(browser: Browser) -> Any:
    """The page of tools, once the record of the patient was opened by their INS."""
    page = await browser.http.get("/patients")
    await send(browser, page, "/patients/recherche", ins=INS)
    return await browser.http.get("/outils")


async def send(browser: Browser, page: Any, action: str, **fields: str) -> Any:
    word = page.text.partition('name="word" value="')[2].partition('"')[0]
    answer = await browser.http.post(action, data={"word": word, **fields}, headers={"Origin": ROOT})
    return await browser._followed(answer)


async def shared(space: Space, **changes: Any) -> Browser:
    """A patient who accepted to be reminded of their treatments, and refused the rest."""
    await a_person(space)
    await referenced(space, **changes)
    await of(space.house.services).consents.decide(
        "p1", await of(space.house.services).catalogue.get("carnet"), ("ordonnances",), "Patient/p1"
    )
    return await signed_in(space)


async def test_the_catalogue_is_public_and_shows_apps_on_line_alone(space: Space) -> None:
    await referenced(space)
    await referenced(space, DESK, status="SUSPENDUE")
    page = document(await Browser(space).http.get("/catalogue"))
    assert page.xpath("//article//a/text()") == ["Carnet Tension"]
    document(await Browser(space).http.get("/catalogue/imagerie"), 404)
    document(await Browser(space).http.get("/catalogue/nothing"), 404)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"text": "pression"}, True),
        ({"text": "CARNÉT tension"}, True),
        ({"text": "ordonnance"}, False),
        ({"category": "mesures"}, True),
        ({"category": "telesante"}, False),
        ({"text": "carnet", "category": "mesures"}, True),
        ({"text": "<script>"}, False),
    ],
)
async def test_apps_are_found_by_words_and_category(space: Space, query: dict[str, str], found: bool) -> None:
    await referenced(space)
    page = document(await Browser(space).http.get("/catalogue", params=query))
    assert bool(page.xpath("//article")) is found
    assert page.get_element_by_id("text").get("value", "") == query.get("text", "")


async def test_an_app_s_page_says_what_it_reads_and_writes_and_why(space: Space) -> None:
    await referenced(space, url="javascript:alert(1)")
    page = document(await Browser(space).http.get("/catalogue/carnet"))
    for expected in ("Éditeur Alizé Santé", "consulter les documents", "Vous rappeler l’heure", "Trois mois", "Un an"):
        assert expected in said(page)
    assert not page.xpath("//a[starts-with(@href, 'javascript')]")


async def test_my_apps_say_what_was_accepted_when_and_the_last_exchanges(space: Space) -> None:
    await a_person(space)
    app = await referenced(space)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    answer = await browser.submit(page, decision="allow", **{"purpose-ordonnances": "yes", "purpose-tension": "no"})
    body = (await space.http.post(TOKEN, data=app.exchange(answered(answer)["code"]))).json()
    assert (await space.fhir("GET", "DocumentReference?patient=p1", body["access_token"])).status_code == 200
    document_ = {"resourceType": "DocumentReference", "id": "d1", "status": "current", "content": [{"attachment": {}}]}
    await space.put({**document_, "subject": {"reference": "Patient/p1"}})
    assert (await space.fhir("GET", "DocumentReference/d1", body["access_token"])).status_code == 200
    page = document(await browser._followed(await browser.http.get("/mes-applications")))
    words = said(page)
    assert "Accepté le" in words and "Refusé le" in words and "(version 2.0.0)" in words
    assert "Consultation (DocumentReference" in words


async def test_one_purpose_is_withdrawn_in_one_click_and_access_ends(space: Space) -> None:

    await a_person(space)
    app = await referenced(space)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE)))
    answer = await browser.submit(page, decision="allow", **{"purpose-ordonnances": "yes", "purpose-tension": "no"})
    token = (await space.http.post(TOKEN, data=app.exchange(answered(answer)["code"]))).json()["access_token"]
    assert (await space.fhir("GET", "DocumentReference", token)).status_code == 200
    page = await browser.http.get("/mes-applications/p1")
    done = await send(browser, page, "/mes-applications/p1/withdraw", app="carnet", purpose="ordonnances")
    assert "Retiré le" in said(document(done))
    assert (await space.fhir("GET", "DocumentReference", token)).status_code in (401, 403)


async def test_everything_is_withdrawn_in_one_click(space: Space) -> None:
    browser = await shared(space)
    page = await browser.http.get("/mes-applications/p1")
    done = document(await send(browser, page, "/mes-applications/p1/withdraw", app="carnet"))
    assert not done.xpath("//form[contains(@action, 'withdraw')]")
    assert not any(one.permit for one in (await of(space.house.services).consents.decided("p1", CARNET)).values())


async def test_a_new_version_and_a_suspension_are_told(space: Space) -> None:
    browser = await shared(space)
    later = replace(
        CARNET, version="3", purposes=(replace(READ, retention="Dix ans"), WRITE), reconsent_by=date(2099, 1, 2)
    )
    await of(space.house.services).catalogue.save(later)
    assert "s’arrêtent après le 2 janvier 2099" in said(document(await browser.http.get("/mes-applications/p1")))
    await of(space.house.services).catalogue.save(replace(later, status="SUSPENDUE"))
    assert "ne peut plus rien lire" in said(document(await browser.http.get("/mes-applications/p1")))


async def test_somebody_who_acts_for_several_chooses_for_whom(space: Space) -> None:
    await a_patient(space, "child", "DEMO", "Lou")
    await a_person(space, wards=("child",))
    browser = await signed_in(space)
    page = document(await browser.http.get("/mes-applications"))
    assert page.xpath("//main//a[contains(@href, '/mes-applications/child')]/text()") == ["Lou DEMO"]
    assert "Applications de Lou DEMO" in said(document(await browser.http.get("/mes-applications/child")))


async def test_nobody_sees_or_withdraws_what_is_another_s(space: Space) -> None:
    await shared(space)
    await a_patient(space, "p2")
    await a_person(space, "other", "Patient/p2")
    browser = await signed_in(space, "other")
    document(await browser.http.get("/mes-applications/p1"), 404)
    page = await browser.http.get("/mes-applications/p2")
    word_page = await browser.http.get("/auth/me")
    document(await send(browser, word_page, "/mes-applications/p1/withdraw", app="carnet"), 404)
    document(page)
    assert (await of(space.house.services).consents.decided("p1", CARNET))["ordonnances"].permit


async def test_a_report_reaches_those_who_work_on_the_catalogue_and_leaves_a_trace(space: Space) -> None:
    browser = await shared(space)
    page = await browser.http.get("/mes-applications/p1/report/carnet")
    document(page)
    short = await browser.submit(page, text="court")
    assert errors(document(short, 400)).keys() == {"text"}
    done = await browser.submit(short, text="L’application envoie de la publicité.")
    assert "signalement est transmis" in said(document(done))
    [kept] = await Reports(of(space.house.services).catalogue, BASE, True).recent()
    assert (kept.app, kept.text, kept.closed) == ("carnet", "L’application envoie de la publicité.", False)
    traces = await space.house.repository().find({"AuditEvent": _about(f"Task/{kept.id}")})
    assert len(traces.versions) == 1


def _about(reference: str) -> Any:
    from fhir_server.store.filters import Refers

    return Refers("entity", reference)


async def test_a_professional_opens_a_tool_on_the_patient_at_hand_and_lands_in_it(space: Space) -> None:
    await a_person(space, "docteur", "Practitioner/d1")
    app = await referenced(space, DESK)
    browser = await signed_in(space, "docteur")
    assert "Ouvrez d’abord le dossier d’un patient" in said(document(await browser.http.get("/outils")))
    page = await at_hand(browser)
    assert "Nathalie DEMO" in said(document(page))
    assert "https://app.example" in page.headers["content-security-policy"]
    opened = await send(browser, page, "/auth/launch", client="imagerie", patient="p1", purpose="TREAT")
    query = parse_qs(urlsplit(opened.headers["location"]).query)
    assert opened.headers["location"].startswith("https://app.example/launch?") and query["iss"] == [BASE]
    asked = "launch offline_access patient/*.rs"
    back = answered(await browser.open(app.request(asked, launch=query["launch"][0])))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert (body["patient"], body["need_patient_banner"]) == ("p1", False)
    # Nobody was asked about access while they are away.
    assert "refresh_token" not in body and "offline_access" not in body["scope"]


BTG = {"purpose": "BTG", "reason": "Arrêt cardiaque à domicile"}


async def test_a_tool_opened_in_an_emergency_carries_its_reason(space: Space) -> None:
    await a_person(space, "docteur", "Practitioner/d1")
    app = await referenced(space, DESK)
    browser = await signed_in(space, "docteur")
    page = await at_hand(browser)
    fields = {"client": "imagerie", "patient": "p1", "purpose": "BTG"}
    document(await send(browser, page, "/auth/launch", **fields, reason="x"), 400)
    opened = await send(browser, page, "/auth/launch", **fields, reason="Arrêt cardiaque à domicile")
    launch = parse_qs(urlsplit(opened.headers["location"]).query)["launch"][0]
    back = answered(await browser.open(app.request("launch patient/*.rs", launch=launch)))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    grant = await space.house.authorization.authenticate({"authorization": f"Bearer {body['access_token']}"}, BASE)
    assert (grant.purpose, grant.reason) == ("BTG", "Arrêt cardiaque à domicile")


async def test_a_patient_reads_who_opened_their_record_and_why_emergencies_first(space: Space) -> None:
    await space.put({"resourceType": "Practitioner", "id": "d1", "name": [{"family": "EXEMPLE", "given": ["Zoé"]}]})
    await a_patient(space, "p2")
    await a_person(space, "docteur", "Practitioner/d1")
    app = await referenced(space, DESK)
    browser = await signed_in(space, "docteur")
    page = await browser.http.get("/auth/me")
    for patient, said_ in (("p1", BTG), ("p1", {"purpose": "TREAT"}), ("p2", {"purpose": "TREAT"})):
        opened = await send(browser, page, "/auth/launch", client="imagerie", patient=patient, **said_)
        launch = parse_qs(urlsplit(opened.headers["location"]).query)["launch"][0]
        back = answered(await browser.open(app.request("launch patient/*.rs", launch=launch)))
        token = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()["access_token"]
        assert (await space.fhir("GET", f"Patient/{patient}", token)).status_code == 200
    await a_person(space)
    page = document(await (await signed_in(space)).http.get("/mes-applications/p1"))
    first, second = (" ".join(one.text_content().split()) for one in page.xpath("//section[h2/@id='accesses']//li"))
    assert first.endswith("– Zoé EXEMPLE (Visionneuse) – Urgence : Arrêt cardiaque à domicile")
    assert second.endswith("– Zoé EXEMPLE (Visionneuse) – Soins")


#: What an app is → whether it is among the tools.
TOOLS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"status": "SUSPENDUE"}, False),
    ({"status": "PRESERIE"}, False),
    ({"audience": "patient"}, False),
]


@pytest.mark.parametrize(("changes", "shown"), TOOLS)
async def test_tools_are_apps_for_professionals_on_line(space: Space, changes: dict[str, Any], shown: bool) -> None:
    await a_person(space, "docteur", "Practitioner/d1")
    await referenced(space, DESK, **changes)
    browser = await signed_in(space, "docteur")
    page = document(await browser.http.get("/outils"))
    assert ("Visionneuse" in said(page)) is shown


async def test_software_outside_the_catalogue_that_can_be_launched_is_a_tool(space: Space) -> None:
    await a_person(space, "docteur", "Practitioner/d1")
    await an_app(space, "launch patient/*.rs", launch_uri="https://app.example/launch")
    browser = await signed_in(space, "docteur")
    assert "Carnet" in said(document(await browser.http.get("/outils")))


@pytest.mark.parametrize(
    ("subject", "path", "status"),
    [
        ("Patient/p1", "/outils", 403),
        ("Practitioner/d1", "/mes-applications", 403),
        (None, "/outils", 303),
        (None, "/mes-applications", 303),
        (None, "/catalogue", 200),
    ],
)
async def test_each_page_is_for_those_it_is_for(space: Space, subject: str | None, path: str, status: int) -> None:
    if subject:
        await a_person(space, subject=subject)
    browser = await signed_in(space) if subject else Browser(space)
    assert (await browser.http.get(path)).status_code == status
