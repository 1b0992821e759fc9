"""The administrator's desk for what people report of apps: read, answered, closed. CSP R1111-39.

Who reported is not shown: an administrator of the catalogue sees nobody's record, nor whose it is.
"""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.fhir.outcome import NotFound
from fhir_server.site.signed_in import Guest
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.pages.my_apps import reports
from fhir_server.space.catalogue.reports import LONGEST


async def show(guest: Guest[Apps]) -> Response:
    """The newest reports, those to be dealt with first."""
    return await _page(guest)


async def close(guest: Guest[Apps]) -> Response:
    """A report dealt with, and how."""
    answer = guest.field("answer", LONGEST + 1)
    if not 0 < len(answer) <= LONGEST:
        return await _page(guest, guest.path("report"), answer, 422)
    try:
        await reports(guest).close(guest.path("report"), guest.account.subject, answer)
    except NotFound:
        return guest.nothing()
    return guest.to("/signalements?done=closed")


async def _page(guest: Guest[Apps], wrong: str = "", answer: str = "", status: int = 200) -> Response:
    found = await reports(guest).recent()
    apps = {app.id: app.name for app in await guest.service.catalogue.all()}
    values = {
        "open": [one for one in found if not one.closed],
        "closed": [one for one in found if one.closed],
        "apps": apps,
        "wrong": wrong,
        "answer": answer,
        "done": "closed" if guest.query("done") == "closed" else "",
        "longest": LONGEST,
    }
    return guest.page("catalogue/reports", values, status)
