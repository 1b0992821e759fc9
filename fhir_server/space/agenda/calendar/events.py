"""An Appointment as an event of a calendar: guide GAP 3.0.0, mapping of Appointment to VEVENT; RFC 5545 §3.6.1.

What the guide maps nothing to is chosen so that calendars outside the space tell as little as they can: CLASS is
PRIVATE, and without leave the title is the same for every appointment. The instants are those of the resource alone
(DTSTAMP is when it was last written, RFC 5545 §3.8.7.2), so that the same version is always the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar

from fhir_server.fhir.json import parse
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.model import times
from fhir_server.space.paris import PARIS

#: What every appointment is called where nothing of it may be told.
NEUTRAL = "Rendez-vous de santé"
#: Status of an Appointment → STATUS of its event.
STATUS: Mapping[str, str] = {
    "proposed": "TENTATIVE",
    "pending": "TENTATIVE",
    "waitlist": "TENTATIVE",
    "booked": "CONFIRMED",
    "checked-in": "CONFIRMED",
    "arrived": "CONFIRMED",
    "fulfilled": "CONFIRMED",
    "cancelled": "CANCELLED",
    "noshow": "CANCELLED",
    "entered-in-error": "CANCELLED",
}
#: Statuses of appointments that do not take place.
CANCELLED = tuple(status for status, said in STATUS.items() if said == "CANCELLED")
#: What no text of a calendar has (RFC 5545 §3.1, CONTROL), and what some programs take for the end of a line.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


def written(body: bytes, at: int, number: int, uid: str, shown: Shown) -> bytes:
    """The VEVENT of an Appointment, in lines of RFC 5545; b"" of one that has no beginning.

    Args:
        body: of the resource.
        at: when that version was committed, in ms since 1970 UTC.
        number: of the version.
        uid: of the event.
        shown: what of it is told.
    """
    tree = parse(body)
    start = times(tree).start
    if start is None:
        return b""
    event, said = icalendar.Event(), STATUS.get(str(tree.get("status")), "TENTATIVE")
    last = datetime.fromtimestamp(at / 1000, UTC)
    event.add("uid", uid)
    event.add("dtstamp", last)
    event.add("last-modified", last)
    event.add("sequence", number - 1)
    event.add("dtstart", _local(start))
    for name, value in _until(tree):
        event.add(name, value)
    event.add("status", said)
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT" if said == "CANCELLED" else "OPAQUE")
    for name, value in _told(tree) if shown.content else [("summary", NEUTRAL)]:
        event.add(name, _CONTROL.sub(" ", value) if isinstance(value, str) else value)
    for minutes in shown.alarms if said != "CANCELLED" else ():
        event.add_component(_alarm(minutes, str(event["summary"])))
    lines: bytes = event.to_ical()
    return lines


def each(versions: Sequence[tuple[bytes, int, int, str, Shown]]) -> list[bytes]:
    """`written` of each, same order."""
    return [written(*one) for one in versions]


def _local(micros: int) -> datetime:
    """An instant, in µs, as the clocks of Paris show it, to the second; in UTC where they show it for the second time.

    RFC 5545 §3.3.5: a local time that occurs twice is the first of them.
    """
    at = datetime.fromtimestamp(micros // 1_000_000, UTC)
    local = at.astimezone(PARIS)
    return at if local.fold else local


def _until(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """RFC 5545 §3.6.1: an end or a duration, never both."""
    when, minutes = times(tree), tree.get("minutesDuration")
    if when.end is not None and when.start is not None and when.end > when.start:
        yield "dtend", _local(when.end)
    elif isinstance(minutes, int) and minutes > 0:
        yield "duration", timedelta(minutes=minutes)


def _told(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What tells of somebody's health: what for, where, with whom."""
    yield "summary", _title(tree)
    people = [name for kind, name in _participants(tree) if kind not in ("Location", "Patient")]
    notes = [str(tree[name]) for name in ("patientInstruction", "comment") if isinstance(tree.get(name), str)]
    if said := [*(f"Avec : {name}" for name in people), *notes]:
        yield "description", "\n".join(said)
    if places := [name for kind, name in _participants(tree) if kind == "Location"]:
        yield "location", ", ".join(places)
    if isinstance(tree.get("priority"), int) and 0 <= tree["priority"] <= 9:
        yield "priority", tree["priority"]
    if (created := times({"start": tree.get("created")}).start) is not None:
        yield "created", datetime.fromtimestamp(created // 1_000_000, UTC)


def _title(tree: Mapping[str, Any]) -> str:
    concepts = [one for name in ("serviceType", "specialty") for one in tree.get(name, ())]
    texts = [tree.get("description"), *(_text(one) for one in [*concepts, tree.get("appointmentType") or {}])]
    return next((str(one) for one in texts if one), NEUTRAL)


def _text(concept: Mapping[str, Any]) -> str | None:
    found = [concept.get("text"), *(one.get("display") for one in concept.get("coding", ()))]
    return next((str(one) for one in found if one), None)


def _participants(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Type and name of those whose names the appointment itself says; "" for a type that it does not say."""
    for one in tree.get("participant", ()):
        actor = one.get("actor") or {}
        kind = str(actor.get("type") or str(actor.get("reference", "")).rpartition("/")[0].rpartition("/")[2])
        if isinstance(actor.get("display"), str):
            yield kind, actor["display"]


def _alarm(minutes: int, words: str) -> icalendar.Alarm:
    alarm = icalendar.Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", words)
    alarm.add("trigger", timedelta(minutes=-minutes))
    return alarm
