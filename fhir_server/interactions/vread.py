"""One version of one resource, current or past.

https://hl7.org/fhir/R4/http.html#vread
"""

from __future__ import annotations

import re

from fhir_server.fhir.outcome import NotFound
from fhir_server.interactions import binary
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.preconditions import unmodified
from fhir_server.interactions.shaping import shown
from fhir_server.store.protocol import Version

_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


async def vread(request: Request, context: Context) -> Response:
    """200 with that version.

    Raises:
        NotFound: no such resource or version, or hidden (404).
        Gone: that version is the deletion (410).
    """
    type, id, _, version_id = request.path
    version = await named(context, type, id, version_id)
    if type == "Binary" and binary.wants_raw(request):
        return unmodified(request, version) or binary.raw(version)
    return unmodified(request, version) or shown(request, version)


async def named(context: Context, type: str, id: str, version_id: str) -> Version:
    """The version that a URL names.

    Raises:
        NotFound: no such resource or version, or hidden (404).
        Gone: that version is the deletion (410).
    """
    if not _VERSION.fullmatch(version_id):
        raise NotFound(f"There is no such version of a {type}.")
    return await context.repository.vread(type, id, int(version_id))
