"""The pages between an app's request and its answer: RGAA 4.1; SMART App Launch 2.2; v3-ActReason for purposes of use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.server.closed import BASE, TOKEN, Space, serving
from tests.site.accessible import document, errors, said
from tests.smart.browser import Browser, a_person, an_app, answered

SCOPES = "openid fhirUser launch launch/patient patient/*.rs"
SCOPE = "openid launch/patient patient/*.rs"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await found.put({"resourceType": "Patient", "id": "p1", "name": [{"family": "DURAND", "given": ["Zoé"]}]})
        yield found


async def a_doctor(space: Space, roles: tuple[str, ...] = ()) -> None:
    await a_person(space, "docteur", "Practitioner/d1", roles=roles)


def a_role(id: str, profession: str, specialty: str, organization: str) -> dict[str, Any]:
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "code": [{"coding": [{"code": "10", "display": profession}]}],
        "specialty": [{"coding": [{"code": "SM54", "display": specialty}]}],
        "organization": {"reference": f"Organization/{organization}"},
    }


async def at_patients(space: Space, browser: Browser, **asked: str) -> Any:
    app = await an_app(space, SCOPES)
    return app, await browser.sign_in(await browser.open(app.request(SCOPE, **asked)), "docteur")


async def granted(space: Space, app: Any, browser: Browser, page: Any) -> tuple[str | None, str | None]:
    """The purpose and reason behind the token that the rest of the way gives."""
    if "auth/patient" in page.text:
        page = await browser.submit(page, patient="p1")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    headers = {"authorization": f"Bearer {body['access_token']}"}
    grant = await space.house.authorization.authenticate(headers, BASE)
    return grant.purpose, grant.reason


async def test_exercises_are_told_in_words(space: Space) -> None:
    await space.put({"resourceType": "Organization", "id": "o1", "name": "Cabinet des Lilas"})
    await space.put({"resourceType": "Organization", "id": "o2", "name": "Hôpital Nord"})
    await space.put(a_role("a", "Médecin", "Médecine générale", "o1"))
    await space.put(a_role("b", "Médecin", "Pédiatrie", "o2"))
    await a_doctor(space, ("PractitionerRole/a", "PractitionerRole/b", "PractitionerRole/unknown"))
    _, answer = await at_patients(space, Browser(space))
    page = document(answer)
    assert page.xpath("//button[@name='role']/text()") == [
        "Médecin, Médecine générale – Cabinet des Lilas",
        "Médecin, Pédiatrie – Hôpital Nord",
        "PractitionerRole/unknown",
    ]


async def test_every_page_on_the_way_to_an_app_is_accessible(space: Space) -> None:
    await a_doctor(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request(SCOPE))
    document(page)
    wrong = await browser.sign_in(page, "docteur", "x" * 20)
    assert errors(document(wrong, 403)).keys() == {"login", "password"}
    page = await browser.sign_in(wrong, "docteur")
    assert "Zoé DURAND" not in said(document(page))
    ask = str(page.url).partition("ask=")[2]
    word = document(page).xpath("//input[@name='word']/@value")[0]
    found = await browser.http.post(f"/auth/find?ask={ask}", data={"word": word, "name": "durand zoe"})
    page = await browser.http.get(found.headers["location"])
    assert "Zoé DURAND" in said(document(page))
    purpose = await browser.http.get(f"/auth/purpose?ask={ask}")
    document(purpose)
    assert "demande un accès" in said(document(await browser.submit(page, patient="p1")))


async def test_a_language_once_chosen_stays(space: Space) -> None:
    browser = Browser(space)
    assert document(await browser.http.get("/auth/sign-in?lang=en")).get("lang") == "en"
    later = document(await browser.http.get("/auth/sign-in", headers={"Accept-Language": "fr"}))
    assert later.findtext(".//h1") == "Sign in"


async def test_somebody_who_signs_in_without_an_app_comes_to_the_page_they_asked_for(space: Space) -> None:
    await a_person(space)
    browser = Browser(space)
    asked = await browser.http.get("/auth/me")
    assert asked.headers["location"] == "/auth/sign-in?then=%2Fauth%2Fme"
    page = await browser.sign_in(await browser.http.get(asked.headers["location"]))
    assert str(page.url).endswith("/auth/me") and "Nathalie DEMO" in said(document(page))


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example", "/auth/me/../../x", "/fhir/Patient", "/auth/me?x"]
)
async def test_signing_in_leads_nowhere_else(space: Space, then: str) -> None:
    await a_person(space)
    browser = Browser(space)
    page = await browser.http.get("/auth/sign-in", params={"then": then})
    assert str((await browser.sign_in(page)).url).endswith("/mon-espace")


async def test_care_is_the_purpose_unless_said_otherwise(space: Space) -> None:
    await a_doctor(space)
    browser = Browser(space)
    app, page = await at_patients(space, browser)
    assert await granted(space, app, browser, page) == ("TREAT", None)


async def test_breaking_the_glass_needs_a_reason_which_travels_with_the_token(space: Space) -> None:
    await a_doctor(space)
    browser = Browser(space)
    app, page = await at_patients(space, browser)
    [link] = document(page).xpath("//p[@class='discreet']/a/@href")
    purpose = await browser.http.get(link)
    without = await browser.submit(purpose, purpose="BTG", reason="  court ")
    assert "reason" in errors(document(without, 400))
    page = await browser.submit(without, purpose="BTG", reason="Patient inconscient  aux urgences")
    assert "reason" not in str(page.url)
    assert await granted(space, app, browser, page) == ("BTG", "Patient inconscient aux urgences")


async def test_an_app_may_ask_for_an_emergency_but_never_say_why(space: Space) -> None:
    await a_doctor(space)
    browser = Browser(space)
    app, page = await at_patients(space, browser, purpose_of_use="BTG", reason="from the URL, not from a person")
    page = await browser.submit(page, patient="p1")
    assert document(page).xpath("//input[@value='BTG']/@checked") and "from the URL" not in page.text
    page = await browser.submit(page, purpose="BTG", reason="Arrêt cardiaque")
    assert await granted(space, app, browser, page) == ("BTG", "Arrêt cardiaque")


async def test_regulation_is_only_for_those_whose_provider_said_so(space: Space) -> None:
    await a_doctor(space)
    browser = Browser(space)
    app, page = await at_patients(space, browser, purpose_of_use="ETREAT")
    page = await browser.submit(page, patient="p1")
    assert not document(page).xpath("//input[@value='ETREAT']")
    assert (await browser.submit(page, purpose="ETREAT")).status_code == 400
    page = await browser.submit(page, purpose="TREAT")
    assert await granted(space, app, browser, page) == ("TREAT", None)


async def test_a_regulator_may_say_regulation(space: Space) -> None:
    from dataclasses import replace

    import msgspec

    from fhir_server.smart.people.sessions import Session

    await a_doctor(space)
    browser = Browser(space)
    app, page = await at_patients(space, browser, purpose_of_use="ETREAT")
    records = space.house.engine.records
    for key, value in await records.list("session"):
        await records.put(
            "session", key, msgspec.json.encode(replace(msgspec.json.decode(value, type=Session), regulation=True))
        )
    assert await granted(space, app, browser, page) == ("ETREAT", None)


async def test_a_patient_is_never_asked_why(space: Space) -> None:
    await a_person(space)
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(app.request(SCOPE, purpose_of_use="BTG")))
    assert "auth/consent" in page.text and "auth/purpose" not in page.text
    ask = str(page.url).partition("ask=")[2]
    assert (await browser.http.get(f"/auth/purpose?ask={ask}")).status_code == 403


@pytest.mark.parametrize("shown", ["https://app.example/launch", 'https://x.example;script-src * "/'])
async def test_a_policy_is_never_widened_by_an_app_s_address(space: Space, shown: str) -> None:
    from fhir_server.site.visit import _policy

    policy = _policy([shown])
    assert [part for part in policy.split("; ") if part.startswith("script-src")] == ["script-src 'self'"]
    assert policy.count(";") == _policy([]).count(";")
