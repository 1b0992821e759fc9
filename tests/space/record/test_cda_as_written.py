"""CDA documents as hospitals write them, beyond those that are published: filed, retrieved and shown.

HL7 CDA R2; HL7 V3 data types R1 (ED §2.4, TS §2.15); XML 1.0 §4.3.3. Each row is one thing that software writes
otherwise than the national examples; what is filed comes back byte for byte, and its text is on the page.
"""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.server.people import kept
from tests.server.whole import asking
from tests.space.record.cda_documents import INS, PIECES, SERIES, cda, patient, with_text

pytestmark = pytest.mark.asyncio(loop_scope="module")
_numbers = itertools.count(1)
PDF, RTF, TIFF = b"%PDF-1.4\n%%EOF", b"{\\rtf1\\ansi Bonjour}", b"II*\0" + bytes(40)
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000") + bytes(20)
PERSON, TARGET, ACT = PIECES["author"], PIECES["record_target"], PIECES["act"]
DEVICE = (
    '<author><time value="20260104"/><assignedAuthor><id root="1.2.250.1.71.4.2.1" extension="1750000001/77"/>'
    "<assignedAuthoringDevice><softwareName>LIS 4</softwareName></assignedAuthoringDevice></assignedAuthor></author>"
)
STYLED = '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"/>%s</xsl:stylesheet>'
IMAGE = (
    '<entry><observationMedia classCode="OBS" moodCode="EVN" ID="I1">'
    f'<value mediaType="image/png" representation="B64">{b64encode(PNG).decode()}</value></observationMedia></entry>'
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data=tmp_path_factory.mktemp("written"), open=True)
    async with opened(settings) as house, asking(house) as found:
        await kept(house, patient(id="demo"))
        yield found


def body(kind: str, content: bytes | str, said: str = ' representation="B64"') -> bytes:
    words = content if isinstance(content, str) else b64encode(content).decode()
    text = f'<text mediaType="{kind}"{said}>{words}</text>'
    return cda(body=f"<component><nonXMLBody>{text}</nonXMLBody></component>")


def inside(document: bytes) -> str:
    return document.decode().partition("?>")[2]


def encoded(name: str, codec: str) -> bytes:
    return cda().decode().replace("UTF-8", name).encode(codec)


def prefixed(document: bytes) -> bytes:
    return re.sub(rb"<(/?)([A-Za-z])", rb"<\1n:\2", inside(document).encode()).replace(b"xmlns=", b"xmlns:n=")


Found = Callable[[dict[str, Any]], Any]


def _attachment(name: str) -> Found:
    return lambda tree: tree["content"][0]["attachment"].get(name)


def _format(tree: dict[str, Any]) -> Any:
    return tree["content"][0]["format"]["code"]


def _authors(tree: dict[str, Any]) -> Any:
    by_id = {f"#{one['id']}": one["resourceType"] for one in tree["contained"]}
    return [by_id[one["reference"]] for one in tree["author"]]


def _type(tree: dict[str, Any]) -> Any:
    return tree["type"]["coding"][0]["code"]


def _start(tree: dict[str, Any]) -> Any:
    return tree["context"]["period"]["start"]


