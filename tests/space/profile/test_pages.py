"""`/mon-profil`: a summary read in French and in English, and downloaded; nobody's but one's own. OWASP ASVS 4.2.1."""

from __future__ import annotations

import pytest

from tests.server.closed import Space
from tests.site.accessible import check, document
from tests.site.records import a_record, send, signed_in
from tests.space.notices.space import a_patient

FEARED = {
    "resourceType": "AllergyIntolerance",
    "id": "nuts",
    "patient": {"reference": "Patient/p1"},
    "code": {"text": "Noix <crues>"},
}


async def test_a_profile_is_read_in_two_languages_and_taken_along(space: Space) -> None:
    await a_record(space)
    await space.put(FEARED)
    browser = await signed_in(space)
    for path in ("/mon-profil", "/mon-profil/p1"):
        check(document(await browser.http.get(path)))
    assert "/mon-profil/p1" in (await browser.http.get("/mon-profil")).text
    page = (await browser.http.get("/mon-profil/p1")).text
    assert "Allergies et intolérances" in page and "Noix &lt;crues&gt;" in page
    assert "Aucune information disponible." in page
    english = (await browser.http.get("/mon-profil/p1", headers={"Accept-Language": "en"})).text
    assert "Allergies and intolerances" in english and "No information available." in english
    file = await browser.http.get("/mon-profil/p1/ips.json")
    assert file.headers["content-type"].startswith("application/fhir+json")
    assert "attachment" in file.headers["content-disposition"] and "no-store" in file.headers["cache-control"]
    bundle = file.json()
    assert bundle["type"] == "document" and bundle["entry"][0]["resource"]["title"] == "Résumé médical international"
    assert any(one["fullUrl"].endswith("/AllergyIntolerance/nuts") for one in bundle["entry"])


@pytest.mark.parametrize("page", ["", "/ips.json"])
@pytest.mark.parametrize("patient", ["p2", "absent"])
async def test_what_is_others_and_what_is_not_there_are_answered_alike(space: Space, patient: str, page: str) -> None:
    await a_record(space)
    await space.put(a_patient("p2"))
    browser = await signed_in(space)
    assert (await browser.http.get(f"/mon-profil/{patient}{page}")).status_code == 404


async def test_not_concerned_is_said_and_taken_back_where_nothing_stands(space: Space) -> None:
    await a_record(space)
    await space.put(FEARED)
    browser = await signed_in(space)
    said = await send(browser, "/mon-profil/p1", "/mon-profil/p1", act="say", section="procedures")
    assert "Aucune intervention connue" in said.text and "Retirer cette déclaration" in said.text
    after = await send(browser, "/mon-profil/p1", "/mon-profil/p1", act="withdraw", section="procedures")
    assert "Aucune intervention connue" not in after.text and "Retirer cette déclaration" not in after.text
    kept = await send(browser, "/mon-profil/p1", "/mon-profil/p1", act="say", section="allergies")
    assert "Noix &lt;crues&gt;" in kept.text and "Aucune allergie connue" not in kept.text


@pytest.mark.parametrize("given", [{"act": "say", "section": "devices"}, {"act": "other", "section": "allergies"}])
async def test_what_no_form_sends_is_answered_as_nothing(space: Space, given: dict[str, str]) -> None:
    await a_record(space)
    browser = await signed_in(space)
    assert (await send(browser, "/mon-profil/p1", "/mon-profil/p1", **given)).status_code == 404
