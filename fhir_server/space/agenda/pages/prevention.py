"""Prévention: what is due at the person's age, why, what they say of it, and what they want to hear no more of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.pages.agenda import about
from fhir_server.space.agenda.pages.entries import of_patient
from fhir_server.space.agenda.pages.refusals import refused
from fhir_server.space.agenda.prevention import calendar
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings

#: What a button does → the status that an item has then.
STATUSES = {"done": "DONE", "not-done": "NOT_DONE", "to-plan": "TO_PLAN"}
#: What a button does → whether the item is refused then.
REFUSALS = {"refuse": True, "accept": False}


@dataclass(frozen=True, slots=True)
class Shown:
    """An item as the page shows it.

    Attributes:
        code, start: name it.
        kind, requirement, status: of it.
        title, reason: in French and in English.
        end: its last day; executed: the day it was done, None where that is not said.
        refused: whether the person wants to hear no more of it.
        certificate: number of the child's certificate; None for none.
    """

    code: str
    start: date
    kind: str
    requirement: str
    status: str
    title: tuple[str, str]
    reason: tuple[str, str]
    end: date
    executed: date | None
    refused: bool
    certificate: int | None


async def show(guest: Guest[Surroundings]) -> Response:
    """The items from a year ago to a year ahead."""
    asking = of_patient(guest)
    return guest.nothing() if asking is None else await _page(guest, asking)


async def say(guest: Guest[Surroundings]) -> Response:
    """What somebody says of an item."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    act, rows = guest.field("act", 20), [("code", "valueCode", guest.field("code", 64))]
    if act in STATUSES:
        rows += [("start", "valueDate", guest.field("start", 10)), ("status", "valueCode", STATUSES[act])]
        executed = guest.field("executed", 10)
        rows += [("executed", "valueDate", executed)] if act == "done" and executed else []
    if act in REFUSALS:
        rows += [("refused", "valueBoolean", REFUSALS[act])]  # type: ignore[list-item]
    given = parameters({"name": name, key: value} for name, key, value in rows)
    try:
        await asking.operate(("Patient", str(asking.grant.patient), "$prevention-mark"), given)
    except FhirError as error:
        return await _page(guest, asking, refused(error), error.status)
    return guest.to(f"/mon-agenda/{guest.path('patient')}/prevention?done=kept")


async def _page(
    guest: Guest[Surroundings], asking: Asking, refusals: tuple[Refusal, ...] = (), status: int = 200
) -> Response:
    today = datetime.now(ZoneInfo(guest.service.settings.default_timezone)).date()
    answer = await asking.operate(("Patient", str(asking.grant.patient), "$prevention"))
    found = [_shown(row["part"], today) for row in answer.get("parameter", ())]
    values = {
        **await about(guest),
        "now": [one for one in found if one.start <= today <= one.end],
        "coming": [one for one in found if one.start > today],
        "over": [one for one in found if one.end < today],
        "today": today,
        "refusals": refusals,
        "done": guest.query("done"),
    }
    return guest.page("agenda/prevention", values, status)


def _shown(parts: list[dict[str, Any]], today: date) -> Shown:
    said = {one["name"]: next(value for key, value in one.items() if key != "name") for one in parts}
    item = next(one for one in calendar.calendar(today).items if one.code == said["code"])
    executed = said.get("executed")
    return Shown(
        item.code,
        date.fromisoformat(said["start"]),
        item.kind,
        item.requirement,
        said["status"],
        item.title,
        item.reason,
        date.fromisoformat(said["end"]),
        date.fromisoformat(executed) if executed else None,
        bool(said["refused"]),
        item.certificate,
    )
