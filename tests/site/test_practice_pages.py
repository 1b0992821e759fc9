"""A professional finds one patient, reads what they may, files, masks, and says why: CSP R1111-43, R1111-47, R1111-48."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.space.record.pages.finding import ATTEMPTS
from fhir_server.space.record.pages.practice_filing import types
from tests.server.closed import Space, serving
from tests.site.accessible import document, errors, said
from tests.site.records import LOINC, PDF, PNG, TYPES, a_document, a_record, send, signed_in
from tests.site.test_record_changes import labels, stored
from tests.site.test_record_pages import titles
from tests.smart.browser import Browser
from tests.space.record.callers import labelled

INS_DEMO = "urn:oid:1.2.250.1.213.1.4.11"
INS = "269054958815780"
HERE = "/patients/p1"
TRAITS = {"family": "Démo", "given": "Nathalie", "born": "3 mai 1969", "sex": "female"}
REASON = "Arrêt cardiaque à domicile"


async def patient(space: Space, id: str = "p1", ins: str = INS, given: str = "Nathalie", **more: Any) -> None:
    await space.put(
        {
            "resourceType": "Patient",
            "id": id,
            "identifier": [{"system": INS_DEMO, "value": ins}],
            "name": [{"family": "DEMO", "given": [given, "Marie"]}, {"use": "usual", "family": "MARTIN-DEMO"}],
            "birthDate": "1969-05-03",
            "gender": "female",
            **more,
        }
    )


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        await patient(found)
        # Whoever cares for the patient is presumed to be authorised.
        team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}}
        await found.put({**team, "participant": [{"member": {"reference": "Practitioner/d1"}}]})
        role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/d1"}}
        profession = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
        doctor = {"coding": [{"system": profession, "code": "10", "display": "Médecin"}]}
        await found.put({"resourceType": "Organization", "id": "o1", "name": "Maison de santé"})
        await found.put({**role, "organization": {"reference": "Organization/o1"}, "code": [doctor]})
        yield found


async def doctor(space: Space, **changes: Any) -> Browser:
    return await signed_in(space, "docteur", "Practitioner/d1", **{"roles": ("PractitionerRole/r1",), **changes})


async def again(space: Space) -> Browser:
    """Another browser of the same doctor."""
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), "docteur")
    return browser


async def opened(space: Space) -> Browser:
    """A doctor with the record open."""
    browser = await doctor(space)
    document(await send(browser, "/patients/recherche", "/patients", ins=INS))
    return browser


#: What is typed → whether the one patient is found.
TYPED: list[tuple[dict[str, str], bool]] = [
    ({"ins": INS}, True),
    ({"ins": "2 69 05 49 588 157 80"}, True),
    ({"ins": "269054958815781"}, False),
    (TRAITS, True),
    ({**TRAITS, "family": "demo", "given": "NATHALIE", "born": "03/05/1969"}, True),
    ({**TRAITS, "family": "Martin Demo"}, True),
    ({**TRAITS, "family": "Dem"}, False),
    ({**TRAITS, "given": "Nath"}, False),
    ({**TRAITS, "given": "Marie"}, False),
    ({**TRAITS, "born": "1969-05-04"}, False),
    ({**TRAITS, "sex": "male"}, False),
    ({**TRAITS, "family": "demo,martin"}, False),
]


@pytest.mark.parametrize(("typed", "found"), TYPED)
async def test_a_patient_is_found_exactly_or_not_at_all(space: Space, typed: dict[str, str], found: bool) -> None:
    browser = await doctor(space)
    answer = await send(browser, "/patients/recherche", "/patients", **typed)
    page = document(answer)
    assert answer.url.path == (HERE if found else "/patients/recherche")
    assert ("Nathalie Marie DEMO" in said(page)) is found
    assert not any(value in str(answer.url) for value in typed.values())


async def test_who_has_several_exercises_says_first_in_which_they_act(space: Space) -> None:
    for id in ("r1", "r2"):
        await space.put(
            {"resourceType": "PractitionerRole", "id": id, "practitioner": {"reference": "Practitioner/d1"}}
        )
    browser = await doctor(space, roles=("PractitionerRole/r1", "PractitionerRole/r2"))
    asked = document(await send(browser, "/patients/recherche", "/patients", ins=INS))
    assert "Dans quel exercice" in said(asked)
    page = await send(browser, "/auth/role?then=/patients", "/patients", role="PractitionerRole/r2")
    assert "Par matricule INS" in said(document(page))
    assert "Dossier du patient" in said(document(await send(browser, "/patients/recherche", "/patients", ins=INS)))


async def test_two_who_share_all_traits_are_told_apart_by_the_ins_alone(space: Space) -> None:
    await patient(space, "p2", "269054958815879")
    browser = await doctor(space)
    both = await send(browser, "/patients/recherche", "/patients", **TRAITS)
    nobody = await send(browser, "/patients/recherche", "/patients", **{**TRAITS, "born": "1970-01-01"})
    assert said(document(both)) == said(document(nobody))
    answer = await send(browser, "/patients/recherche", "/patients", ins=INS)
    assert answer.url.path == HERE
    # Référentiel INS: who opens the one is warned that there is another.
    assert "Attention, homonymie" in said(document(answer))
    await patient(space, "p2", "269054958815879", given="Anne")
    assert "homonymie" not in said(document(await browser.http.get(HERE)))


@pytest.mark.parametrize("missing", list(TRAITS))
async def test_every_trait_is_needed(space: Space, missing: str) -> None:
    browser = await doctor(space)
    typed = {name: value for name, value in TRAITS.items() if name != missing}
    page = document(await send(browser, "/patients/recherche", "/patients", **typed), 400)
    assert errors(page).keys() == {missing}


async def test_nobody_is_looked_for_without_end(space: Space) -> None:
    browser = await doctor(space)
    for _ in range(ATTEMPTS):
        await browser.http.get("/patients")
        document(await send(browser, "/patients/recherche", "/patients", ins="269054958815781"))
    page = await send(browser, "/patients/recherche", "/patients", ins=INS)
    assert "Trop de recherches" in said(document(page, 429))


async def test_no_record_opens_by_its_address_alone(space: Space) -> None:
    await a_document(space)
    browser = await doctor(space)
    assert "Ouvrir un dossier" in said(document(await browser._followed(await browser.http.get(HERE))))
    for path in (f"{HERE}/document/d1", f"{HERE}/document/d1/contenu"):
        document(await browser.http.get(path), 404)
    for path in ("recherche", "accord", "motif", "document/d1/visibilite"):
        document(await send(browser, f"{HERE}/{path}", "/patients"), 404)
    # Nor in another session of the same person.
    other = await again(space)
    document(await send(other, "/patients/recherche", "/patients", ins=INS))
    document(await browser.http.get(f"{HERE}/document/d1"), 404)


async def test_the_patient_at_hand_of_the_tools_is_that_of_the_record(space: Space) -> None:
    browser = await opened(space)
    assert "Nathalie Marie DEMO" in said(document(await browser.http.get("/outils")))
    # Another session begins with nobody, and is led to where one patient is found: no list of them is shown.
    other = document(await (await again(space)).http.get("/outils"))
    assert not other.xpath("//main//form") and not other.xpath("//main//strong")
    assert [one.partition("/patients")[1] for one in other.xpath("//main//a/@href")] == ["/patients"]


async def test_documents_of_two_years_are_shown_first_and_all_when_asked(space: Space) -> None:
    await a_document(space)
    await a_document(space, "old", "Ancien", context={"period": {"start": "2015-01-01"}})
    browser = await opened(space)
    assert titles(document(await browser.http.get(HERE))) == ["Analyse de sang"]
    assert sorted(titles(document(await browser.http.get(f"{HERE}?tout=1")))) == ["Analyse de sang", "Ancien"]
    found = await send(browser, f"{HERE}/recherche", HERE, text="ancien")
    assert titles(document(found)) == ["Ancien"] and "ancien" not in str(found.url)
    page = document(await send(browser, f"{HERE}/recherche", HERE, since="hier"), 400)
    assert errors(page).keys() == {"since"}


async def test_a_document_is_opened_and_its_file_is_as_it_was_filed(space: Space) -> None:
    await a_document(space)
    browser = await opened(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    assert "Zoé EXEMPLE" in said(page) and "née le 3 mai 1969" in said(page)
    assert (await browser.http.get(f"{HERE}/document/d1/contenu")).content == PDF


async def test_what_a_patient_masked_is_not_there_for_who_did_not_write_it(space: Space) -> None:
    await a_document(space, "other", "Secret", label="MASQUE_PS", author="Practitioner/d9")
    await a_document(space, "mine", "Le mien", label="MASQUE_PS")
    browser = await opened(space)
    assert titles(document(await browser.http.get(HERE))) == ["Le mien"]
    document(await browser.http.get(f"{HERE}/document/other"), 404)
    document(await browser.http.get(f"{HERE}/document/other/contenu"), 404)


FORM = {"title": "Compte rendu", "type": f"{LOINC}|11488-4", "number": "5b1f6f57-54c2-4b5c-9d2c-0f6b0a1f0a11"}


async def file(browser: Browser, body: bytes = PDF, **fields: Any) -> Any:
    files = {"file": ("a.pdf", body, "application/pdf")}
    return await send(browser, f"{HERE}/deposer", f"{HERE}/deposer", files, **{**FORM, **fields})


async def test_a_professional_files_a_document_for_their_establishment(space: Space) -> None:
    browser = await opened(space)
    page = document(await file(browser, day="2 mars 2026", hidden=["MASQUE_PS", "INVISIBLE_PATIENT"]))
    assert "déposé" in said(page) and titles(page) == ["Compte rendu"]
    [tree] = await stored(space)
    assert tree["author"][0]["reference"] == "Practitioner/d1"
    assert tree["custodian"]["reference"] == "Organization/o1"
    assert tree["context"]["period"]["start"] == "2026-03-02"
    assert sorted(labels(tree)) == ["INVISIBLE_PATIENT", "MASQUE_PS"]
    document(await file(browser))
    assert len(await stored(space)) == 1


#: What is sent → the field at which it is said what is wrong.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"body": b""}, "file"),
    ({"body": PNG}, "file"),
    ({"body": PDF + b" " * (10 * 1024 * 1024)}, "file"),
    ({"title": ""}, "title"),
    ({"title": "x" * 101}, "title"),
    ({"type": f"{TYPES}|DOCPAT01"}, "type"),
    ({"type": f"{TYPES}|EXPPAT_3"}, "type"),
    ({"type": f"{TYPES}|REMB"}, "type"),
    ({"type": "nothing"}, "type"),
    ({"day": "2999-01-01"}, "day"),
    ({"description": "x" * 501}, "description"),
]


@pytest.mark.parametrize(("changes", "field"), WRONG)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_filed(
    space: Space, changes: dict[str, Any], field: str
) -> None:
    browser = await opened(space)
    page = document(await file(browser, **changes), 400)
    assert errors(page).keys() == {field}
    assert await stored(space) == []


def test_types_of_patients_and_of_the_insurance_are_not_a_professional_s_to_file() -> None:
    codes = [code for _, rows in types() for (_, code), _ in rows]
    assert "11488-4" in codes and len(codes) == len(set(codes)) > 70
    assert not any(code.startswith(("DOCPAT", "EXPPAT", "REMB")) for code in codes)


async def test_who_wrote_a_document_masks_it_and_the_reason_is_in_the_trace(space: Space) -> None:
    from fhir_server.store.filters import Refers

    await a_document(space)
    browser = await opened(space)
    one = f"{HERE}/document/d1"
    short = document(await send(browser, f"{one}/visibilite", one, masked="yes", reason="court"), 400)
    assert errors(short).keys() == {"reason"}
    reason = "Le patient me l’a demandé en consultation"
    page = document(await send(browser, f"{one}/visibilite", one, masked="yes", reason=reason))
    assert "masqué" in said(page)
    assert [labels(tree) for tree in await stored(space)] == [["MASQUE_PS"]]
    traces = await stored(space, "AuditEvent", Refers("entity", "DocumentReference/d1"))
    assert any(reason in str(one.get("purposeOfEvent")) for one in traces)


@pytest.mark.parametrize(("rpps", "offered"), [("99700218896", True), ("99700218897", False)])
async def test_a_document_of_software_names_its_author_by_rpps(space: Space, rpps: str, offered: bool) -> None:
    # PDSm: authors of a comprehensive DocumentReference are contained.
    identifier = [{"system": "https://rpps.esante.gouv.fr", "value": "99700218896"}]
    await space.put({"resourceType": "Practitioner", "id": "d1", "identifier": identifier})
    person = {"resourceType": "Practitioner", "id": "who", "name": [{"family": "DUPONT"}]}
    person["identifier"] = [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{rpps}"}]
    role = {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "#who"}}
    await a_document(space, author="#role", contained=[person, role])
    browser = await opened(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    assert bool(page.xpath("//form[contains(@action, 'visibilite')]")) is offered


async def test_another_s_document_is_not_offered_to_be_masked(space: Space) -> None:
    await a_document(space, author="Practitioner/d9")
    browser = await opened(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    assert not page.xpath("//form[contains(@action, 'visibilite')]")


async def test_an_agreement_is_noted_when_the_box_is_ticked(space: Space) -> None:
    await a_document(space, author="Practitioner/d9")
    nobody = {"resourceType": "CareTeam", "id": "t1", "status": "inactive", "subject": {"reference": "Patient/p1"}}
    await space.put(nobody)
    browser = await opened(space)
    page = document(await send(browser, f"{HERE}/accord", HERE), 400)
    assert errors(page).keys() == {"agreed"} and titles(page) == []
    page = document(await send(browser, f"{HERE}/accord", HERE, agreed="yes"))
    assert "L’accord du patient est noté" in said(page) and titles(page) == ["Analyse de sang"]
    own = await signed_in(space)
    listed = document(await own.http.get("/mon-dossier/p1/professionnels"))
    assert "dit par ce professionnel" in said(listed)


async def test_an_emergency_needs_its_reason_and_is_told_on_every_page_until_it_ends(space: Space) -> None:
    await a_document(space)
    browser = await opened(space)
    page = document(await send(browser, f"{HERE}/motif", HERE, purpose="BTG", reason="court"), 400)
    assert errors(page).keys() == {"reason"}
    page = document(await send(browser, f"{HERE}/motif", HERE, purpose="BTG", reason=REASON))
    assert f"Dossier ouvert en urgence – {REASON}" in said(page)
    assert REASON in said(document(await browser.http.get(f"{HERE}/document/d1")))
    own = await signed_in(space)
    assert REASON in said(document(await own.http.get("/mes-acces/p1")))
    page = document(await send(browser, f"{HERE}/motif", HERE, purpose="TREAT"))
    assert REASON not in said(page)


@pytest.mark.parametrize(("ticked", "seen"), [(["regulation", "btg"], False), (["regulation", "btg", "masked"], True), (["regulation", "masked"], False)])  # fmt: skip
async def test_an_emergency_shows_what_is_masked_where_the_patient_said_so(
    space: Space, ticked: list[str], seen: bool
) -> None:
    await space.put(
        {"resourceType": "CareTeam", "id": "t1", "status": "inactive", "subject": {"reference": "Patient/p1"}}
    )
    await a_document(space, author="Practitioner/d9", securityLabel=labelled("MASQUE_PS"))
    own = await signed_in(space)
    document(await send(own, "/mon-dossier/p1/urgence", box=ticked))
    browser = await opened(space)
    assert titles(document(await browser.http.get(HERE))) == []
    await send(browser, f"{HERE}/motif", HERE, purpose="BTG", reason=REASON)
    assert titles(document(await browser.http.get(HERE))) == (["Analyse de sang"] if seen else [])
    assert (await browser.http.get(f"{HERE}/document/d1")).status_code == (200 if seen else 404)


#: How the patient's record stands to the doctor → what the doctor is told who finds nothing in it.
WHY = [
    ({"team": "inactive"}, "vous n’êtes pas de l’équipe de soins"),
    ({"team": "active", "blocks": True}, "ne vous permet pas de voir son dossier"),
    ({"team": "active"}, "aucun document"),
]


@pytest.mark.parametrize(("stands", "words"), WHY)
async def test_who_finds_nothing_is_told_why(space: Space, stands: dict[str, Any], words: str) -> None:
    team = {"resourceType": "CareTeam", "id": "t1", "status": stands["team"], "subject": {"reference": "Patient/p1"}}
    await space.put({**team, "participant": [{"member": {"reference": "Practitioner/d1"}}]})
    browser = await opened(space)
    if stands.get("blocks"):
        own = await signed_in(space)
        choice = {"act": "block", "practitioner": "Practitioner/d1"}
        document(await send(own, "/mon-dossier/p1/professionnels", **choice))
    assert words in said(document(await browser.http.get(HERE))).lower()


async def test_an_emergency_ends_by_itself(tmp_path: Path) -> None:
    async with serving(tmp_path, record_emergency_hours=1e-9) as space:
        await patient(space)
        browser = await opened(space)
        page = document(await send(browser, f"{HERE}/motif", HERE, purpose="BTG", reason=REASON))
        assert REASON not in said(page) and "Accès en urgence" in said(page)


async def test_regulation_is_for_those_whose_session_says_so(space: Space) -> None:
    browser = await opened(space)
    page = document(await send(browser, f"{HERE}/motif", HERE, purpose="ETREAT"), 400)
    assert "régulation" not in said(page)


@pytest.mark.parametrize("path", ["", "?tout=1", "/deposer", "/document/d1", "/document/d1/contenu"])
async def test_nobody_but_professionals_opens_a_record_so(space: Space, path: str) -> None:
    browser = await signed_in(space)
    assert (await browser.http.get(f"{HERE}{path}")).status_code == 403
    assert (await Browser(space).http.get(f"{HERE}{path}")).status_code == 303
