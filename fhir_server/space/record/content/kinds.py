"""Whether bytes are of the kind that is claimed, by how they begin.

Signatures of the kinds that the record knows: PDF, ISO 32000-1 §7.5.2; PNG, RFC 2083 §3.1; JPEG, ITU T.81 annex B;
TIFF 6.0 §2; RTF 1.9.1; GIF89a §17; XML 1.0 §2.8; gzip, RFC 1952 §2.3.1; ZIP, APPNOTE §4.3.7. Nothing is unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: Bytes that are looked at.
HEAD = 4_096
#: Media types that are one another's names.
_SAME = {
    "image/jpg": "image/jpeg",
    "image/tif": "image/tiff",
    "text/rtf": "application/rtf",
    "application/x-rtf": "application/rtf",
    "application/x-pdf": "application/pdf",
    "text/xml": "application/xml",
    # How HL7, IHE and makers of hospital software call a CDA document; PDSm and the CI-SIS say text/xml.
    "application/hl7-v3+xml": "application/xml",
    "application/hl7-cda+xml": "application/xml",
    "application/cda+xml": "application/xml",
    "application/x-hl7-cda+xml": "application/xml",
}
_TEXT = re.compile(rb"[^\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]+")
#: How XML in UTF-16 begins (XML 1.0 §4.3.3: every processor reads it), with a byte order mark or without → its name.
_WIDE = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml\s|[A-Za-z_!])")
#: A reader looks for a PDF's beginning in the first 1,024 bytes; what stands before it may be no page.
_PDF = re.compile(rb"[^<]{0,1019}%PDF-\d", re.DOTALL)
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|script|svg|iframe)\b", re.IGNORECASE)


def _begins(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _is_text(head: bytes) -> bool:
    # Words alone, in whatever encoding of one byte or in UTF-8: markup is none, which a browser could take for a page.
    return bool(_TEXT.fullmatch(head)) and told(head) is None


#: Media type → whether bytes that begin so are of it.
_KINDS: dict[str, Callable[[bytes], bool]] = {
    "application/pdf": lambda head: bool(_PDF.match(head)),
    "image/png": _begins(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": _begins(b"\xff\xd8\xff"),
    "image/tiff": _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "image/gif": _begins(b"GIF87a", b"GIF89a"),
    "application/rtf": _begins(b"{\\rtf"),
    "application/xml": lambda head: bool(_XML.match(_narrow(head))) and not _PAGE.match(_narrow(head)),
    "text/plain": _is_text,
    "application/zip": _begins(b"PK\3\4", b"PK\5\6"),
    "application/gzip": _begins(b"\x1f\x8b"),
}
#: How what nobody would call otherwise begins: found first, since text and XML could be nearly anything.
_TOLD = ("application/pdf", "image/png", "image/jpeg", "image/tiff", "image/gif", "application/rtf", "application/zip",
         "application/gzip")  # fmt: skip


def plain(media_type: str) -> str:
    """A media type without its parameters, small, and by one name."""
    essence = media_type.partition(";")[0].strip().lower()
    return _SAME.get(essence, essence)


def names(kind: str) -> frozenset[str]:
    """Every name of a media type, its own among them."""
    return frozenset({kind, *(name for name, one in _SAME.items() if one == kind)})


def told(head: bytes) -> str | None:
    """The kind that bytes are by how they begin; None of what could be many."""
    found = next((kind for kind in _TOLD if _KINDS[kind](head)), None)
    return found or ("text/html" if _PAGE.match(_narrow(head)) else None)


def _narrow(head: bytes) -> bytes:
    """The beginning of markup in UTF-16 as it would be in UTF-8; any other as it is."""
    encoding = _WIDE.get(head[:2])
    if encoding is None:
        return head
    return head[: len(head) // 2 * 2].decode(encoding, "replace").removeprefix("\ufeff").encode(errors="replace")


def agrees(media_type: str, head: bytes) -> bool:
    """Whether bytes that begin so may be of that type; of a type that is not known here, any may."""
    kind = _KINDS.get(plain(media_type))
    return kind is None or kind(head)
