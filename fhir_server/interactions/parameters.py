"""Which parameters an interaction reads from its URL: what it does not read is refused, never passed over.

https://hl7.org/fhir/R4/http.html#parameters, https://hl7.org/fhir/R4/http.html#ccreate. Whoever writes
`POST Patient?identifier=…` means a conditional create, and would be given a duplicate. Searches, histories, operations
and conditional interactions read all of their query and judge it themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from fhir_server.fhir.outcome import Issue, Malformed, NotSupported
from fhir_server.interactions import shaping
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response

#: Those that every interaction may have (R4 http.html#parameters); the wire has read `_format` and `_pretty`.
GENERAL = frozenset({"_format", "_pretty", "_summary", "_elements"})


class Unread(NamedTuple):
    """What of a query an interaction reads besides `GENERAL`, and what is said of the rest.

    Attributes:
        writes: whether it changes something: the rest is then refused even under lenient handling.
        reads: names of its own.
        said: in words; the name of the parameter is put in front.
    """

    writes: bool
    said: str
    reads: frozenset[str] = frozenset()


_CHANGES = frozenset({"PUT", "PATCH", "DELETE"})
_BY_ID = "is not read here: {0} [type]/[id] has its id, and a {1} by criteria is {0} [type]?[criteria]."
_READ = "is no parameter of this interaction."

#: (method, shape of the path) as in `routes.ROUTES` → what it reads. A route that is not here judges its query itself.
UNREAD: dict[tuple[str, str], Unread] = {
    ("POST", "T"): Unread(
        True, "is not read here: the criteria of a conditional create stand in the header If-None-Exist."
    ),
    ("PUT", "T/I"): Unread(True, _BY_ID.format("PUT", "conditional update")),
    ("PATCH", "T/I"): Unread(True, _BY_ID.format("PATCH", "conditional patch")),
    ("DELETE", "T/I"): Unread(True, _BY_ID.format("DELETE", "conditional delete")),
    ("POST", ""): Unread(True, "is not read here: each entry of a batch or transaction has an url of its own."),
    ("GET", "T/I"): Unread(False, _READ),
    ("GET", "T/I/_history/V"): Unread(False, _READ),
    ("GET", "metadata"): Unread(False, _READ, frozenset({"mode"})),
}
#: Type → parameters that libraries add to a create of it by themselves, and that change nothing: @medplum/core names
#: the file of each Binary, for which R4's has no place.
ADDED = {"Binary": frozenset({"_filename"})}


def refuse_unread(request: Request, shape: str, strict: bool) -> None:
    """Refuse parameters and conditions that the interaction would not look at.

    Args:
        request: the call or Bundle entry.
        shape: of its path.
        strict: whether a read is held to it too; R4 lets a client ask for lenient handling.

    Raises:
        NotSupported: naming each such parameter, and what would be read instead (400).
        Malformed: `If-None-Exist` on another write than a create (400).
    """
    if "if-none-exist" in request.headers and (request.method in _CHANGES or (request.method, shape) == ("POST", "")):
        raise Malformed("If-None-Exist is for a create: POST [type].", "http.If-None-Exist", code="not-supported")
    unread = UNREAD.get((request.method, shape)) if request.query else None
    if unread is None or not (strict or unread.writes):
        return
    read = GENERAL | unread.reads
    if (request.method, shape) == ("POST", "T"):
        read |= ADDED.get(request.path[0], frozenset())
    names = dict.fromkeys(name for name, _ in request.query if name not in read)
    if names:
        raise NotSupported(
            issues=[
                Issue("error", "not-supported", f"{name[:64]!r} {unread.said}", f"http.{name[:64]}") for name in names
            ]
        )


def shaped(request: Request, response: Response, context: Context) -> Response:
    """The answer to a write with as much of the resource as `_summary` or `_elements` ask for."""
    if not request.query or context.prefer != "representation" or response.status >= 300:
        return response
    if not response.body or response.media_type != FHIR_JSON:
        return response
    return replace(response, body=shaping.part(request.query, response.body))
