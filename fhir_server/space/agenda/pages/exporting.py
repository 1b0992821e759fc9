"""The agenda in other calendars: a file of it, and the private address to which calendar programs subscribe."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError, NotFound
from fhir_server.interactions.exchange import Request
from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.pages.agenda import about
from fhir_server.space.agenda.pages.entries import of_patient
from fhir_server.space.agenda.pages.refusals import refused
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings

#: What a button does → the action of `$calendar-address`.
ACTIONS = frozenset({"make", "change", "revoke"})


async def show(guest: Guest[Surroundings]) -> Response:
    """Whether there is an address, since when, and what it tells."""
    asking = of_patient(guest)
    return guest.nothing() if asking is None else await _page(guest, asking)


async def choose(guest: Guest[Surroundings]) -> Response:
    """An address made, changed or ended. A new one is shown this once: its digest alone is kept."""
    asking, act = of_patient(guest), guest.field("act", 20)
    if asking is None or act not in ACTIONS:
        return guest.nothing()
    content = "true" if guest.field("content", 5) == "yes" else "false"
    try:
        made = await _asked(asking, act, [("content", content)] if act != "revoke" else [])
    except NotFound:
        # Ended meanwhile, elsewhere: the page says so.
        return guest.to(f"/mon-agenda/{guest.path('patient')}/calendrier")
    except FhirError as error:
        return await _page(guest, asking, refused(error), error.status)
    if "url" in made:
        return await _page(guest, asking, url=str(made["url"]))
    return guest.to(f"/mon-agenda/{guest.path('patient')}/calendrier?done={'ended' if act == 'revoke' else 'kept'}")


async def export(guest: Guest[Surroundings]) -> Response:
    """The file, as `Patient/$export-agenda` gives it."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    asked = Request("GET", ("Patient", str(asking.grant.patient), "$export-agenda"))
    answer = await asking.around.exchange(asked, asking.grant, asking.base)
    headers = {"Content-Disposition": 'attachment; filename="agenda.ics"', "Cache-Control": "no-store"}
    return guest.visit.known(Response(answer.body, media_type="text/calendar", headers=headers))


async def _page(
    guest: Guest[Surroundings], asking: Asking, refusals: tuple[Refusal, ...] = (), status: int = 200, url: str = ""
) -> Response:
    try:
        there: dict[str, Any] | None = await _asked(asking, "show")
    except NotFound:
        there = None
    done = guest.query("done")
    values = {**await about(guest), "there": there, "url": url, "refusals": refusals, "done": done}
    return guest.page("agenda/exporting", values, status)


async def _asked(asking: Asking, action: str, more: list[tuple[str, str]] | None = None) -> dict[str, Any]:
    """What the operation answers, by name."""
    rows: list[dict[str, Any]] = [{"name": "action", "valueCode": action}]
    rows += [{"name": name, "valueBoolean": value == "true"} for name, value in more or ()]
    given = {"resourceType": "Parameters", "parameter": rows}
    answer = await asking.operate(("Patient", str(asking.grant.patient), "$calendar-address"), given)
    return {one["name"]: next(v for k, v in one.items() if k != "name") for one in answer.get("parameter", ())}
