"""One version of one resource, current or past.

https://hl7.org/fhir/R4/http.html#vread
"""

from __future__ import annotations

import re

from fhir_server.fhir.outcome import NotFound
from fhir_server.interactions import binary_answers
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.preconditions import unmodified
from fhir_server.interactions.shaping import shown
from fhir_server.store.protocol import Version, Want

_VERSION = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


async def vread(request: Request, context: Context) -> Response:
    """200 with that version.

    Raises:
        NotFound: no such resource or version, or hidden (404).
        Gone: that version is the deletion (410).
    """
    type, id, _, version_id = request.path
    version = await named(context, type, id, version_id, "bare" if request.streams else "body")
    if type == "Binary":
        return await binary_answers.answered(request, context, version)
    return unmodified(request, version) or shown(request, version)


async def named(context: Context, type: str, id: str, version_id: str, want: Want = "body") -> Version:
    """The version that a URL names, whole or bare.

    Raises:
        NotFound: no such resource or version, or hidden (404).
        Gone: that version is the deletion (410).
    """
    if not _VERSION.fullmatch(version_id):
        raise NotFound(f"There is no such version of a {type}.")
    return await context.repository.vread(type, id, int(version_id), want)
