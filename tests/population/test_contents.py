"""What the invented documents hold: PDF/A-1b, and CDA R2 whose header says what its sheet says.

ISO 19005-1; HL7 CDA R2; https://interop.esante.gouv.fr/ig/fhir/pdsm. veraPDF 1.28 finds nothing wrong with these PDFs:
run by hand, since it needs Java; what is looked at here is what it looks at first.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.population.generation import population
from fhir_server.space.record.cda.header import metadata
from fhir_server.space.record.cda.patient import subject
from fhir_server.space.record.cda.reading import read
from fhir_server.space.record.cda.tree import Node

Sheet = tuple[dict[str, Any], bytes]


@pytest.fixture(scope="module")
def sheets() -> list[Sheet]:
    found = {(r["resourceType"], r["id"]): r for r in population(150, 7)}
    return [
        (one, base64.b64decode(found["Binary", one["content"][0]["attachment"]["url"].removeprefix("Binary/")]["data"]))
        for (type, _), one in found.items()
        if type == "DocumentReference"
    ]


def of_type(sheets: list[Sheet], content_type: str) -> list[Sheet]:
    return [one for one in sheets if one[0]["content"][0]["attachment"]["contentType"] == content_type]


def test_a_pdf_says_it_is_pdf_a_1b_and_holds_its_font_and_colours(sheets: list[Sheet]) -> None:
    for sheet, body in of_type(sheets, "application/pdf"):
        assert sheet["content"][0]["format"]["code"] == "urn:ihe:iti:xds-sd:pdf:2008"
        assert re.match(rb"%PDF-1\.4\n%[\x80-\xff]{4}\n", body) and body.endswith(b"%%EOF\n")
        assert b"<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" in body
        assert b"/FontFile2" in body and b"/GTS_PDFA1" in body
        # Every object stands where the table says, after the person's own words were written in.
        table = int(re.search(rb"startxref\n(\d+)\n", body)[1])  # type: ignore[index]
        places = [int(row) for row in re.findall(rb"(\d{10}) 00000 n", body[table:])]
        assert all(body[place:].startswith(b"%d 0 obj" % n) for n, place in enumerate(places, 1))


def test_a_cda_document_says_what_its_sheet_says(sheets: list[Sheet]) -> None:
    documents = of_type(sheets, "text/xml")
    assert len(documents) > len(sheets) / 10
    formats: Counter[str] = Counter()
    for sheet, body in documents:
        tree: Node = read(body)
        whom = subject(tree)
        assert not list(whom.missing())
        made = metadata(tree, body, whom.tree, UTC, datetime.now(UTC))
        assert [one for one in made.issues if one.severity in ("error", "warning")] == []
        for element in ("type", "category"):
            assert code(made.tree[element]) == code(sheet[element])
        assert made.tree["masterIdentifier"]["value"] == sheet["masterIdentifier"]["value"]
        assert made.tree["content"][0]["format"]["code"] == sheet["content"][0]["format"]["code"]
        assert made.tree["content"][0]["attachment"]["hash"] == sheet["content"][0]["attachment"]["hash"]
        for element in ("facilityType", "practiceSetting"):
            assert code(made.tree["context"][element]) == code(sheet["context"][element])
        formats[sheet["content"][0]["format"]["code"]] += 1
    assert len(formats) >= 3, formats


def test_editions_of_a_document_are_of_one_series(sheets: list[Sheet]) -> None:
    by_id = {one["id"]: body for one, body in sheets}
    replaced = [
        (body, by_id[one["relatesTo"][0]["target"]["reference"].removeprefix("DocumentReference/")])
        for one, body in of_type(sheets, "text/xml")
        if "relatesTo" in one
    ]
    assert replaced
    for new, old in replaced:
        series = [re.search(rb'<setId root="([^"]+)"', body)[1] for body in (new, old)]  # type: ignore[index]
        assert series[0] == series[1]
        assert b'<versionNumber value="2"/>' in new and b'<versionNumber value="1"/>' in old


def code(node: Any) -> str:
    found: str = (node[0] if isinstance(node, list) else node)["coding"][0]["code"]
    return found
