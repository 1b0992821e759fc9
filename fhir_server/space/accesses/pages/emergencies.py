"""The administrator's desk for records opened in an emergency: who, when, why, and a word on each. CSP R1111-43.

What it tells is what `AuditEvent/$emergencies` answers this person; of the patient no more than the record's number and
initials, by which two people can speak of the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.outcome import NotFound, TooCostly
from fhir_server.site.signed_in import Guest
from fhir_server.space.accesses.reviewing import NOTE
from fhir_server.space.names import names
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings

#: Emergencies of one page.
SHOWN = 20
#: How many days back may be asked for; the first without a word.
PERIODS = (30, 90, 365)
_PERIOD = ("Les {} derniers jours", "The last {} days")
_GRANTED = (Scope("user", "AuditEvent", frozenset("ru")),)


@dataclass(frozen=True, slots=True)
class Shown:
    """An emergency as the page shows it.

    Attributes:
        id: of `AuditEvent/$emergencies`.
        who: name of the professional; "" where the directory has none.
        patient: id of whose record; initials: of their name.
        purpose: BTG or ETREAT; reason: in words, "" for none.
        day: YYYY-MM-DD; first, last: HH:MM, of the server's zone.
        count: of what was asked; opened: whether something was shown.
        note, reviewer, reviewed: of the review, "" without one; its day.
    """

    id: str
    who: str
    patient: str
    initials: str
    purpose: str
    reason: str
    day: str
    first: str
    last: str
    count: int
    opened: bool
    note: str = ""
    reviewer: str = ""
    reviewed: str = ""


async def show(guest: Guest[Surroundings]) -> Response:
    """A page of them, those nobody has looked at first."""
    return await _page(guest)


async def review(guest: Guest[Surroundings]) -> Response:
    """One is looked at, with a word on it; what another administrator noted meanwhile stays."""
    note, id = guest.field("note", NOTE + 1), guest.path("emergency")
    days = _days(guest.field("jours", 4))
    found = next((one for one in await _told(guest, days) or () if one["id"] == id), None)
    if found is None:
        return guest.nothing()
    if "reviewedBy" in found:
        return guest.to(f"/urgences?jours={days}&done=already")
    if not 0 < len(note) <= NOTE:
        return await _page(guest, id, note, 422)
    given = [{"name": "emergency", "valueId": id}, {"name": "note", "valueString": note}]
    try:
        await _asking(guest).operate(("AuditEvent", "$emergency-review"), parameters(given))
    except NotFound:
        return guest.nothing()
    return guest.to(f"/urgences?jours={days}&done=reviewed")


async def _page(guest: Guest[Surroundings], wrong: str = "", note: str = "", status: int = 200) -> Response:
    days = _days(guest.query("jours") or guest.field("jours", 4))
    told = await _told(guest, days)
    # Two sorts of one order: the newest stay first among those to look at, and among the others.
    rows = sorted(told or (), key=lambda one: "reviewedBy" in one)
    number = _number(guest.query("page") or guest.field("page", 4), (len(rows) - 1) // SHOWN)
    part = rows[number * SHOWN : (number + 1) * SHOWN]
    values = {
        "emergencies": await _shown(guest, part),
        "waiting": sum("reviewedBy" not in one for one in rows),
        "number": number,
        "more": len(rows) > (number + 1) * SHOWN,
        "days": days,
        "periods": [(one, _PERIOD[guest.visit.language == "en"].format(one)) for one in PERIODS],
        "too_many": told is None,
        "wrong": wrong,
        "note": note,
        "longest": NOTE,
        "done": guest.query("done"),
    }
    return guest.page("accesses/emergencies", values, status)


def _asking(guest: Guest[Surroundings]) -> Asking:
    account = guest.account
    grant = Grant(_GRANTED, subject=account.subject, client=SITE, duties=frozenset(account.duties))
    return Asking(guest.service, grant, guest.visit.addresses.base)


async def _told(guest: Guest[Surroundings], days: int) -> list[Mapping[str, Any]] | None:
    """Each emergency's parts by name, the newest first; None where there are too many to tell."""
    since = datetime.now(UTC).date() - timedelta(days=days)
    try:
        answer = await _asking(guest).operate(("AuditEvent", "$emergencies"), query=[("since", since.isoformat())])
    except TooCostly:
        return None
    return [
        {part["name"]: next(value for name, value in part.items() if name != "name") for part in row["part"]}
        for row in answer.get("parameter", ())
    ]


async def _shown(guest: Guest[Surroundings], rows: list[Mapping[str, Any]]) -> list[Shown]:
    references = {str(one[name]["reference"]) for one in rows for name in ("practitioner", "patient")}
    known = await names(guest.service.repository(), {*references, *(str(one.get("reviewedBy", "")) for one in rows)})
    zone = ZoneInfo(guest.service.settings.default_timezone)
    return [_one(row, known, zone) for row in rows]


def _one(row: Mapping[str, Any], known: Mapping[str, str], zone: ZoneInfo) -> Shown:
    patient, reviewer = str(row["patient"]["reference"]), str(row.get("reviewedBy", ""))
    first, last = (datetime.fromisoformat(row[name]).astimezone(zone) for name in ("first", "last"))
    reviewed = datetime.fromisoformat(row["reviewedAt"]).astimezone(zone).date() if reviewer else None
    return Shown(
        str(row["id"]),
        known.get(str(row["practitioner"]["reference"]), ""),
        patient.removeprefix("Patient/"),
        " ".join(f"{word[0]}." for word in known.get(patient, "").split()),
        str(row["purpose"]),
        str(row.get("reason", "")),
        first.date().isoformat(),
        f"{first:%H:%M}",
        f"{last:%H:%M}",
        int(row["count"]),
        bool(row["opened"]),
        str(row.get("note", "")),
        known.get(reviewer, reviewer),
        _day(reviewed),
    )


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _days(typed: str) -> int:
    return int(typed) if typed in map(str, PERIODS) else PERIODS[0]


def _number(typed: str, last: int) -> int:
    return min(int(typed), max(last, 0)) if typed.isascii() and typed.isdigit() and len(typed) <= 4 else 0
