"""The desk of identities, and what a person asks to have put right. RGPD art. 12.3 and 16, RNIV, RGAA 4.1."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.closed import Space
from tests.site.accessible import document, errors, said
from tests.site.records import a_record, send, signed_in
from tests.smart.browser import Browser

DESK, MINE = "/identites", "/mes-rectifications"
INS = "urn:oid:1.2.250.1.213.1.4.11"


def a_patient(id: str, number: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "active": True,
        "identifier": [{"system": INS, "value": number}],
        "name": [{"use": "official", "family": "Exemple", "given": ["Ève"]}],
        "gender": "female",
        "birthDate": "1968-03-14",
        **more,
    }


@pytest.fixture
async def records(space: Space) -> Space:
    await a_record(space)
    await space.put(a_patient("s", "268033523800137"))
    await space.put(a_patient("t", "268033523800237"))
    await space.put({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/s"}})  # fmt: skip
    return space


async def administrator(space: Space) -> Browser:
    await space.put({"resourceType": "Person", "id": "alix", "name": [{"family": "ALIX", "given": ["Jo"]}]})
    return await signed_in(space, "alix", "Person/alix", duties=("administrator",))


async def test_two_records_are_compared_made_one_and_two_again(records: Space) -> None:
    browser = await administrator(records)
    # By INS or by number; what is typed stands in no address.
    answer = await send(browser, DESK, DESK, source="268033523800137", target="t")
    assert str(answer.url).endswith("/identites/s/t")
    page = document(answer)
    assert "268033523800137" in said(page) and "Mesures et résultats : 1 déplacés" in said(page)
    here = "/identites/s/t"
    page = document(await send(browser, here, here, act="merge", sure="yes", reason=" "), 422)
    assert "reason" in errors(page)
    page = document(await send(browser, here, here, act="merge", reason="Doublon"), 422)
    assert "sure" in errors(page)
    page = document(await send(browser, here, here, act="merge", sure="yes", reason="Doublon"))
    assert "n’en font plus qu’un" in said(page)
    # By the earlier number the one that there is.
    answer = await send(browser, DESK, DESK, source="268033523800137")
    assert str(answer.url).endswith("/identites/t")
    page = document(answer)
    assert "Le dossier s a été réuni avec celui-ci" in said(page) and "dossiers réunis (Doublon)" in said(page)
    page = document(await browser.http.get(here))
    assert "Les séparer de nouveau" in said(page)
    page = document(await send(browser, here, here, act="unmerge", sure="yes", reason="Erreur"))
    assert "de nouveau séparés" in said(page)


async def test_what_stands_against_it_is_said_in_french(records: Space) -> None:
    browser = await administrator(records)
    await records.put(a_patient("other", "268033523800337", birthDate="1990-01-01"))
    page = document(await browser.http.get("/identites/s/other"))
    assert "leurs traits diffèrent" in said(page) and not page.xpath("//main//form[.//textarea]")
    assert "ne se réunit pas avec lui-même" in said(document(await browser.http.get("/identites/s/s")))
    page = document(
        await send(browser, "/identites/s/other", "/identites/s/t", act="merge", sure="yes", reason="x"), 422
    )
    assert "leurs traits diffèrent" in said(page)
    for path in ("/identites/nobody", "/identites/s/nobody", "/identites/nobody/s"):
        document(await browser.http.get(path), 404)
    page = document(await send(browser, DESK, DESK, source="999", target="s"), 422)
    assert errors(page) == {"source": "Personne, ou plusieurs, n’ont ce numéro."}


async def test_who_has_the_same_traits_is_shown(records: Space) -> None:
    browser = await administrator(records)
    page = document(await browser.http.get("/identites/s"))
    assert "Dossier t homonyme : un autre INS" in said(page)
    assert page.xpath("//main//a/@href")[0].endswith("/identites/t/s")


async def test_a_person_asks_and_is_answered(records: Space) -> None:
    browser = await signed_in(records, "nathalie", "Patient/p1")
    page = document(await send(browser, f"{MINE}/p1", MINE, act="ask", about="traits", words=" "), 422)
    assert errors(page) == {"words": "De 1 à 2000 caractères."}
    page = document(await send(browser, f"{MINE}/p1", MINE, act="ask", about="traits", words="Ma date de naissance"))
    assert "demande envoyée" in said(page) and "Ma date de naissance" in said(page)
    desk = await administrator(records)
    page = document(await desk.http.get(DESK))
    assert "1 demande attend une réponse" in said(page)
    [action] = page.xpath("//article//form/@action")
    page = document(await send(desk, action, DESK, event="refuse", answer=""), 422)
    assert "De 1 à 2000 caractères." in errors(page).values()
    page = document(await send(desk, action, DESK, event="accept", answer="C’est corrigé."))
    assert "Aucune demande n’attend de réponse" in said(page)
    document(await send(desk, action, DESK, event="accept", answer="Encore."), 404)
    page = document(await browser.http.get(MINE))
    assert "acceptée" in said(page) and "C’est corrigé." in said(page)
    # Another's space is not there.
    document(await send(browser, f"{MINE}/p2", MINE, act="ask", about="traits", words="x"), 404)


async def test_a_request_is_taken_back(records: Space) -> None:
    browser = await signed_in(records, "nathalie", "Patient/p1")
    page = document(await send(browser, f"{MINE}/p1", MINE, act="ask", about="other", words="x"))
    [id] = page.xpath("//input[@name='request']/@value")
    page = document(await send(browser, f"{MINE}/p1", MINE, act="withdraw", request=str(id)))
    assert "retirée" in said(page) and not page.xpath("//input[@name='request']")


async def test_the_desk_is_for_administrators_alone(records: Space) -> None:
    for login, subject, more in (
        ("nathalie", "Patient/p1", {}),
        ("docteur", "Practitioner/d1", {}),
        ("verification", "Person/v", {"duties": ("verifier",)}),
    ):
        browser = await signed_in(records, login, subject, **more)
        for path in (DESK, "/identites/s", "/identites/s/t"):
            assert (await browser.http.get(path)).status_code == 403
