"""Sign-in through Pro Santé Connect and FranceConnect+ (simulated): OpenID Connect Core §3.1; the national claims."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.closed import ROOT, TOKEN, Space
from tests.smart.browser import Browser, a_person, an_app, answered
from tests.smart.federated import a_doctor, a_patient, a_related, an_exercise, chosen, sent, simulating, with_provider

SCOPES = "openid fhirUser profile launch/patient patient/*.rs user/*.rs"
SCOPE = "openid fhirUser launch/patient patient/*.rs"


@pytest.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with simulating(tmp_path) as found:
        yield found


async def test_a_patient_signs_in_with_franceconnect_and_lets_an_app_in(space: Space) -> None:
    await space.put(a_patient())
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request(SCOPE))
    page = await with_provider(browser, page, "franceconnect", "Patient/p1")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert body["patient"] == "p1"
    assert (await space.fhir("GET", "Patient/p1", body["access_token"])).status_code == 200


async def test_a_doctor_signs_in_with_pro_sante_connect_and_chooses_an_exercise(space: Space) -> None:
    await space.put(a_patient())
    await space.put(a_doctor())
    for id in ("a", "b"):
        await space.put(an_exercise(id))
    await space.put(an_exercise("past", period={"end": "2020-01"}))
    await space.put(an_exercise("closed", active=False))
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request("openid fhirUser user/*.rs"))
    page = await with_provider(browser, page, "psc", "Practitioner/d1")
    assert 'value="PractitionerRole/a"' in page.text and 'value="PractitionerRole/b"' in page.text
    assert "PractitionerRole/past" not in page.text and "PractitionerRole/closed" not in page.text
    page = await browser.submit(page, role="PractitionerRole/b")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    grant = await space.house.authorization.authenticate(
        {"authorization": f"Bearer {body['access_token']}"}, f"{ROOT}/fhir"
    )
    assert (grant.subject, grant.role, grant.purpose) == ("Practitioner/d1", "PractitionerRole/b", "TREAT")


async def test_a_doctor_of_a_regulation_centre_acts_in_an_emergency(space: Space) -> None:
    await space.put(a_doctor())
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request("openid fhirUser user/*.rs"))
    page = await with_provider(browser, page, "psc", "Practitioner/d1", regulation="on", reason="Appel 15")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    grant = await space.house.authorization.authenticate(
        {"authorization": f"Bearer {body['access_token']}"}, f"{ROOT}/fhir"
    )
    assert (grant.purpose, grant.reason) == ("ETREAT", "Appel 15")


async def test_the_same_person_has_one_account_however_often_they_come(space: Space) -> None:
    await space.put(a_patient())
    for _ in range(2):
        browser = Browser(space)
        page = await with_provider(browser, await browser.http.get("/auth/sign-in"), "franceconnect", "Patient/p1")
        assert page.status_code == 200
    assert len(await space.house.engine.records.list("account")) == 1


async def test_somebody_with_an_account_here_keeps_it(space: Space) -> None:
    await space.put(a_patient())
    account = await a_person(space, wards=("given-here",))
    browser = Browser(space)
    await with_provider(browser, await browser.http.get("/auth/sign-in"), "franceconnect", "Patient/p1")
    [(_, value)] = await space.house.engine.records.list("account")
    assert account.id.encode() in value and b"given-here" in value


#: Representatives in the data → whom the parent may act for; None when they are not recognised.
RELATIONS: list[tuple[list[dict[str, Any]], set[str]]] = [
    ([a_related("r1", "child", "2850599100004")], {"p1", "child"}),
    ([a_related("r1", "child"), a_related("r2", "second")], {"p1", "child", "second"}),
    ([a_related("r1", "child", "2850599100099")], {"p1"}),
    ([a_related("r1", "child", active=False)], {"p1"}),
    ([a_related("r1", "child", period={"end": "2020-12-31"})], {"p1"}),
    ([a_related("r1", "child", birthDate="1985-05-18")], {"p1"}),
    ([a_related("r1", "child", name=[{"family": "LE GOFF-DEMO", "given": ["Claire"]}])], {"p1"}),
]


@pytest.mark.parametrize(("relations", "patients"), RELATIONS)
async def test_a_parent_acts_for_those_whose_representative_they_are(
    space: Space, relations: list[dict[str, Any]], patients: set[str]
) -> None:
    await space.put(a_patient())
    for relation in relations:
        await space.put(relation)
    browser = Browser(space)
    await with_provider(browser, await browser.http.get("/auth/sign-in"), "franceconnect", "Patient/p1")
    account = await space.house.authorization.accounts.of_subject("Patient/p1")
    assert account is not None and set(account.patients) == patients


async def test_a_caregiver_who_is_no_patient_here_picks_for_whom_they_act(space: Space) -> None:
    for id in ("child", "second"):
        await space.put({"resourceType": "Patient", "id": id, "name": [{"family": id}]})
        await space.put(a_related(f"r-{id}", id))
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request(SCOPE))
    page = await with_provider(browser, page, "franceconnect", "RelatedPerson/r-child")
    assert 'value="child"' in page.text and 'value="second"' in page.text
    page = await browser.submit(page, patient="second")
    back = answered(await browser.submit(page, decision="allow"))
    body = (await space.http.post(TOKEN, data=app.exchange(back["code"]))).json()
    assert body["patient"] == "second"


#: What the data has by the time the person comes back → they are nobody, or might be two.
STRANGERS: dict[str, list[dict[str, Any]]] = {
    "two patients with the same traits": [a_patient("p2", "2850599100099")],
    "an identity that is not qualified": [a_patient(extension=a_patient()["extension"][1:])],
    "another place of birth": [a_patient(extension=a_patient()["extension"][:1])],
    "no INS": [a_patient(identifier=[])],
    "a closed record": [a_patient(active=False)],
    "another birth date": [a_patient(birthDate="1985-05-18")],
    "another sex": [a_patient(gender="male")],
    "another first name": [a_patient(name=[{"use": "official", "family": "LE GOFF-DEMO", "given": ["Claire"]}])],
}


@pytest.mark.parametrize("why", STRANGERS)
async def test_who_is_not_the_one_qualified_patient_is_not_recognised(space: Space, why: str) -> None:
    await space.put(a_patient())
    browser = Browser(space)
    there = await sent(browser, await browser.http.get("/auth/sign-in"), "franceconnect")
    back = await chosen(browser, await browser.http.get(there.headers["location"]), "Patient/p1")
    for one in STRANGERS[why]:
        await space.put(one)
    page = await browser._followed(back)
    assert page.status_code == 403 and "session" not in page.headers.get("set-cookie", "")
    assert await space.house.engine.records.list("account") == []


async def test_signing_out_ends_the_session_here_and_offers_to_end_the_provider_s(space: Space) -> None:
    await space.put(a_patient())
    browser = Browser(space)
    page = await with_provider(browser, await browser.http.get("/auth/sign-in"), "franceconnect", "Patient/p1")
    word = page.text.partition('name="word" value="')[2].partition('"')[0]
    left = await browser.http.post("/auth/sign-out", data={"word": word})
    assert left.status_code == 200 and "/simulators/franceconnect/end-session?" in left.text
    assert "id_token_hint=" in left.text and await space.house.engine.records.list("session") == []
    assert await space.house.engine.records.list("provider-session") == []


async def test_who_acts_for_two_patients_is_one_person_at_the_provider(space: Space) -> None:
    for ward in ("w1", "w2"):
        await space.put(a_patient(ward, ins=f"29105991000{ward[1:]}4", birthDate="1991-05-17"))
        await space.put(a_related(f"r{ward}", ward))
    browser = Browser(space)
    there = await browser.http.get("/auth/with/franceconnect")
    page = await browser.http.get(there.headers["location"])
    assert page.text.count("(1985-05-17)") == 1


async def test_discovery_of_the_simulators_is_theirs_and_their_page_runs_no_script(space: Space) -> None:
    await space.put(a_doctor())
    found = (await space.http.get(f"{ROOT}/simulators/psc/.well-known/openid-configuration")).json()
    assert found["issuer"] == f"{ROOT}/simulators/psc"
    browser = Browser(space)
    there = await browser.http.get("/auth/with/psc")
    page = await browser.http.get(there.headers["location"], headers={"accept-language": "fr"})
    policy = page.headers["content-security-policy"]
    assert "script-src" not in policy and "default-src 'none'" in policy and "<script" not in page.text
    assert '<html lang="fr">' in page.text and "Claire DEMO-MARTIN" in page.text
    assert (await space.http.get(f"{ROOT}/simulators/other/jwks")).status_code == 404
