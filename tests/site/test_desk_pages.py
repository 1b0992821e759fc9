"""The desks of referencing: publisher, verifier, commission, administrator. CSP R1111-38, R1111-39; WCAG 2.1 AA."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.space.catalogue.apps import Category
from fhir_server.space.catalogue.dossiers import Result
from fhir_server.space.catalogue.impact_assessment import LARGEST
from fhir_server.space.catalogue.opening import of
from fhir_server.space.catalogue.reports import Reports
from fhir_server.space.catalogue.step_input import Act
from tests.server.closed import BASE, ROOT, Space, serving
from tests.site.accessible import document, errors, said
from tests.site.desks import CRITERIA, FILE, FORM, at_desk, desk, post, staffed, walked
from tests.smart.browser import Browser
from tests.space.catalogue.filing import ACTS, APP, DPIA, PEOPLE, SUIVI, TODAY

NEW = "/referencement/nouveau"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await staffed(found)
        yield found


async def filed(space: Space, **changes: Any) -> Any:
    browser = await at_desk(space, "camille")
    page = await browser.http.get(NEW)
    return await post(browser, NEW, page, **{"files": FILE, **FORM, **changes})


async def test_a_publisher_files_an_app_with_its_purposes_answers_and_assessment(space: Space) -> None:
    page = await filed(space)
    words = said(document(page))
    for expected in ("Dépôt", "Déposé, à vérifier", "Suivre ma tension", "Un abonnement", "aipd.pdf", "Présérie"):
        assert expected in words
    [made] = await desk(space).referencing.files(PEOPLE["publisher"])
    assert replace(made.proposed, id="", publisher="", status="EN_LIGNE") == APP
    assert (await desk(space).referencing.assessment(PEOPLE["publisher"], made.id))[1] == DPIA.data


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_the_empty_form_has_one_purpose_to_write(space: Space, language: str) -> None:
    browser = await at_desk(space, "camille")
    page = document(await browser.http.get(NEW, params={"lang": language}))
    assert len(page.xpath("//fieldset[@class='purpose']")) == 1


async def test_what_is_wrong_is_told_beside_each_field_and_nothing_typed_is_lost(space: Space) -> None:
    wrong = {"app.url": "carnet.example", "app.purpose[0].scope": "patient/*.rs", "answers.dpo": ""}
    page = await filed(space, **wrong)
    found = document(page, 422)
    assert errors(found).keys() == set(wrong)
    assert {one.lstrip("#") for one in found.xpath("//*[@role='alert']//a/@href")} == set(wrong)
    assert found.findtext(".//title").startswith("Erreur")
    for name, value in {"app.url": "carnet.example", "app.name": APP.name}.items():
        assert found.get_element_by_id(name).get("value") == value
    assert "Un abonnement" in found.get_element_by_id("answers.funding").text
    assert "Déjà reçue : aipd.pdf" in said(found)
    assert await desk(space).referencing.files(PEOPLE["publisher"]) == []


async def test_an_assessment_that_was_sent_is_not_sent_again(space: Space) -> None:
    browser = await at_desk(space, "camille")
    page = await post(browser, NEW, await browser.http.get(NEW), FILE, **{**FORM, "app.name": ""})
    page = await post(browser, NEW, page, **FORM)
    assert "Déposé, à vérifier" in said(document(page))
    [made] = await desk(space).referencing.files(PEOPLE["publisher"])
    assert (await desk(space).referencing.assessment(PEOPLE["publisher"], made.id))[1] == DPIA.data


async def test_another_person_s_assessment_is_not_found_by_its_word(space: Space) -> None:
    browser = await at_desk(space, "camille")
    page = await post(browser, NEW, await browser.http.get(NEW), FILE, **{**FORM, "app.name": ""})
    word = document(page, 422).xpath("//input[@name='kept']/@value")[0]
    other = await at_desk(space, "dominique")
    stolen = await post(other, NEW, await other.http.get(NEW), **FORM, kept=word)
    assert errors(document(stolen, 422)).keys() == {"dpia"}


#: What is sent as the assessment → nothing of it is taken.
FILES = {
    "a program": ("aipd.pdf", b"MZ\x90\x00", "application/pdf"),
    "a page": ("aipd.pdf", b"<html><script>alert(1)</script>", "application/pdf"),
    "too large": ("aipd.pdf", b"%PDF-" + b"x" * LARGEST, "application/pdf"),
    "empty": ("aipd.pdf", b"", "application/pdf"),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_known_by_its_bytes_and_not_larger_than_allowed(space: Space, name: str) -> None:
    found = document(await filed(space, files={"dpia": FILES[name]}), 422)
    assert errors(found).keys() == {"dpia"}
    assert found.get_element_by_id("app.name").get("value") == APP.name
    assert "Déjà reçue" not in said(found)


async def test_purposes_are_added_and_removed_without_losing_the_others(space: Space) -> None:
    browser = await at_desk(space, "camille")
    page = await post(browser, NEW, await browser.http.get(NEW), **FORM, do="add")
    found = document(page)
    assert len(found.xpath("//fieldset[@class='purpose']")) == 2
    assert found.get_element_by_id("app.purpose[0].label").get("value") == "Suivre ma tension"
    page = await post(browser, NEW, page, **FORM, **{"app.purpose[1].label": "Autre"}, do="remove-0")
    found = document(page)
    assert [one.get("value") for one in found.xpath("//input[contains(@name, '].label')]")] == ["Autre"]


async def test_an_app_without_exchange_is_filed_without_purposes_or_assessment(space: Space) -> None:
    page = await filed(space, files={"nothing": ("", b"")}, **{"app.exchanges": "no"})
    assert "Sans échange de données" in said(document(page))


async def test_a_client_id_that_is_another_app_s_is_told_beside_it(space: Space) -> None:
    await filed(space)
    found = document(await filed(space), 409)
    assert errors(found).keys() == {"app.client"}


async def test_a_form_that_is_none_or_much_too_large_is_refused(space: Space) -> None:
    browser = await at_desk(space, "camille")
    page = await browser.http.get(NEW)
    for body, kind, status in (
        (b"{}", "application/json", 403),
        (b"x", "multipart/form-data", 413),
        (b"--a\r\n", "multipart/form-data; boundary=a", 413),
        (b"\xff=\xff", "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=1" % n for n in range(3000)), "application/x-www-form-urlencoded", 413),
    ):
        answer = await browser.http.post(NEW, content=body, headers={"Origin": ROOT, "Content-Type": kind})
        document(answer, status)
    long = await post(browser, NEW, page, FILE, **{**FORM, "app.description": "x" * 2_000_000})
    document(long, 413)


#: Fields that no page of ours sends.
HOSTILE: list[dict[str, Any]] = [
    {"app.purpose[99].label": "x"},
    {"app.purpose[-1].label": "x", "app.purpose[x].label": "x", "app.purpose[0]": "x"},
    {"app.purpose[0].action": ["read", "delete"], "app.purpose[0].category": "evil|1", "app.category": ["x"] * 50},
    {"app.purpose[0].others": "|||\n|\n" + "x|" * 500},
    {"app.purpose[0].scope": "patient/" + "A" * 3000 + ".rs"},
    {"app.name": "\x00\x1b[31m", "app.url": "https://[::1", "app.version": "\u202e"},
    {"app.audience": "everybody", "app.exchanges": "perhaps", "answers.nothing": "x"},
    {"do": "remove-99999999"},
    {"do": "remove-²"},
    {"do": "nothing", "kept": "../../etc"},
    {"dpia": "not a file"},
]


@pytest.mark.parametrize("fields", HOSTILE)
async def test_fields_that_no_page_of_ours_sends_are_refused_or_left_out(space: Space, fields: dict[str, Any]) -> None:
    page = await filed(space, **fields)
    document(page, page.status_code)
    assert page.status_code in (200, 422)


@pytest.mark.parametrize(
    "fields",
    [
        {"step": "return", "version": "²", "reason": "\x00"},
        {"step": "verify", "criterion.SEC-01": "met' OR 1=1", "criterion.XXX": "met"},
        {"step": ["verify", "return"], "version": "9" * 50},
        {"step": "sign", "start": "9999-99-99"},
        {"step": "<script>"},
        {},
    ],
)
async def test_a_step_that_no_page_of_ours_sends_changes_nothing(space: Space, fields: dict[str, Any]) -> None:
    made = await walked(space)
    browser = await at_desk(space, "sacha")
    address = f"/referencement/{made.id}"
    page = await post(browser, address, await browser.http.get(address), **fields)
    document(page, page.status_code)
    assert page.status_code in (400, 409, 422)
    assert (await desk(space).referencing.get(PEOPLE["verifier"], made.id)).state == "filed"


async def test_a_form_from_elsewhere_does_nothing(space: Space) -> None:
    browser = await at_desk(space, "camille")
    for word, origin in (("forged", ROOT), (None, ROOT), ("", "https://evil.example")):
        data = {**FORM, **({} if word is None else {"word": word})}
        answer = await browser.http.post(NEW, data=data, files=FILE, headers={"Origin": origin})
        document(answer, 403)
    assert await desk(space).referencing.files(PEOPLE["publisher"]) == []


async def test_a_category_that_is_known_is_called_by_its_own_name_whatever_its_publisher_says(space: Space) -> None:
    tension = replace(SUIVI.categories[0], display="Rien du tout")
    other = Category("https://codes.example", "x1", "Autre mesure")
    app = replace(APP, purposes=(replace(SUIVI, categories=(tension, other)),))
    made = await desk(space).file(app)
    page = await (await at_desk(space, "sacha")).http.get(f"/referencement/{made.id}")
    assert "Pression artérielle, Autre mesure" in said(document(page)) and "Rien du tout" not in page.text


async def test_a_returned_file_says_why_and_is_completed(space: Space) -> None:
    made = await walked(space)
    act = Act("Le contact manque.", results={"SEC-07": Result("not-met", "Procédure absente")})
    await desk(space).referencing.step(PEOPLE["verifier"], made.id, "return", act)
    browser = await at_desk(space, "camille")
    page = await browser.http.get(f"/referencement/{made.id}")
    assert "Le contact manque." in said(document(page))
    address = f"/referencement/{made.id}/completer"
    page = await browser.http.get(address)
    assert "SEC-07 : Procédure absente" in said(document(page))
    page = await post(browser, address, page, **{**FORM, "answers.dpo": "Jo DEMO"})
    assert "Déposé, à vérifier" in said(document(page))
    kept = await desk(space).referencing.get(PEOPLE["publisher"], made.id)
    assert (kept.answers["dpo"], kept.dpia) == ("Jo DEMO", made.dpia)


async def test_a_new_version_begins_as_the_app_is(space: Space) -> None:
    made = await walked(space, "verify", "opine", "accept", "sign")
    browser = await at_desk(space, "camille")
    address = f"{NEW}/{made.app}"
    page = await browser.http.get(address)
    assert document(page).get_element_by_id("app.name").get("value") == APP.name
    same = await post(browser, address, page, FILE, **FORM)
    assert errors(document(same, 422)).keys() == {"app.version"}
    changed = {"app.version": "2.0.0", "app.purpose[0].retention": "Dix ans"}
    page = await post(browser, address, same, **{**FORM, **changed})
    assert "devront consentir à nouveau" in said(document(page))
    again = await post(browser, address, same, **{**FORM, **changed})
    document(again, 409)
    assert "déjà en cours" in said(document(again, 409))


async def test_the_verifier_answers_each_criterion(space: Space) -> None:
    made = await walked(space)
    browser = await at_desk(space, "sacha")
    address = f"/referencement/{made.id}"
    page = await browser.http.get(address)
    document(page)
    partly = {
        **CRITERIA,
        "criterion.SEC-01": "not-met",
        "criterion.SEC-01.comment": "Pas de certificat",
        "step": "verify",
    }
    del partly["criterion.ETH-01"]
    found = document(await post(browser, address, page, **partly), 422)
    assert errors(found).keys() == {"criterion.SEC-01", "criterion.ETH-01"}
    assert found.get_element_by_id("criterion.SEC-01.comment").text == "Pas de certificat"
    assert len(found.xpath("//input[@type='radio'][@checked]")) == len(CRITERIA) - 1
    done = await post(browser, address, page, **CRITERIA, step="verify")
    assert "Vérifié, avis attendu" in said(document(done))


async def test_the_verifier_returns_a_file_with_what_was_found(space: Space) -> None:
    made = await walked(space)
    browser = await at_desk(space, "sacha")
    address = f"/referencement/{made.id}"
    page = await browser.http.get(address)
    fields = {"criterion.SEC-01": "not-met", "criterion.SEC-01.comment": "Pas de certificat"}
    assert errors(document(await post(browser, address, page, **fields, step="return"), 422)).keys() == {"reason"}
    done = document(await post(browser, address, page, **fields, step="return", reason="Voir SEC-01."))
    assert "Non conforme – Pas de certificat" in said(done)


async def test_the_commission_gives_its_opinion(space: Space) -> None:
    made = await walked(space, "verify")
    browser = await at_desk(space, "claude")
    address = f"/referencement/{made.id}"
    page = await browser.http.get(address)
    assert errors(document(await post(browser, address, page, step="opine"), 422)).keys() == {"reason", "opinion"}
    done = await post(browser, address, page, step="opine", opinion="reserved", reason="Utile, à suivre.")
    assert "Favorable avec réserves" in said(document(done))


async def test_the_administrator_decides_signs_suspends_and_removes(space: Space) -> None:
    made = await walked(space, "verify", "opine")
    browser = await at_desk(space, "alix")
    address = f"/referencement/{made.id}"
    page = await post(browser, address, await browser.http.get(address), step="accept", reason="Conforme.")
    wrong = await post(browser, address, page, step="sign", start="demain", end=TODAY.isoformat())
    assert errors(document(wrong, 422)).keys() == {"start"}
    wrong = await post(browser, address, page, step="sign", start=TODAY.isoformat(), end="2001-01-01")
    assert errors(document(wrong, 422)).keys() == {"end"}
    end = (TODAY + timedelta(days=1000)).isoformat()
    page = await post(browser, address, page, step="sign", start=TODAY.isoformat(), end=end)
    assert "Référencé" in said(document(page))
    assert "Carnet Tension" in said(document(await Browser(space).http.get("/catalogue")))
    for step, state in (("suspend", "Suspendu"), ("resume", "Référencé"), ("dereference", "Déréférencé")):
        page = await post(browser, address, page, step=step, reason="Une raison.")
        assert document(page).xpath("string(//dd/strong)") == state
    assert "Carnet Tension" not in said(document(await Browser(space).http.get("/catalogue")))


#: Login → the buttons on a file that is referenced.
OFFERED = {"camille": ["take-offline"], "sacha": [], "claude": [], "alix": ["suspend", "dereference"]}


@pytest.mark.parametrize("login", OFFERED)
async def test_each_is_offered_the_steps_of_their_duty_alone(space: Space, login: str) -> None:
    made = await walked(space, "verify", "opine", "accept", "sign")
    browser = await at_desk(space, login)
    page = await browser.http.get(f"/referencement/{made.id}")
    assert document(page).xpath("//button[@name='step']/@value") == OFFERED[login]
    mine = await browser.http.get("/referencement")
    assert "Carnet Tension" in said(document(mine))
    if login != "alix":
        word = {"word": (await browser.http.get("/auth/me")).text.partition('name="word" value="')[2].partition('"')[0]}
        refused = await browser.http.post(
            f"/referencement/{made.id}", data={**word, "step": "dereference", "reason": "x"}, headers={"Origin": ROOT}
        )
        assert refused.status_code == 409
    assert (await desk(space).app(made)).status == "EN_LIGNE"


async def test_a_step_from_a_page_that_is_old_is_refused_and_says_so(space: Space) -> None:
    made = await walked(space, "verify")
    browser = await at_desk(space, "claude")
    address = f"/referencement/{made.id}"
    page = await browser.http.get(address)
    await desk(space).referencing.step(PEOPLE["commission"], made.id, "return", ACTS["return"])
    await desk(space).referencing.step(PEOPLE["publisher"], made.id, "complete")
    await desk(space).referencing.step(PEOPLE["verifier"], made.id, "verify", ACTS["verify"])
    late = await post(browser, address, page, step="opine", opinion="favourable", reason="Utile.")
    assert "a changé entre-temps" in said(document(late, 409))
    assert (await desk(space).referencing.get(PEOPLE["commission"], made.id)).state == "verified"


async def test_files_of_others_look_absent(space: Space) -> None:
    made = await walked(space, "verify", "opine", "accept", "sign")
    browser = await at_desk(space, "dominique")
    assert "Carnet" not in said(document(await browser.http.get("/referencement")))
    for address in (f"/referencement/{made.id}", "/referencement/none"):
        hidden = await browser.http.get(address)
        assert said(document(hidden, 404)) == said(document(await browser.http.get("/referencement/x"), 404))
        for more in ("/analyse-impact", "/completer"):
            document(await browser.http.get(address + more), 404)
    document(await browser.http.get(f"{NEW}/{made.app}"), 404)
    page = await browser.http.get(NEW)
    document(await post(browser, f"{NEW}/{made.app}", page, FILE, **FORM), 404)
    document(await post(browser, f"/referencement/{made.id}", page, step="take-offline", reason="x"), 404)


async def test_a_publisher_is_not_told_who_among_the_staff_took_a_step(space: Space) -> None:
    made = await walked(space, "verify")
    for login, told in (("camille", False), ("claude", True)):
        browser = await at_desk(space, login)
        assert ("SACHA" in said(document(await browser.http.get(f"/referencement/{made.id}")))) is told


async def test_the_assessment_is_downloaded_and_never_shown_in_our_pages(space: Space) -> None:
    made = await walked(space)
    answer = await (await at_desk(space, "sacha")).http.get(f"/referencement/{made.id}/analyse-impact")
    assert (answer.status_code, answer.content) == (200, DPIA.data)
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_files_are_shown_by_state_and_those_that_wait_come_first(space: Space) -> None:
    made = await walked(space)
    browser = await at_desk(space, "sacha")
    page = document(await browser.http.get("/referencement", params={"lang": "en"}))
    assert [one.text_content() for one in page.xpath("//table[1]//th[@scope='row']")] == ["Carnet Tension"] * 2
    assert "Files that wait for a step of yours" in said(page)
    none = document(await browser.http.get("/referencement", params={"state": "signed", "lang": "fr"}))
    assert "Aucun dossier." in said(none)
    document(await browser.http.get("/referencement", params={"state": "<x>"}))
    await desk(space).step(made, "verify")
    assert "Aucun dossier n’attend" in said(document(await browser.http.get("/referencement")))


async def test_reports_are_read_answered_and_closed_by_the_administrator(space: Space) -> None:
    made = await walked(space, "verify", "opine", "accept", "sign")
    kept = Reports(of(space.house.services).catalogue, BASE, True)
    await kept.file(await desk(space).app(made), "Patient/p1", "De la publicité <b>partout</b>.")
    browser = await at_desk(space, "alix")
    assert "Signalements à traiter : 1" in said(document(await browser.http.get("/referencement")))
    page = await browser.http.get("/signalements")
    assert "publicité <b>partout</b>" in said(document(page)) and "Patient/p1" not in page.text
    [report] = await kept.recent()
    address = f"/signalements/{report.id}"
    assert errors(document(await post(browser, address, page, answer=" "), 422)).keys() == {"answer"}
    done = document(await post(browser, address, page, answer="L’éditeur l’a retirée."))
    assert "Aucun signalement à traiter." in said(done) and "L’éditeur l’a retirée." in said(done)
    document(await post(browser, "/signalements/none", page, answer="x"), 404)
    document(await post(browser, f"/signalements/{made.id}", page, answer="x"), 404)
