"""Which kind content is of, by how it begins and not by what it is called.

ISO 32000-1 §7.5.2 (PDF), RFC 2083 §3.1 (PNG), ITU T.81 annex B (JPEG), TIFF 6.0 §2, RTF 1.9.1, XML 1.0 §2.8.
"""

from __future__ import annotations

import pytest

from fhir_server.space.record.content.kinds import agrees, told

PDF, PNG, JPEG, TIFF = b"%PDF-1.7\n%abc", b"\x89PNG\r\n\x1a\nabc", b"\xff\xd8\xff\xe0abc", b"II*\0abc"
RTF, TEXT, XML = b"{\\rtf1 abc}", "Compte rendu du 3 mai, température 38°".encode(), b'<?xml version="1.0"?><a/>'
PAGE, ZIP, GZIP = b"<!DOCTYPE html><html>", b"PK\3\4abc", b"\x1f\x8b\x08abc"
CDA = b'\xef\xbb\xbf<ClinicalDocument xmlns="urn:hl7-org:v3">'


@pytest.mark.parametrize(
    ("media_type", "right", "wrong"),
    [
        ("application/pdf", [PDF, b"\xef\xbb\xbf\n" + PDF, b"junk " * 100 + PDF], [TEXT, PNG, PAGE + PDF, b"\0" * 1_024 + PDF, b""]),
        ("application/x-pdf", [PDF], [PNG]),
        ("image/png", [PNG], [JPEG, PDF, b"\x89PNG", TEXT]),
        ("image/jpeg", [JPEG], [PNG]),
        ("IMAGE/JPG", [JPEG], [PNG]),
        ("image/tiff", [TIFF, b"MM\0*abc", b"II+\0"], [JPEG, b"II*"]),
        ("application/rtf", [RTF], [TEXT, PDF]),
        ("text/rtf; charset=utf-8", [RTF], [TEXT]),
        ("text/plain", [TEXT, "Été".encode("cp1252"), b"a\tb\r\nc\x0c"], [PNG, JPEG, PAGE, b" \n<script>", b"a\0b", GZIP]),
        ("text/xml", [XML, CDA, b"\n<a/>", b"<!-- --><a/>"], [PAGE, TEXT, PDF, b"", b"<"]),
        ("application/xml", [XML], [b"<svg onload=x>", b"<html>"]),
        ("application/zip", [ZIP], [GZIP]),
        ("application/gzip", [GZIP], [ZIP]),
        # Of what is not known here, nobody can say that it is not what it says.
        ("application/dicom", [PDF, b""], []),
        ("", [PDF], []),
    ],
)  # fmt: skip
def test_bytes_are_of_a_kind_by_how_they_begin(media_type: str, right: list[bytes], wrong: list[bytes]) -> None:
    assert [agrees(media_type, head) for head in right] == [True] * len(right)
    assert [agrees(media_type, head) for head in wrong] == [False] * len(wrong)


def test_what_nobody_would_call_otherwise_is_told() -> None:
    heads = [PDF, PNG, JPEG, TIFF, RTF, ZIP, GZIP, PAGE, TEXT, XML, b""]
    found = ["pdf", "png", "jpeg", "tiff", "rtf", "zip", "gzip", "html", None, None, None]
    assert [(told(head) or "").rpartition("/")[2] or None for head in heads] == found
