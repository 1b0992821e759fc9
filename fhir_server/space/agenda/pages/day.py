"""A professional's day: their appointments and slots by hour, as far as they may see them.

https://hl7.org/fhir/R4/slot.html. Patients are named where the professional may read who they are, and not otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.dates import begins
from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.model import FILLED, FREE, local
from fhir_server.space.agenda.pages.agenda import between
from fhir_server.space.agenda.pages.entries import Entry, entry
from fhir_server.space.agenda.pages.months import FIRST, LAST, WEEKDAYS
from fhir_server.space.agenda.pages.noting import parsed_day
from fhir_server.space.messages.pages.correspondents import called
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.people import SITE, asking
from fhir_server.space.service import Surroundings

#: Types that the page reads.
_READ = ("Appointment", "HealthcareService", "Location", "Patient", "Practitioner", "Schedule", "Slot")
#: Appointments and slots of one day that are shown.
MOST = 200
_WITH = (("_include", "Appointment:actor"),)


@dataclass(frozen=True, slots=True)
class Line:
    """One time of the day.

    Attributes:
        start, end: in the zone in which people read.
        entry: the appointment; None for a slot that none of those shown fills.
        patients: names of its patients, as far as they may be seen.
        state: of a slot: "free", "busy" or "away"; "" for an appointment.
    """

    start: datetime
    end: datetime
    entry: Entry | None
    patients: tuple[str, ...]
    state: str


async def show(guest: Guest[Surroundings]) -> Response:
    """One day; the one of today where the address names none."""
    zone = ZoneInfo(guest.service.settings.default_timezone)
    today = datetime.now(zone).date()
    day = parsed_day(guest.query("jour")) or today
    lines, more = await _lines(_asking(guest), _mine(guest), day, zone)
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    values = {
        "day": day,
        "today": today,
        "weekday": {lang: names[day.weekday()] for lang, names in WEEKDAYS.items()},
        "before": before if before.year >= FIRST else None,
        "after": after if after.year <= LAST else None,
        "lines": lines,
        "more": more,
    }
    return guest.page("agenda/day", values)


def _asking(guest: Guest[Surroundings]) -> Asking:
    scopes = tuple(Scope("user", type, frozenset("rs")) for type in _READ)
    role = guest.session.role or next(iter(guest.account.roles), None)
    return asking(guest, Grant(scopes, subject=guest.account.subject, role=role, client=SITE, purpose="TREAT"))


def _mine(guest: Guest[Surroundings]) -> str:
    """The references by which the agenda names the professional, as a search has them."""
    return ",".join([str(guest.account.subject), *guest.account.roles])


async def _lines(asking: Asking, mine: str, day: date, zone: ZoneInfo) -> tuple[list[Line], bool]:
    """What the day has, in order; and whether that is not all."""
    low, high = (datetime.combine(one, datetime.min.time(), zone) for one in (day, day + timedelta(days=1)))
    shown = [("_count", str(MOST))]
    found = await asking.find("Appointment", [("actor", mine), *between("date", low, high), *_WITH, *shown])
    slots = await asking.find("Slot", [("schedule.actor", mine), *between("start", low, high), *shown])
    lines: list[Line] = []
    filled: set[str] = set()
    for tree in found.trees:
        shown_as = entry(tree, found.included, zone)
        if shown_as is not None:
            filled |= {local(slot, asking.base) for slot in tree.get("slot", ())} if not shown_as.is_off else set()
            lines.append(Line(shown_as.start, shown_as.end, shown_as, _patients(tree, found.included), ""))
    rest = [_slot(tree, zone) for tree in slots.trees if f"Slot/{tree['id']}" not in filled]
    lines += [one for one in rest if one is not None]
    return sorted(lines, key=lambda one: (one.start, one.end)), bool(found.next or slots.next)


def _slot(tree: Mapping[str, Any], zone: ZoneInfo) -> Line | None:
    status = tree.get("status")
    if status == "entered-in-error":
        return None
    start, end = (begins(tree[name], zone) for name in ("start", "end"))
    if start is None or end is None:
        return None
    return Line(start, end, None, (), "free" if status == FREE else "busy" if status in FILLED else "away")


def _patients(tree: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    actors = [one.get("actor", {}) for one in tree.get("participant", ())]
    some = [(local(one, ""), one) for one in actors]
    names = [called(who, known) or str(one.get("display", "")) for who, one in some if who.startswith("Patient/")]
    return tuple(one for one in names if one)
