"""`If-Match`, `If-None-Match` and `If-Modified-Since`, judged against the current version.

https://hl7.org/fhir/R4/http.html#concurrency, https://hl7.org/fhir/R4/http.html#cread, RFC 7232.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fhir_server.fhir.outcome import Malformed, PreconditionFailed
from fhir_server.interactions.exchange import Request, Response
from fhir_server.store.protocol import Version

_TAG = re.compile(r'\s*(?:W/)?(?:"([^"]*)"|([A-Za-z0-9.\-]+))\s*(?:,|$)')


def require_match(request: Request, before: Version | None) -> None:
    """Hold a write to its `If-Match` and `If-None-Match`.

    Args:
        request: whose headers are judged.
        before: the version that would be overwritten; None or a deletion when there is nothing to overwrite.

    Raises:
        PreconditionFailed: the version the client knew is not the current one.
        Malformed: the header is not a list of entity tags.
    """
    if not request.headers:
        return
    # A deletion is a version as well: whoever brings the resource back names it by the ETag that its 410 had. `*` asks
    # for something to be there (RFC 9110 §13.1.1, §13.1.2), and after a deletion nothing is.
    current = None if before is None else str(before.version)
    there = before is not None and not before.deleted
    wanted = request.headers.get("if-match")
    if wanted is not None and not _names(wanted, current, there, "If-Match"):
        raise PreconditionFailed("The current version is not the one named by If-Match.", "http.If-Match")
    unwanted = request.headers.get("if-none-match")
    if unwanted is not None and _names(unwanted, current if there else None, there, "If-None-Match"):
        raise PreconditionFailed("A version named by If-None-Match is current.", "http.If-None-Match")


def unmodified(request: Request, version: Version) -> Response | None:
    """The 304 of a conditional read, or None when the resource is to be sent."""
    known = request.headers.get("if-none-match")
    if known is not None:
        same = _names(known, str(version.version), True, "If-None-Match")
    else:
        since = instant(request.headers.get("if-modified-since", ""))
        # RFC 7232 §3.3: HTTP dates count whole seconds.
        same = since is not None and version.at // 1000 <= since // 1000
    return Response(304, version=version.version, at=version.at) if same else None


def instant(value: str) -> int | None:
    """An HTTP date, or the FHIR instant of `Bundle.entry.request.ifModifiedSince`, in ms; None when it is neither."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value) if value[:1].isalpha() else datetime.fromisoformat(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError, TypeError, IndexError):
        # RFC 7232 §3.3: a date that is not valid is ignored.
        return None


def _names(header: str, version: str | None, there: bool, name: str) -> bool:
    if header.strip() == "*":
        return there
    return version in _tags(header, name)


def _tags(header: str, name: str) -> set[str]:
    found, at = set(), 0
    while at < len(header):
        tag = _TAG.match(header, at)
        if tag is None:
            raise Malformed(f'{name} is not a list of entity tags such as W/"1".', f"http.{name}", code="value")
        found.add(tag[1] if tag[1] is not None else tag[2])
        at = tag.end()
    if not found:
        raise Malformed(f'{name} is not a list of entity tags such as W/"1".', f"http.{name}", code="value")
    return found
