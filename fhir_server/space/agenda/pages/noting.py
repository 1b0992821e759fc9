"""What the form of an entry says, and what is wrong with it, field by field (WCAG 2.1 §3.3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.pages.agenda import LONGEST
from fhir_server.space.agenda.pages.months import FIRST, LAST
from fhir_server.space.agenda.writing import LONGEST as CHARACTERS
from fhir_server.space.service import Surroundings

TITLE, NOTES = CHARACTERS["description"], CHARACTERS["comment"]
KINDS = ("appointment", "reminder")
#: How long an entry is whose form says no end.
USUAL = timedelta(minutes=30)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"(\d\d):(\d\d)(?::\d\d(?:\.\d{1,3})?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Noted:
    """What a form says.

    Attributes:
        fields: name of a field → its words.
        errors: name of a field → a key of the page's words.
        lasts: from when until when; None where that is wrong.
    """

    fields: Mapping[str, str]
    errors: Mapping[str, str]
    lasts: tuple[datetime, datetime] | None


def noted(guest: Guest[Surroundings], zone: ZoneInfo) -> Noted:
    """The entry of a form; `zone` is that in which people write."""
    kind = guest.field("kind", 20)
    fields = {
        # A title is one line: what a form's own field cannot send is made so.
        "title": " ".join(guest.field("title", TITLE * 3).split()),
        "with": " ".join(guest.field("with", TITLE * 3).split()),
        "notes": guest.field("notes", NOTES + 1),
        "kind": kind if kind in KINDS else KINDS[0],
        **{name: guest.field(name, 20) for name in ("day", "start", "until", "end")},
    }
    lasts, wrong = _lasts(fields, zone)
    errors = {
        "title": "title" if not fields["title"] else "long" if len(fields["title"]) > TITLE else "",
        "with": "long" if len(fields["with"]) > TITLE else "",
        "notes": "notes" if len(fields["notes"]) > NOTES else "",
        **wrong,
    }
    return Noted(fields, {field: why for field, why in errors.items() if why}, lasts)


def number(guest: Guest[Surroundings]) -> str:
    """The number of a form, as it was given, or a new one."""
    try:
        return str(UUID(guest.field("number", 36)))
    except ValueError:
        return str(uuid4())


def _lasts(fields: Mapping[str, str], zone: ZoneInfo) -> tuple[tuple[datetime, datetime] | None, dict[str, str]]:
    """From when until when, or what is wrong with it."""
    day, at = parsed_day(fields["day"]), _clock(fields["start"])
    until = parsed_day(fields["until"]) if fields["until"] else day
    to = _clock(fields["end"]) if fields["end"] else None
    wrong = {
        "day": "" if day else "day",
        "start": "" if at else "start",
        "until": "" if until or not day else "day",
        "end": "start" if fields["end"] and to is None else "end" if fields["until"] and to is None else "",
    }
    if day is None or at is None or until is None or any(wrong.values()):
        return None, wrong
    start = datetime.combine(day, at, zone)
    end = _later(start, USUAL) if to is None else datetime.combine(until, to, zone)
    wrong = {
        "start": "" if _exists(start) else "gap",
        "end": "gap" if not _exists(end) else "before" if _utc(end) <= _utc(start) else "",
        "until": "far" if _utc(end) - _utc(start) > LONGEST else "",
    }
    return (None if any(wrong.values()) else (start, end)), wrong


def parsed_day(said: str) -> date | None:
    """The day that a form or an address says; None where it is none, or of no year of a calendar."""
    if not _DAY.fullmatch(said):
        return None
    try:
        found = date.fromisoformat(said)
    except ValueError:
        return None
    return found if FIRST <= found.year <= LAST else None


def _clock(said: str) -> time | None:
    found = _TIME.fullmatch(said)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return time(int(found[1]), int(found[2]))


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _later(at: datetime, by: timedelta) -> datetime:
    return (_utc(at) + by).astimezone(at.tzinfo)


def _exists(at: datetime) -> bool:
    """Whether clocks show it: in the night in which summer time begins they leave an hour out."""
    return _utc(at).astimezone(at.tzinfo).replace(tzinfo=None) == at.replace(tzinfo=None)
