"""The path and query of a request, decoded strictly: what cannot be read is refused, never guessed.

RFC 3986 §2.1, https://hl7.org/fhir/R4/http.html#general
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from fhir_server.fhir.outcome import FhirError, Malformed

#: The longest URL read, in bytes; longer queries go by POST `_search`.
LONGEST = 16_384
#: The most parameters in one query or form.
MOST_PARAMETERS = 2_000
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class UriTooLong(FhirError):
    """The URL is longer than `LONGEST` bytes."""

    status = 414
    code = "too-long"


def segments(path: bytes) -> tuple[str, ...]:
    """The decoded segments of a path below the FHIR base; one final slash is ignored.

    Raises:
        Malformed: a bad escape, bytes that are not UTF-8, a control character, or an empty segment.
    """
    if path.endswith(b"/"):
        path = path[:-1]
    if not path:
        return ()
    if b"%" not in path:
        found = tuple(_text(path, "The path").split("/"))
    else:
        found = tuple(_decoded(part, "The path") for part in path.split(b"/"))
    if "" in found:
        raise Malformed("The path has an empty segment.", "http.url", code="value")
    return found


def pairs(query: bytes) -> tuple[tuple[str, str], ...]:
    """The decoded (name, value) pairs of a query or form, in order.

    Raises:
        Malformed: a bad escape, bytes that are not UTF-8, a control character, or too many parameters.
    """
    if not query:
        return ()
    parts = query.split(b"&")
    if len(parts) > MOST_PARAMETERS:
        raise Malformed(f"More than {MOST_PARAMETERS} parameters.", "http.url", code="too-costly")
    return tuple(_pair(part) for part in parts if part)


def _pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.replace(b"+", b" ").partition(b"=")
    return _decoded(name, "A parameter"), _decoded(value, "A parameter")


def _decoded(part: bytes, what: str) -> str:
    if b"%" in part:
        if _BAD_ESCAPE.search(part):
            raise Malformed(f"{what} has a percent sign that escapes nothing.", "http.url", code="value")
        part = unquote_to_bytes(part)
    return _text(part, what)


def _text(part: bytes, what: str) -> str:
    try:
        text = part.decode()
    except UnicodeDecodeError:
        raise Malformed(f"{what} is not UTF-8.", "http.url", code="value") from None
    if not text.isprintable() and _CONTROL.search(text):
        raise Malformed(f"{what} has a control character.", "http.url", code="value")
    return text
