"""An Appointment as an event by the library alone: what the server writes for less is held to it, octet for octet."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar

from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.paris import PARIS

#: Status → STATUS, domain file §2.
STATUS = {
    **dict.fromkeys(("proposed", "pending", "waitlist"), "TENTATIVE"),
    **dict.fromkeys(("booked", "checked-in", "arrived", "fulfilled"), "CONFIRMED"),
    **dict.fromkeys(("cancelled", "noshow", "entered-in-error"), "CANCELLED"),
}


def an_event(tree: dict[str, Any], at: int, number: int, uid: str, shown: Shown) -> bytes:
    """As `events.written`, of an appointment whose description is its title."""
    event, said = icalendar.Event(), STATUS[tree["status"]]
    event.add("uid", uid)
    for name in ("dtstamp", "last-modified"):
        event.add(name, datetime.fromtimestamp(at / 1000, UTC))
    event.add("sequence", number - 1)
    event.add("dtstart", _local(tree["start"]))
    if "end" in tree:
        event.add("dtend", _local(tree["end"]))
    elif "minutesDuration" in tree:
        event.add("duration", timedelta(minutes=tree["minutesDuration"]))
    event.add("status", said)
    event.add("class", "PRIVATE")
    event.add("transp", "TRANSPARENT" if said == "CANCELLED" else "OPAQUE")
    event.add("summary", _plain(tree["description"]) if shown.content else "Rendez-vous de santé")
    if shown.content:
        _tell(event, tree)
    for minutes in shown.alarms if said != "CANCELLED" else ():
        alarm = icalendar.Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", str(event["summary"]))
        alarm.add("trigger", timedelta(minutes=-minutes))
        event.add_component(alarm)
    lines: bytes = event.to_ical()
    return lines


def _tell(event: icalendar.Event, tree: dict[str, Any]) -> None:
    if "comment" in tree:
        event.add("description", _plain(tree["comment"]))
    if "place" in tree:
        event.add("location", _plain(tree["place"]))
    if "priority" in tree:
        event.add("priority", tree["priority"])
    if "created" in tree:
        event.add("created", datetime.fromisoformat(tree["created"]).astimezone(UTC))


def _local(said: str) -> datetime:
    at = datetime.fromisoformat(said).astimezone(UTC)
    local = at.astimezone(PARIS)
    return at if local.fold else local


def _plain(said: str) -> str:
    """Without what no text of a calendar has: RFC 5545 §3.1, CONTROL."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]", " ", said)
