"""Where the parameters of what comes in pages stand: in a URL, a body, or a page link that hides them.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from urllib.parse import quote

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.interactions.exchange import Context, Request
from fhir_server.search.answering.posted import PREFIX, Posted
from fhir_server.search.asking.query import WIRE


class Asked(NamedTuple):
    """What is asked, and how its pages are called.

    Attributes:
        request: with the parameters as they were given, those of a page link unsealed.
        posted: makes the links of its pages.
        here: the address it was posted to, which is its own link; None where it was not posted.
    """

    request: Request
    posted: Posted
    here: str | None


async def asked(request: Request, context: Context, path: str) -> Asked:
    """The request as it was first made.

    Args:
        request: first, or of a later page.
        context: of the caller, for whom long ones are kept.
        path: that is searched, relative to the base: what a page link is good for.

    Raises:
        InvalidParameter: a page link that this server did not give for this search, or with other parameters (400).
        Gone: what the link stands for is kept no longer (410).
    """
    grant = context.repository.grant
    caller = f"{grant.client} {grant.subject}" if grant.client else None
    posted = Posted(context.cursor_key, context.records, "" if grant.own else caller)
    token = next((value for name, value in request.query if name == "_cursor" and value.startswith(PREFIX)), None)
    if token is not None:
        if [name for name, _ in request.query if name not in WIRE] != ["_cursor"]:
            raise InvalidParameter("A page link of a posted search has no other parameters.", "http._cursor")
        return Asked(replace(request, query=tuple(await posted.opened(token, path))), posted, None)
    if request.method == "POST":
        return Asked(request, posted, "/".join([context.base, *(quote(part, safe="*$") for part in request.path)]))
    return Asked(request, replace(posted, hides=False), None)
