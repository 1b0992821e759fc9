"""A way out of messages, for whoever does not sign in: RFC 8058, and a page with the same for people.

Looking changes nothing: mail systems open the links of messages (RFC 8058 §1). The POST carries no word of this
browser, since a mail system sends it; what may be changed by it stands in the address, under the server's key.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from fhir_server.oauth.endpoints import form
from fhir_server.site.visit import Visit
from fhir_server.space.notices.occasions import KINDS
from fhir_server.space.notices.pages.choosing import WORDS
from fhir_server.space.notices.preferences import none_of, prefer
from fhir_server.space.notices.unsubscribing import WayOut, way_out
from fhir_server.space.service import Surroundings

#: Of a form in parts, which has one field.
_FIELDS, _PART_BYTES = 10, 1_000


async def show(visit: Visit, service: Surroundings) -> Response:
    """The page that asks."""
    way = await way_out(service.records, _word(visit), datetime.now(UTC))
    return _nothing(visit) if way is None else _page(visit, way, "")


async def leave(visit: Visit, service: Surroundings) -> Response:
    """Some kinds, or all, are written of no more; answered here, not by a redirection (RFC 8058 §3.1)."""
    way = await way_out(service.records, _word(visit), datetime.now(UTC))
    if way is None:
        return _nothing(visit)
    given = await _given(visit.request)
    if given.get("List-Unsubscribe") == "One-Click" or given.get("what") == "these":
        done = "these"
    elif given.get("what") == "all":
        done = "all"
    else:
        return _page(visit, way, "", 400)
    kinds = KINDS if done == "all" else way.kinds
    await prefer(service.records, way.person, none_of(kinds, way.channel))
    return _page(visit, way, done)


async def _given(request: Request) -> dict[str, str]:
    """The fields of the form, which mail systems send as multipart/form-data rather than as browsers do (§3.2)."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return dict(await form(request) or ())
    try:
        async with request.form(max_files=0, max_fields=_FIELDS, max_part_size=_PART_BYTES) as parts:
            return {name: value for name, value in parts.items() if isinstance(value, str)}
    except HTTPException:
        return {}


def _word(visit: Visit) -> str:
    return str(visit.request.path_params["word"])


def _nothing(visit: Visit) -> Response:
    return visit.refused("There is nothing at this address.", 404)


def _page(visit: Visit, way: WayOut, done: str, status: int = 200) -> Response:
    values = {"kinds": [WORDS[one] for one in way.kinds], "channel": way.channel, "done": done}
    return visit.page("notices/leaving", values, status=status)
