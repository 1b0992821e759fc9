"""Pages for people: WCAG 2.1 AA, RGAA 4.1; https://hl7.org/fhir/R4/narrative.html#security for what a narrative may hold."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from lxml import html

from fhir_server.interactions.exchange import Request, Response
from fhir_server.site.narrative import safe
from fhir_server.site.words import WORDS, language
from tests.server.stub import PATIENT, Stub

BASE = "http://fhir.test/fhir"
SEARCHSET: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "searchset",
    "total": 41,
    "link": [
        {"relation": "self", "url": f"{BASE}/Patient?name=d"},
        {"relation": "next", "url": f"{BASE}/Patient?name=d&_cursor=x"},
        {"relation": "previous", "url": f"{BASE}/Patient?name=d&_cursor=w"},
    ],
    "entry": [
        {"fullUrl": f"{BASE}/Patient/1", "resource": PATIENT, "search": {"mode": "match"}},
        {
            "resource": {
                "resourceType": "OperationOutcome",
                "issue": [{"severity": "warning", "code": "not-supported", "diagnostics": "ignored: foo"}],
            },
            "search": {"mode": "outcome"},
        },
    ],
}
HISTORY: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "history",
    "total": 2,
    "entry": [
        {
            "request": {"method": "DELETE", "url": "Patient/1"},
            "response": {"status": "204", "lastModified": "2026-02-01T00:00:00Z"},
        },
        {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/1"}},
    ],
}


def answering(resource: dict[str, Any], status: int = 200) -> Stub:
    async def answer(_: Request) -> Response:
        return Response(status, json.dumps(resource).encode())

    return Stub(answer)


async def page(stub: Stub, path: str, **headers: str) -> Any:
    response = await stub.ask("GET", path, headers={"Accept": "text/html", **headers})
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    document = html.document_fromstring(response.text)
    _is_accessible(document)
    policy = response.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    return document


def _is_accessible(document: Any) -> None:
    """What a machine can tell of RGAA: language, title, landmarks, one h1, labels, table headers, a skip link, unique ids."""
    assert document.get("lang") in ("fr", "en")
    assert document.findtext(".//title").strip()
    assert len(document.findall(".//h1")) == 1
    assert [len(document.findall(f".//{name}")) for name in ("header", "main", "footer")] == [1, 1, 1]
    skip = document.find(".//a[@class='skip']").get("href")[1:]
    assert document.get_element_by_id(skip).tag == "main"
    ids = [element.get("id") for element in document.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    for field in document.xpath("//input[not(@type='hidden')] | //select"):
        assert document.xpath(f"//label[@for='{field.get('id')}']")
    for table in document.findall(".//table"):
        assert table.find("caption") is not None
        assert table.xpath(".//thead//th[@scope='col']")
    for nav in document.findall(".//nav"):
        assert nav.get("aria-label")
    levels = [int(heading.tag[1]) for heading in document.xpath("//h1|//h2|//h3")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    # A page that runs no script of its own and sets no style of its own can have a strict policy.
    assert not document.xpath("//script[not(@src)] | //style | //*[@style] | //@*[starts-with(name(), 'on')]")
    assert not [link for link in document.xpath("//link/@href | //script/@src | //img/@src") if "fhir.test" not in link]


def links(document: Any) -> dict[str, str]:
    return {link.text_content().strip(): link.get("href") for link in document.xpath("//a")}


async def test_a_resource_page_shows_content_links_and_other_views() -> None:
    document = await page(Stub(), "/fhir/Patient/1")
    found = links(document)
    assert document.findtext(".//h1") == "Patient : Jeanne Durand"
    assert found["Organization/o1"] == f"{BASE}/Organization/o1"
    assert found["Historique"].startswith(f"{BASE}/Patient/1/_history")
    assert found["JSON"] == f"{BASE}/Patient/1?view=json"
    assert found["XML (brut)"] == f"{BASE}/Patient/1?_format=xml"
    assert "1.10" in document.text_content()


async def test_a_narrative_is_shown_without_what_could_run() -> None:
    document = await page(Stub(), "/fhir/Patient/1")
    narrative = document.find(".//div[@class='narrative']")
    assert html.tostring(narrative.find(".//p"), encoding="unicode").strip() == "<p>Jeanne <b>Durand</b></p>"
    assert not document.xpath("//script")


@pytest.mark.parametrize(("view", "shown"), [("json", '"valueDecimal": 1.10'), ("xml", '<valueDecimal value="1.10"/>')])
async def test_the_source_can_be_read_with_its_references_as_links(view: str, shown: str) -> None:
    document = await page(Stub(), f"/fhir/Patient/1?view={view}")
    assert shown in document.find(".//pre").text_content()
    assert links(document)["Organization/o1"] == f"{BASE}/Organization/o1"


async def test_a_search_page_has_results_pages_and_a_form() -> None:
    stub = answering(SEARCHSET)
    document = await page(stub, "/fhir/Patient?name=d&birthdate=&lang=fr")
    found = links(document)
    assert stub.requests[0].query == (("name", "d"),)
    assert "41" in document.text_content()
    assert found["Patient/1"].startswith(f"{BASE}/Patient/1?")
    assert found["Page suivante"] == f"{BASE}/Patient?name=d&_cursor=x"
    assert found["Page précédente"] == f"{BASE}/Patient?name=d&_cursor=w"
    assert "ignored: foo" in document.text_content()
    form = document.find(".//form")
    assert form.get("action") == f"{BASE}/Patient"
    assert document.get_element_by_id("p-name").get("value") == "d"
    assert document.get_element_by_id("p-birthdate").get("value") == ""
    assert document.xpath("//input[@name='general-practitioner']")


async def test_an_empty_search_says_so() -> None:
    document = await page(answering({"resourceType": "Bundle", "type": "searchset"}), "/fhir/Patient?lang=en")
    assert "No resource matches." in document.text_content()


async def test_a_history_page_lists_versions_and_deletions() -> None:
    document = await page(answering(HISTORY), "/fhir/Patient/1/_history")
    assert links(document)["Version 3"].startswith(f"{BASE}/Patient/1/_history/3")
    assert "DELETE (supprimée)" in document.text_content()


async def test_an_error_page_says_what_and_where() -> None:
    response = await Stub().ask("GET", "/fhir/Patient/missing", headers={"Accept": "text/html"})
    document = html.document_fromstring(response.text)
    _is_accessible(document)
    assert response.status_code == 404
    assert document.findtext(".//h1") == "Erreur 404"
    assert "Patient.id" in document.text_content()


async def test_the_capabilities_page_lists_the_types() -> None:
    statement = {
        "resourceType": "CapabilityStatement",
        "software": {"name": "s", "version": "1"},
        "rest": [{"mode": "server", "resource": [{"type": "Patient", "interaction": [{"code": "read"}]}]}],
    }
    document = await page(answering(statement), "/fhir/metadata")
    assert links(document)["Patient"].startswith(f"{BASE}/Patient?")


async def test_any_example_makes_a_page() -> None:
    tree = {
        "resourceType": "Basic",
        "contained": [{"resourceType": "Patient", "id": "p", "active": True, "multipleBirthInteger": 2}],
        "code": {"coding": [{"system": "urn:s", "code": "<b>"}, {"code": "c"}]},
        "subject": {"reference": "#p"},
        "text": {"status": "empty", "div": "not xhtml"},
        "extension": [{"url": "javascript:alert(1)", "valueUrl": "https://x.example/a?b=c&d"}],
        "_language": None,
    }
    document = await page(answering(tree), "/fhir/Basic/1")
    assert links(document)["#p"] == "#contained-p"
    assert "<b>" in document.text_content()
    assert not [href for href in document.xpath("//@href") if href.startswith("javascript")]


async def test_the_base_in_a_browser_is_the_home_page() -> None:
    stub = Stub()
    response = await stub.ask("GET", "/fhir", headers={"Accept": "text/html"})
    assert (response.status_code, response.headers["location"]) == (303, "http://fhir.test/")
    document = await page(stub, "/")
    assert "curl" in document.text_content()
    assert links(document)["Organization"].startswith(f"{BASE}/Organization?")


@pytest.mark.parametrize(
    ("asked", "accept", "chosen"),
    [
        (None, None, "fr"),
        ("en", None, "en"),
        ("fr", "en", "fr"),
        ("de", "en-GB,en;q=0.9", "en"),
        (None, "en-US,en;q=0.9,fr;q=0.8", "en"),
        (None, "en;q=0.5, fr-FR;q=0.9", "fr"),
        (None, "de, nl", "fr"),
        (None, "en;q=0, fr;q=x", "fr"),
    ],
)
def test_the_language_of_a_page(asked: str | None, accept: str | None, chosen: str) -> None:
    assert language(asked, accept) == chosen


async def test_pages_speak_english_when_asked() -> None:
    document = await page(Stub(), "/fhir/Patient/1?lang=en")
    assert document.get("lang") == "en"
    assert "History" in links(document)
    assert links(document)["Français"] == f"{BASE}/Patient/1?lang=fr"


def test_every_word_is_said_in_both_languages() -> None:
    assert all(french and english for french, english in WORDS.values())


@pytest.mark.parametrize(
    ("div", "shown"),
    [
        ('<p onclick="x()" style="a" class="b" id="c">t</p>', "<p>t</p>"),
        ("<script>x()</script>t", "t"),
        ('<a href="javascript:x()">t</a>', '<a rel="noopener noreferrer nofollow">t</a>'),
        ('<a href=" javascript:x()">t</a>', '<a rel="noopener noreferrer nofollow">t</a>'),
        ('<a href="https://x.example">t</a>', '<a href="https://x.example" rel="noopener noreferrer nofollow">t</a>'),
        ('<img src="https://x.example/t.png"/>', '<img alt="">'),
        ('<img src="data:image/svg+xml;base64,AAAA" alt="a"/>', '<img alt="a">'),
        ('<img src="data:image/png;base64,AAAA" alt="a"/>', '<img src="data:image/png;base64,AAAA" alt="a">'),
        ("<form><input/>t</form>", "t"),
        ("<h1>t</h1>", "<h3>t</h3>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        (
            '<svg xmlns="http://www.w3.org/2000/svg"><script>x()</script><a>t</a></svg>',
            '<a rel="noopener noreferrer nofollow">t</a>',
        ),
        ("<p>not closed", None),
    ],
)
def test_what_of_a_narrative_is_shown(div: str, shown: str | None) -> None:
    found = safe(f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>')
    assert found == ("" if shown is None else f"<div>{shown}</div>")


async def test_the_style_sheet_keeps_every_text_readable() -> None:
    """WCAG 2.1 §1.4.3: 4.5:1 between text and what it stands on."""
    css = (await Stub().ask("GET", "/static/site.css")).text
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", css))
    pairs = [
        ("ink", "paper"),
        ("ink", "soft"),
        ("link", "paper"),
        ("link", "soft"),
        ("bad", "paper"),
        ("warn", "paper"),
        ("good", "paper"),
    ]
    for text, ground in pairs:
        assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert _contrast("#ffffff", colours["bar"]) >= 4.5
    assert _contrast(colours["line"], colours["paper"]) >= 3


def _contrast(one: str, other: str) -> float:
    low, high = sorted(_luminance(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