_created = _attachment("creation")
NO_START = ACT.replace('<low value="20260104092200+0100"/>', '<low nullFlavor="UNK"/>')
STAY = '<encompassingEncounter><effectiveTime><low value="20260103"/></effectiveTime>'
#: What is written otherwise → the document, what of its metadata is looked at and what that is, words on the page.
WRITTEN: list[tuple[str, bytes, Found, Any, str]] = [
    ("two authors, one a device", cda(author=PERSON + DEVICE), _authors, ["PractitionerRole", "Device"], "LIS 4"),
    ("a device alone", cda(author=DEVICE), _authors, ["Device"], "LIS 4"),
    ("a stylesheet around it", (STYLED % inside(cda())).encode(), _created, "2026-01-04T16:05:27+01:00", "Glycémie"),
    ("no seconds", cda(time='<effectiveTime value="202601041605+0100"/>'), _created, "2026-01-04T16:05:00+01:00", "4 janvier 2026 à 16:05"),
    ("a month", cda(time='<effectiveTime value="202601"/>'), _created, "2026-01", "janvier 2026"),
    ("an id with extension", cda(id='<id root="1.2.250.1.213.1.1.1.78" extension="CR 7/é"/>'), _type, "11502-2", "Glycémie"),
    ("no series", cda(series="", version=""), _type, "11502-2", "Glycémie"),
    ("two INS", cda(record_target=TARGET.replace('<id root="1.2.3.4.567" extension="IPP-1"/>', f'<id root="1.2.250.1.213.1.4.9" extension="{INS[1]}"/>')), _type, "11502-2", "Glycémie"),
    ("an INS with blanks", cda(record_target=TARGET.replace(INS[1], "2 69 05 49 588 157 80")), _type, "11502-2", "Glycémie"),
    ("a PDF", body("application/pdf", PDF), _format, "urn:ihe:iti:xds-sd:pdf:2008", "fichier 1"),
    ("a PDF of which nothing says that it is base64", body("application/pdf", PDF, ""), _format, "urn:ihe:iti:xds-sd:pdf:2008", "fichier 1"),
    ("an RTF", body("text/rtf", RTF), _format, "urn:ihe:iti-fr:xds-sd:rtf:2010", "fichier 1"),
    ("a TIFF", body("image/tiff", TIFF), _format, "urn:ihe:iti-fr:xds-sd:tiff:2010", "fichier 1"),
    ("text in base64", body("text/plain", "Café crème".encode()), _format, "urn:ihe:iti:xds-sd:text:2008", "Café crème"),
    ("text of Windows in base64", body("text/plain", "Café – crème".encode("cp1252")), _format, "urn:ihe:iti:xds-sd:text:2008", "Café – crème"),
    ("text as it is", body("text/plain", "Tout va bien.", ' representation="TXT"'), _format, "urn:ihe:iti:xds-sd:text:2008", "Tout va bien."),
    ("text that says nothing of itself", body("text/plain", "Tout va bien.", ""), _format, "urn:ihe:iti:xds-sd:text:2008", "Tout va bien."),
    ("a table and a picture", with_text('<table><tbody><tr><td>Hb</td><td>13</td></tr></tbody></table><renderMultiMedia referencedObject="I1"/>', IMAGE), _type, "11502-2", "<td>13</td>"),
    ("HTML in a narrative", with_text("<p>un</p><ul><li>deux</li></ul><h2>trois</h2><b>quatre</b><script>cinq</script>"), _type, "11502-2", "<p>un</p><ul><li>deux</li></ul><div><strong>trois</strong></div><strong>quatre</strong></div>"),
    ("XHTML in a narrative", with_text('<div xmlns="http://www.w3.org/1999/xhtml"><table><tr><td>un</td></tr></table></div>'), _type, "11502-2", "<td>un</td>"),
    ("ISO 8859-1", encoded("ISO-8859-1", "latin-1"), _type, "11502-2", "Glycémie"),
    ("Windows-1252", encoded("windows-1252", "cp1252"), _type, "11502-2", "Glycémie"),
    ("UTF-16 with its mark", encoded("UTF-16", "utf-16"), _type, "11502-2", "Glycémie"),
    ("UTF-16 the other way round", b"\xfe\xff" + encoded("UTF-16", "utf-16-be"), _type, "11502-2", "Glycémie"),
    ("UTF-8 with its mark", b"\xef\xbb\xbf" + cda(), _type, "11502-2", "Glycémie"),
    ("a prefix for CDA", prefixed(cda()), _type, "11502-2", "Glycémie"),
    ("a type of its own with the national one", cda(code='<code code="X1" codeSystem="1.2.3.4"><translation code="11502-2" codeSystem="2.16.840.1.113883.6.1"/></code>'), _type, "11502-2", "Glycémie"),
    ("a main act that is the second", cda(act='<documentationOf><serviceEvent><code code="HHQE004" codeSystem="1.2.250.1.213.2.5"/></serviceEvent></documentationOf>' + ACT), _start, "2026-01-04T09:22:00+01:00", "Microbiologie"),
    ("an act that is one instant", cda(act=ACT.replace('<effectiveTime><low value="20260104092200+0100"/></effectiveTime>', '<effectiveTime value="20260104"/>')), _start, "2026-01-04", "Microbiologie"),
    ("an act of which the stay says when", cda(act=NO_START, encounter=PIECES["encounter"].replace("<encompassingEncounter>", STAY)), _start, "2026-01-03", "Microbiologie"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "look", "is_there", "words"), [row[1:] for row in WRITTEN], ids=[row[0] for row in WRITTEN])  # fmt: skip
async def test_it_is_filed_retrieved_and_shown(
    client: httpx.AsyncClient, document: bytes, look: Found, is_there: Any, words: str
) -> None:
    file = named(document)
    answer = await client.post("DocumentReference/$file-cda", content=file, headers={"Content-Type": "application/xml"})
    assert answer.status_code == 201, answer.text
    tree = answer.json()
    assert look(tree) == is_there
    content = await client.get(tree["content"][0]["attachment"]["url"], headers={"Accept": "text/xml"})
    assert content.content == file
    page = await client.get(f"DocumentReference/{tree['id']}/$show")
    assert page.status_code == 200 and words in page.text, page.text
    assert "cinq" not in page.text
    judged = (await client.post("DocumentReference/$validate", json=tree)).json()["issue"]
    assert [one for one in judged if one["severity"] in ("error", "fatal")] == []


@pytest.mark.parametrize(("kind", "content"), [("application/pdf", PDF), ("text/rtf", RTF), ("image/tiff", TIFF)])
async def test_the_file_inside_is_opened_as_it_went_in(client: httpx.AsyncClient, kind: str, content: bytes) -> None:
    answer = await client.post(
        "DocumentReference/$file-cda", content=named(body(kind, content)), headers={"Content-Type": "application/xml"}
    )
    file = await client.get(f"DocumentReference/{answer.json()['id']}/$show?file=1")
    assert (file.status_code, file.content) == (200, content)


def named(document: bytes) -> bytes:
    """The same document under a name and in a series that no other has."""
    number = str(next(_numbers))
    for wide in ("utf-8", "utf-16-le", "utf-16-be"):
        series = f'"{SERIES}'.encode(wide)
        if series in document:
            return document.replace(series, f'"{SERIES}.{number}'.encode(wide))
    return document
