"""A CDA document on a page of the record: read there, its enclosed file opened, and nothing of it acts."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.server.closed import Space, serving
from tests.site.accessible import document, said
from tests.site.records import PDF, a_document, a_record, signed_in
from tests.space.record.cda_documents import cda, with_text

HERE = "/mon-dossier/p1/document/d1"
_WRAPPED = cda(
    body='<component><nonXMLBody><text mediaType="application/pdf" representation="B64">'
    f"{base64.b64encode(PDF).decode()}</text></nonXMLBody></component>"
)


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        yield found


async def test_a_document_is_read_on_its_page_which_stays_accessible(space: Space) -> None:
    text = "<table><thead><tr><th>Analyse</th></tr></thead><tbody><tr><td>Glycémie</td></tr></tbody></table>"
    await a_document(space, media_type="text/xml", body=with_text(text))
    page = document(await (await signed_in(space)).http.get(HERE))
    assert "Glycémie" in said(page) and "Anne DUPONT" in said(page)
    assert page.xpath("//div[@class='document']/@lang") == ["fr-FR"]


async def test_the_file_that_a_document_wraps_is_opened_from_its_page(space: Space) -> None:
    await a_document(space, media_type="text/xml", body=_WRAPPED)
    browser = await signed_in(space)
    [link] = document(await browser.http.get(HERE)).xpath("//a[contains(@href, 'fichier=1')]/@href")
    opened = await browser.http.get(link)
    assert (opened.content, opened.headers["content-type"]) == (PDF, "application/pdf")
    assert (await browser.http.get(f"{HERE}/contenu")).content == _WRAPPED
    answers = [(await browser.http.get(f"{HERE}/contenu?fichier={n}")).status_code for n in ("2", "0", "-1", "x", "²")]
    assert answers == [404] * 5


@pytest.mark.parametrize("body", [b"<x/>", b"no XML", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>'])
async def test_what_cannot_be_read_is_a_file_to_keep(space: Space, body: bytes) -> None:
    await a_document(space, media_type="text/xml", body=body)
    page = document(await (await signed_in(space)).http.get(HERE))
    assert page.xpath("//div[@class='document']") == []
    assert page.xpath("//a[contains(@href, 'telecharger=1')]")
