"""Documents as people read them: what a document says is there, and nothing that a browser would run or load.

HL7 CDA R2 §4.3.5; https://hl7.org/fhir/R4/documents.html#presentation; WCAG 2.1 (1.1.1, 1.3.1); OWASP XSS Prevention.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import get_args

import httpx
import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.record.showing import markup
from fhir_server.space.record.showing.shown import Shown, shown
from tests.space.record.browsing import Read
from tests.space.record.cda_documents import cda, patient, published, with_text

#: A script, written in each way that a document could carry it.
_ATTACKS = [
    "<script>alert(1)</script>",
    "<content onclick='alert(1)' style='background:url(https://x.example)'>a</content>",
    "<linkHtml href='javascript:alert(1)'>a</linkHtml>",
    "<linkHtml href=' JavaScript:alert(1)'>a</linkHtml>",
    "<linkHtml href='java&#9;script:alert(1)'>a</linkHtml>",
    "<linkHtml href='data:text/html;base64,PHNjcmlwdD4='>a</linkHtml>",
    "<linkHtml href='vbscript:x'>a</linkHtml>",
    "<linkHtml href='file:///etc/hostname'>a</linkHtml>",
    "<linkHtml href='//elsewhere.example/x'>a</linkHtml>",
    '<linkHtml href="https://x.example/&quot;onmouseover=&quot;alert(1)">a</linkHtml>',
    "<linkHtml href='https://x.example'>&lt;/a&gt;&lt;script&gt;alert(1)&lt;/script&gt;</linkHtml>",
    "<paragraph>&lt;img src=x onerror=alert(1)&gt;</paragraph>",
    "<iframe src='https://x.example'>a</iframe><object data='x'/><embed src='x'/>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    "<x:svg xmlns:x='http://www.w3.org/2000/svg' onload='alert(1)'><x:image href='https://x.example'/></x:svg>",
    "<table onload='x'><tr><td style='x' colspan='1\"onclick=\"x' scope='x\"'>a</td></tr></table>",
    "<content ID='a\" onclick=\"alert(1)'>a</content><linkHtml href='#a\" onclick=\"alert(1)'>b</linkHtml>",
    "<list styleCode='Arabic\" onclick=\"x'><item ID='x'>a</item></list>",
    "<footnote ID='n'><linkHtml href='javascript:x'>a</linkHtml></footnote><footnoteRef IDREF='n'/>",
    "<renderMultiMedia referencedObject='m'/>",
    "<paragraph>&#xFFFD;&#x85;&#x202E;</paragraph>",
    "<![CDATA[<script>alert(1)</script>]]>",
]
_MEDIA = (
    '<entry><observationMedia ID="m"><value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" mediaType="image/svg+xml"'
    ' representation="B64">PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+</value></observationMedia></entry>'
)


def _shown(file: bytes, media_type: str = "text/xml") -> Shown:
    found = shown(file, media_type)
    assert found is not None
    return found


def _text(inside: str, around: str = "") -> Read:
    return Read(_shown(with_text(inside, around)).markup)


_ATTRIBUTES = {"alt", "aria-label", "class", "colspan", "href", "id", "lang", "rel", "role", "rowspan", "scope", "src"}


@pytest.mark.parametrize("inside", _ATTACKS)
def test_nothing_that_runs_or_loads_comes_through(inside: str) -> None:
    read = _text(inside, _MEDIA)
    assert {tag for tag, _ in read.found} <= set(get_args(markup.Tag))
    for tag, attributes in read.found:
        assert attributes.keys() <= _ATTRIBUTES | {"tabindex", "type"}, tag
        address = attributes.get("href") or ""
        assert address.startswith(("https://", "http://", "mailto:", "#")) or "href" not in attributes
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
    assert read.others == 0


def test_only_the_two_lists_can_be_written() -> None:
    assert {"script", "style", "iframe", "object", "form", "input", "link", "meta", "svg"}.isdisjoint(
        get_args(markup.Tag)
    )
    with pytest.raises(KeyError):
        markup.Page().open("p", onclick="x")


# What a document says is there


def test_headings_follow_one_another_and_tables_name_their_columns() -> None:
    inner = "<component><section><title>Dedans</title><text>b</text></section></component>"
    table = (
        "<table><caption>Analyses</caption><tbody><tr><th>Sodium</th><td>140</td></tr></tbody>"
        "<thead><tr><td>Analyse</td><th colspan='2' scope='colgroup'>Résultat</th><th/></tr></thead></table>"
    )
    read = _text(table, inner)
    assert [tag for tag, _ in read.found if tag[:1] == "h" and tag[1:].isdigit()] == ["h2", "h2", "h3"]
    assert [one["scope"] for one in read.all("th")] == ["col", "colgroup", "row"]
    assert read.all("div")[1]["aria-label"] == "Analyses"
    assert [tag for tag, _ in read.found if tag in ("thead", "tbody")] == ["thead", "tbody"]


def test_lists_styles_and_languages_are_kept() -> None:
    inside = (
        "<list listType='ordered' styleCode='LittleAlpha'><caption>Liste</caption><item><caption>A</caption>un</item></list>"
        "<content styleCode='Bold Italics'>fort</content><content revised='delete'>rayé</content>"
        "<paragraph language='en-US'>fever</paragraph><sub>2</sub><sup>3</sup><br/>"
    )
    read = _text(inside)
    tags = [tag for tag, _ in read.found]
    assert read.all("ol") == [{"type": "a"}]
    assert {"strong", "em", "del", "sub", "sup", "br"} <= set(tags)
    assert {"lang": "en-US"} in read.all("p")


def test_a_link_goes_out_without_telling_where_from_or_to_its_place_in_the_text() -> None:
    inside = (
        "<linkHtml href='https://www.has-sante.fr/a?b=1&amp;c=2'>HAS</linkHtml>"
        "<linkHtml href='#ici'>plus bas</linkHtml><linkHtml href='#nulle-part'>rien</linkHtml>"
        "<content ID='ici'>ici</content><content ID='ici'>encore</content>"
    )
    read = _text(inside)
    out, here, nowhere = read.all("a")
    assert out == {"href": "https://www.has-sante.fr/a?b=1&c=2", "rel": "noopener noreferrer nofollow"}
    ids = [one["id"] for one in read.all("span") if "id" in one]
    assert ids == [(here["href"] or "")[1:]]
    assert nowhere["href"] not in (None, here["href"])


def test_notes_stand_at_the_end_with_a_way_there_and_back() -> None:
    read = _text("Fièvre<footnote ID='n'>39 °C<footnote>au coucher</footnote></footnote>. <footnoteRef IDREF='n'/>")
    ids = {one["id"] for _, one in read.found if "id" in one}
    ways = {(one["href"] or "")[1:] for one in read.all("a")}
    assert ways == ids
    assert "39 °C" in read.text and "au coucher" in read.text


# Pictures and files


def _png(width: int = 2, height: int = 2) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0\0\0" * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _media(content: bytes, media_type: str = "image/png", id: str = "m") -> str:
    value = f'<value mediaType="{media_type}" representation="B64">{b64encode(content).decode()}</value>'
    return f'<entry><observationMedia ID="{id}"><code displayName="Radio"/>{value}</observationMedia></entry>'


_NAMED = "<table><tr><td><renderMultiMedia referencedObject='m'><caption>Radio &amp; thorax</caption></renderMultiMedia></td></tr></table>"
_JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00\xff\xd9"
#: What is inside · as the document calls it · whether it is shown · what it is as a file.
MEDIA = [
    (_png(), "image/png", True, None),
    (_png(), "image/jpeg", True, None),
    (_JPEG, "image/jpeg", True, None),
    (b"GIF89a\x02\x00\x02\x00" + b"\0" * 20, "image/gif", True, None),
    (b"%PDF-1.7 ...", "image/png", False, "application/pdf"),
    (b"<svg onload='alert(1)'/>", "image/svg+xml", False, "application/octet-stream"),
    (b"<html>", "image/png", False, "application/octet-stream"),
    (b"II*\0....", "image/tiff", False, "image/tiff"),
    (_png(60_000, 60_000), "image/png", False, "image/png"),
    (b"\x89PNG\r\n\x1a\n", "image/png", False, "image/png"),
]


@pytest.mark.parametrize(("content", "media_type", "is_shown", "kind"), MEDIA)
def test_a_picture_is_shown_when_its_bytes_are_one_else_the_file_is_offered(
    content: bytes, media_type: str, is_shown: bool, kind: str | None
) -> None:
    found = _shown(with_text(_NAMED, _media(content, media_type)))
    pictures = Read(found.markup).all("img")
    assert [one["alt"] for one in pictures] == (["Radio & thorax"] if is_shown else [])
    assert [(one.media_type, one.content) for one in found.files] == ([] if kind is None else [(kind, content)])


def test_a_file_that_no_text_leads_to_is_offered_all_the_same() -> None:
    found = _shown(with_text("a", _media(b"%PDF-1.7")))
    assert [one.media_type for one in found.files] == ["application/pdf"]


def test_an_area_of_a_picture_is_shown_as_the_picture() -> None:
    area = f'<entry><regionOfInterest ID="m"><entryRelationship>{_media(_png(), id="z")[7:-8]}</entryRelationship></regionOfInterest></entry>'
    assert len(_text(_NAMED, area).all("img")) == 1


def test_what_is_kept_elsewhere_is_not_fetched() -> None:
    media = '<entry><observationMedia ID="m"><value><reference value="https://x.example/a.png"/></value></observationMedia></entry>'
    read = _text(_NAMED, media)
    assert read.all("img") == [] and "x.example" not in read.text


def _unstructured(inside: str, attributes: str = "") -> bytes:
    return cda(body=f"<component><nonXMLBody><text {attributes}>{inside}</text></nonXMLBody></component>")


def test_a_document_that_wraps_a_pdf_offers_it() -> None:
    file = _unstructured(b64encode(b"%PDF-1.4 x").decode(), 'mediaType="application/pdf" representation="B64"')
    found = _shown(file)
    assert [(one.media_type, one.content) for one in found.files] == [("application/pdf", b"%PDF-1.4 x")]


@pytest.mark.parametrize(
    ("inside", "attributes", "said"),
    [
        ("Bonjour &lt;b&gt;", 'mediaType="text/plain"', "Bonjour <b>"),
        (b64encode("Été".encode()).decode(), 'mediaType="text/plain" representation="B64"', "Été"),
        ("***", 'mediaType="application/pdf" representation="B64"', "ne peut pas être lu"),
        ('<reference value="https://x.example"/>', 'mediaType="application/pdf"', "n’est pas dans le document"),
    ],
)
def test_a_body_of_text_is_read_and_what_cannot_be_is_told(inside: str, attributes: str, said: str) -> None:
    assert said in Read(_shown(_unstructured(inside, attributes)).markup).text


def test_a_section_without_text_is_told_by_its_entries() -> None:
    body = (
        "<component><structuredBody><component><section><title>Poids</title><entry><observation>"
        '<code displayName="Poids"/><value value="72" unit="kg"/></observation></entry></section></component>'
        "</structuredBody></component>"
    )
    assert "Poids : 72 kg" in Read(_shown(cda(body=body)).markup).text


def test_in_short_it_is_said_who_wrote_what_of_whom() -> None:
    text = Read(_shown(cda()).markup).text
    for words in ("Nathalie EXEMPLE, née le 2 mai 1969", "4 janvier 2026 à 16:05", "Anne DUPONT", "Laboratoire"):
        assert words in text


# Bombs: more than a page can hold is refused, and nothing hangs

#: Why · the inside of the text · beside it.
BOMBS = [
    (
        "cells as wide as can be",
        "<table>" + "<tr><td colspan='999999999' rowspan='999'>a</td></tr>" * 50 + "</table>",
        "",
    ),
    ("pictures", "<renderMultiMedia referencedObject='m'/>" * 500, _media(_png())),
    ("one that names many", f"<renderMultiMedia referencedObject='{'m ' * 50}'/>" * 10, _media(_png())),
]


@pytest.mark.parametrize(("inside", "around"), [row[1:] for row in BOMBS], ids=[row[0] for row in BOMBS])
def test_a_bomb_is_refused(inside: str, around: str) -> None:
    with pytest.raises(FhirError) as refused:
        shown(with_text(inside, around), "text/xml")
    assert refused.value.status == 422


def test_more_text_than_a_page_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MOST_CHARACTERS", 10_000)
    with pytest.raises(FhirError, match="too long"):
        shown(with_text("a" * 20_000), "text/xml")


def test_tables_in_tables_as_deep_as_a_document_may_be_are_shown() -> None:
    depth = 20
    read = _text("<table><tr><td>" * depth + "a" + "</td></tr></table>" * depth)
    assert len(read.all("table")) == depth


@pytest.mark.skipif(not published(), reason="the published documents are not on this machine")
@pytest.mark.parametrize(("name", "file"), published(), ids=[name for name, _ in published()])
def test_the_documents_of_the_ans_are_shown(name: str, file: bytes) -> None:
    found = _shown(file)
    read = Read(found.markup)
    headings = [int(tag[1]) for tag, _ in read.found if tag[:1] == "h" and tag[1:].isdigit()]
    assert all(after - before <= 1 for before, after in zip([1, *headings], headings, strict=False)), name
    assert found.files or len(read.text) > 500


# Over HTTP


async def test_a_filed_document_is_shown_to_whom_asks_and_its_file_is_given(client: httpx.AsyncClient) -> None:
    await client.post("Patient", json=patient())
    file = _unstructured(b64encode(b"%PDF-1.4 x").decode(), 'mediaType="application/pdf" representation="B64"')
    filed = await client.post("DocumentReference/$file-cda", content=file, headers={"Content-Type": "text/xml"})
    address = f"DocumentReference/{filed.json()['id']}/$show"
    page = await client.get(address, headers={"Accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in page.headers["content-security-policy"]
    assert "Fichier joint" in page.text
    assert (await client.get(f"{address}?file=1")).content == b"%PDF-1.4 x"
    assert [(await client.get(f"{address}?file={n}")).status_code for n in ("2", "0", "x")] == [404, 400, 400]


async def test_a_pdf_is_opened_by_its_own_address(client: httpx.AsyncClient) -> None:
    content = [{"attachment": {"contentType": "application/pdf", "data": b64encode(b"%PDF-1.4").decode()}}]
    sheet = {"resourceType": "DocumentReference", "status": "current", "content": content}
    made = (await client.post("DocumentReference", json=sheet)).json()["id"]
    assert (await client.get(f"DocumentReference/{made}/$show")).status_code == 422
