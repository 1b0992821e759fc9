"""One's data, and those of the minors one represents: have them prepared, see how far it is, download them.

The password is asked again before they are prepared, where there is one: who finds a computer on takes nothing away.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response, StreamingResponse

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.outcome import FhirError, NotFound
from fhir_server.interactions.exchange import Request
from fhir_server.site.signed_in import Guest
from fhir_server.space.portability import keeping
from fhir_server.space.portability.sight import person
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.people import patients
from fhir_server.space.service import Surroundings

_SCOPES = (Scope("patient", "*", frozenset("rs")),)
#: Headers of a download that are of the answer.
_KEPT = ("Accept-Ranges", "Content-Disposition", "Content-Range", "Cache-Control")


async def show(guest: Guest[Surroundings]) -> Response:
    """The spaces whose data the person may take, and how far each is."""
    return await _page(guest)


async def ask(guest: Guest[Surroundings]) -> Response:
    """Have an archive prepared, or removed before its time."""
    patient, act = guest.path("patient"), guest.field("act", 20)
    if act not in ("start", "end") or not await _may(guest, patient):
        return guest.nothing()
    if act == "start" and not await guest.proves():
        return await _page(guest, wrong=patient, status=403)
    asked = parameters([{"name": "action", "valueCode": act}])
    # What was ended meanwhile is so already.
    with suppress(NotFound):
        await _asking(guest, patient).operate(("Patient", patient, "$export-record"), asked)
    return guest.to("/mes-donnees")


async def download(guest: Guest[Surroundings]) -> Response:
    """The archive, or the part of it that the browser asks for (RFC 9110 §14), read as it is sent."""
    patient = guest.path("patient")
    if not await _may(guest, patient):
        return guest.nothing()
    asking, sent = _asking(guest, patient), guest.visit.request.headers
    headers = {name: sent[name] for name in ("range", "if-range") if name in sent}
    try:
        answer = await asking.around.exchange(
            Request("GET", ("Patient", patient, "$export-archive"), headers=headers), asking.grant, asking.base
        )
    except FhirError as error:
        if error.status == 416:
            return Response(status_code=416, headers=dict(error.headers))
        return guest.nothing()
    stream = answer.stream
    assert stream is not None and stream.opened is not None
    told = {name: value for name, value in answer.headers.items() if name in _KEPT}
    told |= {"ETag": f'"{answer.version}"', "Content-Length": str(stream.end - stream.first)}
    given = StreamingResponse(stream.opened.pieces(), answer.status, told, media_type=answer.media_type)
    return guest.visit.known(given)


async def _may(guest: Guest[Surroundings], patient: str) -> bool:
    if patient not in guest.account.patients:
        return False
    try:
        await person(guest.service.repository(_grant(guest, patient)), patient)
    except FhirError:
        return False
    return True


def _grant(guest: Guest[Surroundings], patient: str) -> Grant:
    return patients(guest.account, patient, _SCOPES)


def _asking(guest: Guest[Surroundings], patient: str) -> Asking:
    return Asking(guest.service, _grant(guest, patient), guest.visit.addresses.base)


async def _page(guest: Guest[Surroundings], wrong: str = "", status: int = 200) -> Response:
    mine = [await _row(guest, one) for one in guest.account.patients if await _may(guest, one)]
    values = {
        "spaces": mine,
        "wrong": wrong,
        "asks": guest.account.password is not None,
        "code": guest.account.totp is not None,
    }
    return guest.page("portability/own", values, status)


async def _row(guest: Guest[Surroundings], patient: str) -> dict[str, Any]:
    export = await keeping.of(guest.service.records, guest.account.subject, patient)
    if export is not None and export.ends and export.ends <= datetime.now(UTC).timestamp() * 1000:
        export = None
    return {
        "patient": patient,
        "name": await guest.entrance.name_of(guest.account, patient),
        "own": guest.account.subject == f"Patient/{patient}",
        "export": export,
        "ends": datetime.fromtimestamp(export.ends / 1000, UTC) if export is not None and export.ends else None,
        "size": f"{export.size / 1_000_000:.1f}" if export is not None else "",
    }
