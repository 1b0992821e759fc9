"""Mon agenda: one month, as a grid and as a list: what software booked, and what the person noted.

WCAG 2.1 §1.3.1: the grid is a table, and what it counts is listed below it in words.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.pages.entries import WITH, Entry, Known, Tree, entry, of_patient
from fhir_server.space.agenda.pages.months import WEEKDAYS, Month, month, weeks
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.documents import whose
from fhir_server.space.record.pages.people import named
from fhir_server.space.service import Surroundings

PATH = "/mon-agenda"
#: Entries asked for at once, and of one month at most.
COUNT, MOST = 100, 500
#: What began this long before a month may last into it.
LONGEST = timedelta(days=31)
#: What a form did, as the page that it leads to says.
DONE = frozenset({"added", "changed", "cancelled", "restored", "deleted", "reminded"})


async def choose(guest: Guest[Surroundings]) -> Response:
    """Whose agenda; or at once that of the one patient there is."""
    return await whose(guest, PATH)


async def show(guest: Guest[Surroundings]) -> Response:
    """One month of an agenda."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    zone = ZoneInfo(guest.service.settings.default_timezone)
    today = datetime.now(zone).date()
    of = month(guest.query("mois"), today)
    found, more = await entries(asking, of, zone)
    counts = Counter(day for one in found if not one.is_off for day in one.days())
    done = guest.query("done")
    values = {
        **await about(guest),
        "month": of,
        "today": today,
        "weeks": weeks(of, today, counts),
        "weekdays": WEEKDAYS,
        "days": by_day(found, of),
        "more": more,
        "done": done if done in DONE else "",
    }
    return guest.page("agenda/month", values)


async def about(guest: Guest[Surroundings]) -> dict[str, object]:
    """What every page of an agenda says: whose it is."""
    patient = guest.path("patient")
    whom, _ = await named(guest, patient)
    return {"patient": patient, "path": f"{PATH}/{patient}", "whom": whom, "own": _is_own(guest, patient)}


def _is_own(guest: Guest[Surroundings], patient: str) -> bool:
    return guest.account.subject == f"Patient/{patient}"


async def entries(asking: Asking, of: Month, zone: ZoneInfo) -> tuple[list[Entry], bool]:
    """What is in a month, the earliest first; and whether that is not all."""
    start, end = of.begins(zone), of.after.begins(zone)
    whose = [("patient", f"Patient/{asking.grant.patient}"), ("_count", str(COUNT)), ("_sort", "date")]
    when = between("date", start - LONGEST, end)
    trees: list[Tree] = []
    known: dict[str, Known | Tree] = {}
    cursor = ""
    while len(trees) < MOST:
        page = [("_cursor", cursor)] if cursor else []
        found = await asking.find("Appointment", [*whose, *when, *WITH, *page])
        trees += found.trees
        known |= found.included
        cursor = found.next
        if not cursor:
            break
    shown = [one for tree in trees if (one := entry(tree, known, zone)) is not None]
    return sorted((one for one in shown if one.start < end and _last(one) >= start), key=_order), bool(cursor)


def between(name: str, low: datetime, high: datetime) -> list[tuple[str, str]]:
    """The criteria of a date parameter from an instant on, before another."""
    return [(name, f"ge{_said(low)}"), (name, f"lt{_said(high)}")]


def by_day(found: list[Entry], of: Month) -> list[tuple[date, list[Entry]]]:
    """Days of a month that have something, in order; what lasts for several is listed on the first."""
    days: dict[date, list[Entry]] = {}
    for one in found:
        days.setdefault(max(one.start.date(), of.first), []).append(one)
    return sorted(days.items())


def _last(one: Entry) -> datetime:
    """The last instant at which it is."""
    return max(one.start, one.end - timedelta(microseconds=1))


def _order(one: Entry) -> tuple[datetime, str]:
    return one.start, one.id


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
