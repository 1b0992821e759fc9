"""Reading CDA that nobody vouches for: XML's traps are refused, in words that name the place.

https://www.w3.org/TR/xml/, HL7 CDA R2 §4.2. Bombs are harmless stand-ins: what they would unfold to is never built.
"""

from __future__ import annotations

import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.record.cda import reading
from tests.space.record.cda_documents import PIECES, cda, published

_TEXT = cda().decode()
_HEAD, _ROOT = _TEXT.split("?>", 1)
_ENTITY = '<!DOCTYPE ClinicalDocument [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]>'
_OUTSIDE = '<!DOCTYPE ClinicalDocument SYSTEM "file:///etc/hostname">'
_STYLE = '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0">{}<x:template/></x:stylesheet>'

#: Why it is not read · the file · status · a word of the answer.
REFUSED = [
    ("entities", (_HEAD + "?>" + _ENTITY + _ROOT).encode(), 400, "document type"),
    ("an external subset", (_HEAD + "?>" + _OUTSIDE + _ROOT).encode(), 400, "document type"),
    ("an entity that nobody defined", _TEXT.replace("Laboratoire", "&labo;").encode(), 400, "Not XML"),
    ("cut short", _TEXT[:-40].encode(), 400, "Not XML"),
    ("nothing", b"", 400, "Not XML"),
    ("a PDF", b"%PDF-1.7 no XML", 400, "Not XML"),
    ("NUL", _TEXT.replace("Laboratoire", "La\0bo").encode(), 400, "Not XML"),
    ("a lone surrogate", _TEXT.encode().replace(b"Laboratoire", b"La\xed\xa0\x80bo"), 400, "Not XML"),
    ("Latin-1 that calls itself UTF-8", _TEXT.encode("latin-1"), 400, "Not XML"),
    ("an encoding that nobody knows", _TEXT.replace("UTF-8", "x-nobody").encode(), 400, "encoding"),
    ("several bytes a character", _TEXT.replace("UTF-8", "shift_jis").encode(), 400, "encoding"),
    ("deep nesting", cda(body="<component>" * 200 + "</component>" * 200), 422, "Nested deeper"),
    ("a header without end", cda(author="<author/>" * 6_000), 422, "header has more than"),
    ("another standard", b'<HealthRecord xmlns="urn:example"/>', 422, "no ClinicalDocument"),
    ("no namespace", _TEXT.replace(' xmlns="urn:hl7-org:v3"', "").encode(), 422, "no ClinicalDocument"),
    ("two documents", _STYLE.format(_ROOT * 2).encode(), 422, "more than one"),
    ("no typeId", cda(type_id=""), 422, "POCD_HD000040"),
    ("another typeId", cda(type_id='<typeId root="1.2" extension="POCD_HD000030"/>'), 422, "POCD_HD000040"),
]


@pytest.mark.parametrize(("file", "status", "word"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_cda_or_a_trap_is_refused_with_the_reason(file: bytes, status: int, word: str) -> None:
    with pytest.raises(FhirError) as refused:
        reading.read(file)
    assert refused.value.status == status
    assert word in refused.value.issues[0].diagnostics


def test_too_many_elements_are_refused_before_they_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ELEMENTS", 100)
    with pytest.raises(FhirError, match="More than 100 elements"):
        reading.read(cda(body="<component/>" * 200))


@pytest.mark.parametrize(
    "file",
    [
        cda(),
        _TEXT.replace("UTF-8", "UTF-16").encode("utf-16"),
        _TEXT.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        _TEXT.replace("UTF-8", "windows-1252").encode("cp1252"),
        b"\xef\xbb\xbf" + cda(),
        _TEXT.replace("<", "<c:").replace("<c:/", "</c:").replace("<c:?", "<?").replace("xmlns=", "xmlns:c=").encode(),
        (_HEAD + '?><?xml-stylesheet type="text/xsl" href="https://elsewhere.example/x.xsl"?>' + _ROOT).encode(),
        _STYLE.format(f"<y:Contenu xmlns:y='urn:asip-sante:ci-sis'>{_ROOT}</y:Contenu>").encode(),
    ],
    ids=["UTF-8", "UTF-16", "ISO-8859-1", "windows-1252", "BOM", "prefixed", "stylesheet named", "inside a stylesheet"],
)
def test_a_document_is_read_as_its_own_declaration_says_and_out_of_its_stylesheet(file: bytes) -> None:
    document = reading.read(file)
    assert document.text_of("title") == "Compte rendu d'examens biologiques"
    assert document.value("author/assignedAuthor/code", "displayName") == "Médecin - Biologie médicale (SM)"


def test_an_element_of_another_namespace_is_not_taken_for_one_of_cda() -> None:
    other = '<id xmlns="urn:elsewhere" root="9.9.9"/>' + PIECES["id"]
    assert len(reading.read(cda(id=other)).all("id")) == 1


@pytest.mark.skipif(not published(), reason="the published documents are not on this machine")
@pytest.mark.parametrize(("name", "file"), published(), ids=[name for name, _ in published()])
def test_the_documents_of_the_ans_are_read(name: str, file: bytes) -> None:
    assert reading.read(file).text_of("title"), name
