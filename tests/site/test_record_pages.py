"""The patient's documents: found by category, words and period; opened; nobody else's. CSP R1111-26 and following."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.access.grant import OPEN
from fhir_server.interactions.exchange import FHIR_JSON, Request
from fhir_server.space.record.pages.categories import CATEGORIES, category, condition, type_words
from fhir_server.space.record.pages.days import day
from tests.server.closed import Space, serving
from tests.site.accessible import document, errors, said
from tests.site.catalogue import a_patient
from tests.site.records import PDF, PNG, TYPES, a_document, a_record, send, signed_in
from tests.smart.browser import Browser

HERE = "/mon-dossier/p1"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        yield found


def titles(page: Any) -> list[str]:
    return [one.text_content() for one in page.xpath("//section[h2/@id='found']//article/h3/a")]


async def test_documents_are_told_in_words_with_dates_as_people_write_them(space: Space) -> None:
    await a_document(space)
    browser = await signed_in(space)
    page = document(await browser._followed(await browser.http.get("/mon-dossier")))
    assert titles(page) == ["Analyse de sang"]
    assert "CR d'examens biologiques · 3 mars 2026 · Zoé EXEMPLE" in said(page)


#: Type of a document → the category it is in.
PLACED = [
    ("11502-2", "", "BIOLOGIE"),
    ("57833-6", "", "ORD_SOIN"),
    ("EXPPAT_3", TYPES, "DIR_ANT"),
    ("X", "", "AUTR_DOC"),
]


@pytest.mark.parametrize(("type", "system", "where"), PLACED)
async def test_a_document_is_found_under_its_category_and_under_no_other(
    space: Space, type: str, system: str, where: str
) -> None:
    await a_document(space, type=type, **({"system": system} if system else {}))
    browser = await signed_in(space)
    for code in CATEGORIES:
        page = document(await browser.http.get(HERE, params={"rubrique": code}))
        assert titles(page) == (["Analyse de sang"] if code == where else []), code


def test_each_type_of_the_nomenclature_is_of_one_category_which_finds_it() -> None:
    for (system, code), _ in type_words().items():
        found = category({"type": {"coding": [{"system": system, "code": code}]}})
        name, values = condition(found)
        assert (f"{system}|{code}" in values.split(",")) is (name == "type"), code


#: What is looked for → whether a document of 3 March 2026 called "Analyse de sang" is found.
SEARCHES: list[tuple[dict[str, str], bool]] = [
    ({"text": "ANALYSE"}, True),
    ({"text": "sang, analyse"}, True),
    ({"text": "radio"}, False),
    ({"text": ") OR ("}, False),
    ({"since": "3 mars 2026"}, True),
    ({"since": "04/03/2026"}, False),
    ({"until": "2026-03-03"}, True),
    ({"until": "1er mars 2026"}, False),
    ({"category": "BIOLOGIE", "text": "sang"}, True),
    ({"category": "REMB", "text": "sang"}, False),
    ({"order": "soin"}, True),
    ({"order": "nothing", "category": "nothing"}, True),
    ({"folder": "nothing"}, False),
]


@pytest.mark.parametrize(("asked", "found"), SEARCHES)
async def test_documents_are_looked_for_and_no_word_is_in_an_address(
    space: Space, asked: dict[str, str], found: bool
) -> None:
    await a_document(space)
    browser = await signed_in(space)
    answer = await send(browser, f"{HERE}/recherche", HERE, **asked)
    assert bool(titles(document(answer))) is found
    assert not any(word in str(answer.url) for word in asked.values())


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "31 février 2026"}, "since"),
        ({"until": "hier"}, "until"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "until"),
    ],
)
async def test_a_day_that_does_not_exist_is_told_at_its_field(space: Space, asked: dict[str, str], field: str) -> None:
    browser = await signed_in(space)
    page = document(await send(browser, f"{HERE}/recherche", HERE, **asked), 400)
    assert errors(page).keys() == {field}
    assert page.get_element_by_id(field).get("value") == asked[field]


#: What is typed → the day it is.
DAYS = [
    ("3 mars 2026", "2026-03-03"),
    ("1er août 2025", "2025-08-01"),
    (" 03/03/2026 ", "2026-03-03"),
    ("3.3.2026", "2026-03-03"),
    ("2026-03-03", "2026-03-03"),
    ("3 March 2026", "2026-03-03"),
    *(
        (typed, None)
        for typed in ("", " ", "\0", "\\", "😀", "3 mars", "0/0/0000", "29/02/2025", "3 brumaire 2026", "٣ mars 2026")
    ),
]


@pytest.mark.parametrize(("typed", "found"), DAYS)
def test_a_day_is_read_as_people_write_it(typed: str, found: str | None) -> None:
    read = day(typed)
    assert (read.isoformat() if read else None) == found


async def test_a_search_is_of_one_session_and_of_none_other(space: Space) -> None:
    await a_document(space)
    browser = await signed_in(space)
    found = await send(browser, f"{HERE}/recherche", HERE, text="radio")
    other = Browser(space)
    await other.sign_in(await other.http.get("/auth/sign-in"))
    assert titles(document(await other.http.get(str(found.url)))) == ["Analyse de sang"]


async def test_documents_are_shown_a_page_at_a_time(space: Space) -> None:
    for number in range(23):
        await a_document(space, f"d{number}", f"Document {number}", date=f"2026-03-{number + 1:02d}T09:00:00Z")
    browser = await signed_in(space)
    first = document(await browser.http.get(HERE, params={"rubrique": "BIOLOGIE"}))
    assert "23 documents" in said(first)
    [more] = first.xpath("//nav[@class='pager']//a/@href")
    second = document(await browser.http.get(more))
    assert titles(first) + titles(second) == [f"Document {number}" for number in reversed(range(23))]
    # A position of one search is none of another: the first page is shown.
    cursor = more.partition("suite=")[2]
    again = await browser._followed(await browser.http.get(f"{HERE}?suite={cursor}"))
    assert titles(document(again)) == titles(first)


async def test_one_document_is_told_whole_and_its_file_is_as_it_was_filed(space: Space) -> None:
    await a_document(space)
    browser = await signed_in(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    for expected in ("Analyses de biologie", "3 mars 2026", "4 mars 2026 à 10:00", "Zoé EXEMPLE", "PDF, 1 Ko"):
        assert expected in said(page), expected
    opened = await browser.http.get(f"{HERE}/document/d1/contenu")
    assert (opened.content, opened.headers["content-type"]) == (PDF, "application/pdf")
    assert opened.headers["content-disposition"].startswith("inline; ")
    kept = await browser.http.get(f"{HERE}/document/d1/contenu?telecharger=1")
    assert kept.headers["content-disposition"].startswith("attachment; ")


async def test_a_long_file_is_sent_as_it_is_read(space: Space) -> None:
    body = PDF + bytes(range(256)) * 4096
    await a_document(space, body=body)
    binary = {"resourceType": "Binary", "id": "b-d1", "contentType": "application/pdf"}
    context = {"reference": "DocumentReference/d1"}
    binary |= {"securityContext": context, "data": base64.b64encode(body).decode()}
    request = Request("PUT", ("Binary", "b-d1"), body=json.dumps(binary).encode(), content_type=FHIR_JSON)
    await space.house.services.exchange(request, OPEN)
    browser = await signed_in(space)
    answer = await browser.http.get(f"{HERE}/document/d1/contenu")
    assert answer.content == body and answer.headers["content-length"] == str(len(body))


#: Media type, content → whether a browser opens it, and what the page shows of it itself.
FILES = [
    ("image/png", PNG, "inline", "img"),
    ("text/plain", "Café <b>fort</b>".encode(), "inline", "words"),
    ("text/plain", "Café".encode("cp1252"), "inline", "words"),
    ("application/rtf", b"{\\rtf1}", "attachment", ""),
    ("image/tiff", b"II*\0", "attachment", ""),
    ("text/html", b"<script>alert(1)</script>", "attachment", ""),
    ("image/svg+xml", b"<svg onload='alert(1)'/>", "attachment", ""),
    ("application/xml", b"<x/>", "attachment", ""),
]


@pytest.mark.parametrize(("media_type", "body", "how", "shown"), FILES)
async def test_a_browser_opens_only_what_cannot_act(
    space: Space, media_type: str, body: bytes, how: str, shown: str
) -> None:
    await a_document(space, media_type=media_type, body=body)
    browser = await signed_in(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    assert bool(page.xpath("//img")) is (shown == "img")
    assert bool(page.xpath("//div[contains(@class, 'words')][contains(., 'Café')]")) is (shown == "words")
    answer = await browser.http.get(f"{HERE}/document/d1/contenu")
    assert answer.headers["content-disposition"].startswith(how)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
    if how == "attachment" and media_type not in ("application/rtf", "image/tiff", "application/xml"):
        assert answer.headers["content-type"] == "application/octet-stream"


CDA = """<ClinicalDocument xmlns="urn:hl7-org:v3">
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><title>Bilan</title><languageCode code="fr-FR"/><component>
<structuredBody><component><section><title>Résultats</title><text><paragraph>Hémoglobine stable
<script>alert(1)</script></paragraph></text></section></component></structuredBody></component></ClinicalDocument>"""


async def test_a_cda_document_is_shown_as_a_page_that_runs_nothing(space: Space) -> None:
    await a_document(space, media_type="text/xml", body=CDA.encode())
    await a_document(space, "d2", media_type="text/xml", body=b"<broken")
    browser = await signed_in(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    assert "Résultats" in said(page) and "Hémoglobine stable" in said(page)
    broken = document(await browser.http.get(f"{HERE}/document/d2"))
    assert "Télécharger (document CDA" in said(broken)
    for number in ("1", "0", "x", "99999999999"):
        document(await browser.http.get(f"{HERE}/document/d1/contenu?fichier={number}"), 404)


async def test_a_file_inside_a_document_is_opened_from_its_page(space: Space) -> None:
    inside = base64.b64encode(PDF).decode()
    body = f"""<ClinicalDocument xmlns="urn:hl7-org:v3">
    <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><title>Bilan</title><component><nonXMLBody>
    <text mediaType="application/pdf" representation="B64">{inside}</text></nonXMLBody></component></ClinicalDocument>"""
    await a_document(space, media_type="text/xml", body=body.encode())
    browser = await signed_in(space)
    page = document(await browser.http.get(f"{HERE}/document/d1"))
    [link] = page.xpath("//a[contains(@href, 'fichier=')]/@href")
    opened = await browser.http.get(link)
    assert (opened.content, opened.headers["content-type"]) == (PDF, "application/pdf")


async def test_a_title_is_a_safe_name_of_a_file(space: Space) -> None:
    await a_document(space, title='..\\"/été\r\nX: y')
    browser = await signed_in(space)
    answer = await browser.http.get(f"{HERE}/document/d1/contenu")
    assert answer.headers["content-disposition"].endswith("filename*=UTF-8''___%C3%A9t%C3%A9__X_%20y.pdf")


async def test_a_document_leads_to_what_replaces_it_and_to_what_it_replaces(space: Space) -> None:
    await a_document(space, "old", "Ancien", status="superseded")
    link = {"code": "replaces", "target": {"reference": "DocumentReference/old"}}
    await a_document(space, "new", "Nouveau", relatesTo=[link])
    browser = await signed_in(space)
    assert titles(document(await browser.http.get(HERE))) == ["Nouveau"]
    old, new = [document(await browser.http.get(f"{HERE}/document/{id}")) for id in ("old", "new")]
    assert old.xpath("//a[contains(@href, '/document/new')]") and new.xpath("//a[contains(@href, '/document/old')]")


async def test_nobody_opens_what_is_another_s(space: Space) -> None:
    await a_patient(space, "p2")
    await a_document(space)
    browser = await signed_in(space, "other", "Patient/p2")
    for path in (HERE, f"{HERE}/document/d1", f"{HERE}/document/d1/contenu"):
        document(await browser.http.get(path), 404)
        # Nor by another record's address.
        document(await browser.http.get(path.replace("p1", "p2")), 200 if path == HERE else 404)


async def test_whoever_acts_for_several_chooses_for_whom_and_is_told_so(space: Space) -> None:
    await a_patient(space, "child", "DEMO", "Lou")
    await a_document(space, patient="child")
    browser = await signed_in(space, wards=("child",))
    page = document(await browser.http.get("/mon-dossier"))
    assert page.xpath("//main//a[contains(@href, '/mon-dossier/child')]/text()") == ["Lou DEMO"]
    page = document(await browser.http.get("/mon-dossier/child"))
    assert titles(page) == ["Analyse de sang"] and "Vous agissez au nom de Lou DEMO" in said(page)


async def test_children_of_one_name_are_told_apart_by_their_birth_as_people_write_it(space: Space) -> None:
    child = {"resourceType": "Patient", "id": "child", "name": [{"family": "DEMO", "given": ["Lou"]}]}
    browser = await signed_in(space, wards=("child",))
    for sex, words in (("male", "né"), ("female", "née"), ("unknown", "né(e)")):
        await space.put({**child, "birthDate": "2020-06-01", "gender": sex})
        for path in ("/mon-dossier", "/mes-acces"):
            [link] = document(await browser.http.get(path)).xpath(f"//main//a[contains(@href, '{path}/child')]")
            assert " ".join(link.text_content().split()) == f"Lou DEMO, {words} le 1er juin 2020"


@pytest.mark.parametrize(
    ("subject", "path", "status"),
    [
        ("Practitioner/d1", HERE, 403),
        (None, HERE, 303),
        (None, "/mon-dossier", 303),
        ("Patient/p1", "/mon-dossier", 303),
    ],
)
async def test_each_page_is_for_those_it_is_for(space: Space, subject: str | None, path: str, status: int) -> None:
    browser = await signed_in(space, subject=subject) if subject else Browser(space)
    assert (await browser.http.get(path)).status_code == status


async def test_what_is_looked_at_is_traced_with_who_looked(space: Space) -> None:
    from fhir_server.fhir.json import parse
    from fhir_server.store.filters import Refers

    await a_document(space)
    browser = await signed_in(space)
    await browser.http.get(f"{HERE}/document/d1/contenu")
    found = await space.house.repository().find({"AuditEvent": Refers("entity", "Binary/b-d1")})
    [event] = [parse(one.body) for one in found.versions]
    assert event["agent"][0]["who"] == {"reference": "Patient/p1"}
