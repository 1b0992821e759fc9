"""What kind of file somebody chose, by its first bytes and not by its name: WHATWG MIME Sniffing §6."""

from __future__ import annotations

from fhir_server.space.record.showing.files import kind

_KINDS = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff", "application/rtf"})
#: What a form offers to choose.
ACCEPT = ".pdf,.txt,.rtf,.jpg,.jpeg,.png,.tif,.tiff"


def media_type(body: bytes) -> str | None:
    """The media type of a file that people may add; None for any other."""
    known = kind(body)
    if known in _KINDS:
        return known
    return "text/plain" if known == "application/octet-stream" and _is_text(body) else None


def _is_text(body: bytes) -> bool:
    """Words alone, in UTF-8 or as older systems write French; markup is none, which a browser could take for a page."""
    if not body or b"\0" in body or body.lstrip()[:1] == b"<":
        return False
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", "replace")
    return all(c in "\t\r\n\f" or c.isprintable() or c == "\u00a0" for c in text)
