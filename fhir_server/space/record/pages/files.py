"""What kind of file somebody chose, by its first bytes and not by its name: RFC 6838; WHATWG MIME Sniffing §6.

PDF: ISO 32000-1 §7.5.2. PNG: RFC 2083 §3.1. JPEG: ITU T.81 annex B. TIFF 6.0 §2. RTF 1.9.1.
"""

from __future__ import annotations

#: How a file begins → its media type.
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"{\\rtf", "application/rtf"),
)
#: What a form offers to choose.
ACCEPT = ".pdf,.txt,.rtf,.jpg,.jpeg,.png,.tif,.tiff"


def media_type(body: bytes) -> str | None:
    """The media type of a file that people may add; None for any other."""
    known = next((kind for beginning, kind in _BEGINNINGS if body.startswith(beginning)), None)
    return known or ("text/plain" if _is_text(body) else None)


def _is_text(body: bytes) -> bool:
    """Words alone, in UTF-8 or as older systems write French; markup is none, which a browser could take for a page."""
    if not body or b"\0" in body or body.lstrip()[:1] == b"<":
        return False
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", "replace")
    return all(c in "\t\r\n\f" or c.isprintable() or c == "\u00a0" for c in text)
