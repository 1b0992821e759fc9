"""`/mes-donnees`: asked for with the password, looked after, downloaded in parts. OWASP ASVS 4.2.1, 4.3; RFC 9110 §14."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.server.closed import Space
from tests.server.people import PASSWORD
from tests.site.accessible import document, errors, said
from tests.site.records import a_document, a_record, send, signed_in
from tests.space.notices.space import a_patient, related
from tests.space.portability.exporting import look


async def test_somebody_has_their_data_prepared_and_downloads_them(space: Space) -> None:
    await a_record(space)
    await a_document(space)
    browser = await signed_in(space)
    page = document(await browser.http.get("/mes-donnees"))
    assert "Préparer mes données" in said(page) and page.xpath("//main//input[@type='password']")
    refused = document(await send(browser, "/mes-donnees/p1", "/mes-donnees", act="start", password="wrong"), 403)
    assert "n’est pas le bon" in errors(refused)["password"]
    assert await look(space) == 0
    going = await send(browser, "/mes-donnees/p1", "/mes-donnees", act="start", password=PASSWORD)
    assert "En préparation" in said(document(going))
    assert (await browser.http.get("/mes-donnees/p1/archive")).status_code == 404
    assert await look(space) == 1
    ready = document(await browser.http.get("/mes-donnees"))
    assert any(one.endswith("/mes-donnees/p1/archive") for one in ready.xpath("//main//a/@href"))
    whole = await browser.http.get("/mes-donnees/p1/archive")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/zip")
    assert "no-store" in whole.headers["cache-control"]
    archive = zipfile.ZipFile(io.BytesIO(whole.content))
    assert archive.testzip() is None and "Analyse de sang" in archive.read("INDEX.HTM").decode()
    tag = whole.headers["etag"]
    rest = await browser.http.get("/mes-donnees/p1/archive", headers={"Range": "bytes=500-", "If-Range": tag})
    assert (rest.status_code, rest.content) == (206, whole.content[500:])
    assert rest.headers["content-range"] == f"bytes 500-{len(whole.content) - 1}/{len(whole.content)}"
    behind = await browser.http.get("/mes-donnees/p1/archive", headers={"Range": "bytes=99999999-"})
    assert behind.status_code == 416
    ended = await send(browser, "/mes-donnees/p1", "/mes-donnees", act="end")
    assert "Préparer mes données" in ended.text
    assert (await browser.http.get("/mes-donnees/p1/archive")).status_code == 404


async def test_a_representative_of_a_minor_takes_their_data_and_a_caregiver_nothing(space: Space) -> None:
    await a_record(space)
    await space.put(a_patient("m", born="2020-01-01"))
    await space.put(a_patient("old"))
    await space.put(related("c", "old", code="CAREGIVER"))
    parent = await signed_in(space, wards=("m",))
    page = (await parent.http.get("/mes-donnees")).text
    assert "/mes-donnees/p1" in page and "/mes-donnees/m" in page
    caregiver = await signed_in(space, "aidant", "RelatedPerson/c", wards=("old",))
    assert "Vous ne décidez d’aucun espace" in (await caregiver.http.get("/mes-donnees")).text


@pytest.mark.parametrize("patient", ["p2", "absent"])
async def test_what_is_others_and_what_is_not_there_are_answered_alike(space: Space, patient: str) -> None:
    await a_record(space)
    await space.put(a_patient("p2"))
    browser = await signed_in(space)
    assert (await browser.http.get(f"/mes-donnees/{patient}/archive")).status_code == 404
    answer = await send(browser, f"/mes-donnees/{patient}", "/mes-donnees", act="start", password=PASSWORD)
    assert answer.status_code == 404
    assert await look(space) == 0
