"""`/carnet`: a child's examinations, certificates, growth and vaccines, for parents and professionals; nobody else's.

Domain file (agenda) §3 and §4; arrêté of 14 November 2024; R4 vital signs; OWASP ASVS 4.2.1; WCAG 2.1 §1.1.1, §3.3.1.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from fhir_server.space.record.clinical_writers import WRITER
from tests.server.closed import Space
from tests.site.accessible import document, errors, said
from tests.site.records import send, signed_in
from tests.space.childhood.child import (
    BORN,
    CHILD,
    a_certificate,
    a_family,
    an_immunization,
    cda,
    observation,
    on,
    section,
    vital,
)
from tests.space.record.callers import Caller

HERE = "/carnet/child"


async def parent(space: Space) -> Any:
    return await signed_in(space, wards=("child",))


def rows(page: Any, heading: str) -> dict[str, str]:
    """First cell → last cell of the tables of a section."""
    found = page.xpath(f"//section[@aria-labelledby='{heading}']//tbody/tr")
    return {" ".join(row[0].text_content().split()): " ".join(row[-1].text_content().split()) for row in found}


async def test_a_notebook_says_where_each_examination_stands(space: Space) -> None:
    await a_family(space)
    body = cda(section("8716-3", vital("29463-7", "8.1", "kg")))
    for tree in a_certificate("c9", "urn:asip:ci-sis:cse-cs9:2017", body):
        await space.put(tree)
    for id, day, status in (("kept", on(125), "fulfilled"), ("off", on(65), "cancelled")):
        person = [{"actor": CHILD, "status": "accepted"}]
        await space.put({"resourceType": "Appointment", "id": id, "status": status, "start": f"{day}T10:00:00Z",
                         "end": f"{day}T10:30:00Z", "participant": person})  # fmt: skip
    browser = await parent(space)
    start = (BORN + timedelta(days=0)).isoformat()
    await send(
        browser, "/mon-agenda/child/prevention", "/mon-agenda/child/prevention", code="exam-j8", start=start, act="done"
    )
    page = document(await browser.http.get(HERE))
    states = rows(page, "examinations")
    assert len(states) == 20
    assert states["dans les 8 jours Certificat 1"].startswith("Fait")
    assert (
        states["9e mois Certificat 2"].startswith("Fait") and "Ouvrir le certificat" in states["9e mois Certificat 2"]
    )
    assert states["4 mois"].startswith("Rendez-vous honoré")
    assert states["2 mois"] == "Non noté" and states["15 à 16 ans"] == "À venir"
    assert page.xpath("//a[contains(@href, '/mon-dossier/child/document/c9')]")
    growth = said(page)
    assert "8,1 kg" in growth and "Certificat" in growth


async def test_growth_is_drawn_over_the_curves_and_stands_in_a_table(space: Space) -> None:
    await a_family(space)
    await space.put(observation("w", "29463-7", 8900, "g", on(366)))
    await space.put(observation("before", "29463-7", 3, "kg", on(-5)))
    browser = await parent(space)
    page = document(await browser.http.get(HERE))
    assert len(page.xpath("//*[local-name()='polyline'][contains(@class, 'curve')]")) == 15
    assert len(page.xpath("//*[local-name()='circle']")) == 1
    assert "8,9 kg" in said(page) and "Professionnel" in said(page) and "OMS" in said(page)
    for period in ("5-ans", "19-ans", "x"):
        document(await browser.http.get(f"{HERE}?courbe={period}"))


async def test_without_a_sex_or_a_birth_nothing_is_made_up(space: Space) -> None:
    await a_family(space, gender="unknown")
    await space.put(observation("w", "29463-7", 8.9, "kg", on(366)))
    browser = await parent(space)
    page = document(await browser.http.get(HERE))
    assert not page.xpath("//*[local-name()='polyline'][contains(@class, 'curve')]") and "8,9 kg" in said(page)
    tree = {"resourceType": "Patient", "id": "child", "active": True}
    await space.put(tree)
    assert "Le jour de naissance n’est pas connu" in said(document(await browser.http.get(HERE)))


async def test_doses_stand_against_the_calendar(space: Space) -> None:
    await a_family(space)
    for id, words, day in (("h1", "Hexyon", on(62)), ("b1", "BEXSERO", on(95)), ("x", "Fièvre jaune", on(300))):
        await space.put(an_immunization(id, words, day))
    await space.put(an_immunization("no", "Prevenar 13", on(62), status="not-done"))
    browser = await parent(space)
    page = document(await browser.http.get(HERE))
    table = page.xpath("//section[@aria-labelledby='vaccines']//tbody/tr")
    states = [(row[0].text_content().split(" (")[0], row[2].text_content()) for row in table]
    assert not any("grippe" in words for words, _ in states), "what is due to adults is in no child's notebook"
    hexavalent = [state for words, state in states if "hexavalent" in words]
    assert hexavalent[0].startswith("Fait") and hexavalent[1].startswith("En retard")
    assert not any(state.startswith("Fait") for words, state in states if "pneumocoque" in words)
    assert "Fièvre jaune" in said(page)


async def observations(space: Space) -> list[dict[str, Any]]:
    found = await Caller(space.house)("GET", "Observation?_sort=code")
    return [one["resource"] for one in found.json.get("entry", ())]


async def test_a_parent_s_measures_are_vital_signs_of_theirs(space: Space) -> None:
    await a_family(space)
    browser = await parent(space)
    sent = {
        "day": on(380),
        "weight": "9,2",
        "height": "75",
        "head": "45.5",
        "number": "5c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11",
    }
    for _ in range(2):
        page = await send(browser, HERE, HERE, **sent)
    assert "Les mesures sont ajoutées." in page.text and "9,2 kg" in page.text and "Famille" in page.text
    found = await observations(space)
    assert len(found) == 3
    for tree in found:
        assert tree["subject"] == CHILD and tree["performer"] == [{"reference": "Patient/p1"}]
        assert [one["code"] for one in tree["meta"]["tag"] if one["system"] == WRITER] == ["representative"]
        judged = await Caller(space.house)("POST", "Observation/$validate", tree)
        assert not [one for one in judged.json["issue"] if one["severity"] in ("error", "fatal")], judged.json


TOMORROW = (date.today() + timedelta(days=2)).isoformat()  # noqa: DTZ011 - two days ahead in every zone
WRONG: list[tuple[dict[str, str], str]] = [
    ({}, "weight"),
    ({"weight": "4000"}, "weight"),
    ({"weight": "92"}, "weight"),
    ({"weight": "0,92"}, "weight"),
    ({"weight": "neuf"}, "weight"),
    ({"weight": "9,2", "height": "0,75"}, "height"),
    ({"weight": "9,2", "height": "175"}, "height"),
    ({"head": "75"}, "head"),
    ({"weight": "9,2", "day": TOMORROW}, "day"),
    ({"weight": "9,2", "day": on(-1)}, "day"),
    ({"weight": "9,2", "day": ""}, "day"),
    ({"weight": "9,2", "day": "2025-02-30"}, "day"),
]


@pytest.mark.parametrize(("typed", "field"), WRONG)
async def test_what_is_no_measure_of_a_child_is_refused_at_its_field(
    space: Space, typed: dict[str, str], field: str
) -> None:
    """One year old: all of it or nothing is kept."""
    await a_family(space)
    browser = await parent(space)
    page = document(await send(browser, HERE, HERE, **{"day": on(380), **typed}), 400)
    assert list(errors(page)) == [field]
    assert await observations(space) == []


async def test_the_notebook_is_printed(space: Space) -> None:
    await a_family(space)
    await space.put(observation("w", "29463-7", 8.9, "kg", on(366)))
    browser = await parent(space)
    answer = await browser.http.get(f"{HERE}/carnet.pdf")
    assert answer.headers["content-type"] == "application/pdf" and "no-store" in answer.headers["cache-control"]
    assert answer.content.startswith(b"%PDF-1.4") and b"<pdfaid:part>1" in answer.content
    assert "8,9 kg".encode("cp1252") in answer.content and answer.content.count(b"/Type/Page/") > 1


async def test_an_adult_has_none_and_it_is_nobody_else_s(space: Space) -> None:
    await a_family(space)
    await space.put({"resourceType": "Patient", "id": "adult", "birthDate": "1996-01-01"})
    await space.put({"resourceType": "Patient", "id": "other", "birthDate": BORN.isoformat()})
    browser = await signed_in(space, wards=("child", "adult"))
    listed = document(await browser.http.get("/carnet"))
    assert [one.rpartition("/")[2] for one in listed.xpath("//main//a/@href")] == ["child"]
    for patient in ("adult", "other", "absent"):
        for page in ("", "/carnet.pdf"):
            assert (await browser.http.get(f"/carnet/{patient}{page}")).status_code == 404
        answer = await send(browser, f"/carnet/{patient}", HERE, day=on(380), weight="9,2")
        assert answer.status_code == 404
    assert await observations(space) == []


async def test_a_professional_sees_what_they_may_and_measures(space: Space) -> None:
    await a_family(space)
    ins = {"identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.11", "value": "219054958815799"}]}
    await space.put(
        {"resourceType": "Patient", "id": "child", "birthDate": BORN.isoformat(), "gender": "female", **ins}
    )
    await space.put(observation("w", "29463-7", 8.9, "kg", on(366)))
    browser = await signed_in(space, "docteur", "Practitioner/d1")
    assert (await browser.http.get("/patients/child/carnet")).status_code == 404
    await space.put({"resourceType": "CareTeam", "id": "t", "status": "active", "subject": CHILD,
                     "participant": [{"member": {"reference": "Practitioner/d1"}}]})  # fmt: skip
    await send(browser, "/patients/recherche", "/patients", ins="219054958815799")
    record = await browser.http.get("/patients/child")
    assert "/patients/child/carnet" in record.text
    page = document(await browser.http.get("/patients/child/carnet"))
    assert "8,9 kg" in said(page)
    after = await send(browser, "/patients/child/carnet", "/patients/child/carnet", day=on(385), weight="9,1")
    assert "Les mesures sont ajoutées." in after.text
    made = [one for one in await observations(space) if one["id"] != "w"]
    assert [one["performer"][0]["reference"] for one in made] == ["Practitioner/d1"]
    assert not [one for one in made[0]["meta"].get("tag", ()) if one["system"] == WRITER]
    pdf = await browser.http.get("/patients/child/carnet/carnet.pdf")
    assert pdf.headers["content-type"] == "application/pdf"


async def test_what_is_hidden_from_a_professional_is_in_no_notebook_of_theirs(space: Space) -> None:
    """Of the team nobody: the certificate that is masked tells nothing, nor do its measures."""
    await a_family(space)
    ins = {"identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.11", "value": "219054958815799"}]}
    await space.put(
        {"resourceType": "Patient", "id": "child", "birthDate": BORN.isoformat(), "gender": "female", **ins}
    )
    masked = [
        {
            "coding": [
                {
                    "system": "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
                    "code": "MASQUE_PS",
                }
            ]
        }
    ]
    body = cda(section("8716-3", vital("29463-7", "8.1", "kg")))
    for tree in a_certificate(
        "c9", "urn:asip:ci-sis:cse-cs9:2017", body, securityLabel=masked, author=[{"display": "x"}]
    ):
        await space.put(tree)
    await space.put(observation("w", "29463-7", 8.9, "kg", on(366)))
    browser = await signed_in(space, "docteur", "Practitioner/d1")
    await send(browser, "/patients/recherche", "/patients", ins="219054958815799")
    page = said(document(await browser.http.get("/patients/child/carnet")))
    assert "8,1 kg" not in page and "8,9 kg" not in page and "Fait" not in page
