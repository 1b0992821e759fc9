"""Which bytes of a content are asked for: RFC 9110 §14, one range at a time."""

from __future__ import annotations

import re
from typing import NamedTuple

from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.interactions.preconditions import instant
from fhir_server.store.protocol import Version

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(FhirError):
    """No byte of the content is in the range asked for."""

    status = 416
    code = "value"


class Part(NamedTuple):
    """The bytes from `first` to before `end` of so many."""

    first: int
    end: int
    size: int

    @property
    def said(self) -> str:
        """As `Content-Range` says it."""
        return f"bytes {self.first}-{self.end - 1}/{self.size}"


def asked(request: Request, version: Version, size: int) -> Part | None:
    """The part of a content that is asked for; None for all of it.

    What is no single range of bytes is passed over, as RFC 9110 §14.2 allows; so is one of a version that is no more
    (§13.1.5).

    Raises:
        Unsatisfiable: it begins behind the last byte.
    """
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or request.method != "GET" or not _is_current(request.headers.get("if-range"), version):
        return None
    first, last = found.groups()
    if (not first and not last) or (first and last and int(first) > int(last)):
        return None
    if first:
        part = Part(int(first), min(int(last) + 1, size) if last else size, size)
    else:
        part = Part(max(0, size - int(last)), size, size)
    if part.first >= part.end:
        words = "The range is outside of the content."
        raise Unsatisfiable(words, "http.Range", headers={"Content-Range": f"bytes */{size}"})
    return part


def _is_current(condition: str | None, version: Version) -> bool:
    """Whether `If-Range` names this version: by the strong tag it has as content, or to the second by its date."""
    if condition is None or condition.strip() == f'"{version.version}"':
        return True
    # §13.1.5: a date counts only as the very one that was sent.
    since = instant(condition) if condition[:1].isalpha() and not condition.startswith("W/") else None
    return since is not None and since // 1000 == version.at // 1000
