"""An Appointment as an event of a calendar: guide GAP 3.0.0, mapping of Appointment to VEVENT; RFC 5545 §3.6.1.

What the guide maps nothing to is chosen so that calendars outside the space tell as little as they can: CLASS is
PRIVATE, and without leave the title is the same for every appointment. The instants are those of the resource alone
(DTSTAMP is when it was last written, RFC 5545 §3.8.7.2), so that the same version is always the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import icalendar

from fhir_server.fhir.json import parse
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.model import Times, times
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
#: Properties of an event in the order in which the library writes them.
ORDER = (
    "SUMMARY",
    "DTSTART",
    "DTEND",
    "DURATION",
    "DTSTAMP",
    "UID",
    "SEQUENCE",
    "CLASS",
    "CREATED",
    "DESCRIPTION",
    "LAST-MODIFIED",
    "LOCATION",
    "PRIORITY",
    "STATUS",
    "TRANSP",
)
#: What no text of a calendar has (RFC 5545 §3.1, CONTROL), and what some programs take for the end of a line.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


#: Octets of a line at most, without its end: RFC 5545 §3.1 has 75 with the space that begins what is folded.
_LINE = 74


def written(
    body: bytes, at: int, number: int, uid: str, shown: Shown, names: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """The VEVENT of an Appointment, in lines of RFC 5545; b"" of one that has no beginning.

    Args:
        body: of the resource.
        at: when that version was committed, in ms since 1970 UTC.
        number: of the version.
        uid: of the event.
        shown: what of it is told.
        names: by reference, as it is written, of those whom it names by that alone, where they are known.
    """
    tree = parse(body)
    when = times(tree)
    if when.start is None:
        return b""
    said, last = STATUS.get(str(tree.get("status")), "TENTATIVE"), _utc(at // 1000)
    told = dict(_told(tree, names) if shown.content else [("SUMMARY", _text(NEUTRAL))])
    found: dict[str, str] = {
        "DTSTART": _local(when.start),
        **_until(tree, when),
        "DTSTAMP": f":{last}",
        "UID": _text(uid),
        "SEQUENCE": f":{number - 1}",
        "CLASS": ":PRIVATE",
        "LAST-MODIFIED": f":{last}",
        "STATUS": f":{said}",
        "TRANSP": ":TRANSPARENT" if said == "CANCELLED" else ":OPAQUE",
        **told,
    }
    lines = [f"{name}{found[name]}" for name in ORDER if name in found]
    for minutes in shown.alarms if said != "CANCELLED" else ():
        lines += ["BEGIN:VALARM", "ACTION:DISPLAY", f"DESCRIPTION{told['SUMMARY']}", _trigger(minutes), "END:VALARM"]
    return b"".join([_folded(line) for line in ("BEGIN:VEVENT", *lines, "END:VEVENT")])


def each(versions: Sequence[tuple[bytes, int, int, str, Shown]], names: Mapping[str, str]) -> list[bytes]:
    """`written` of each, same order."""
    return [written(*one, names) for one in versions]


def _local(micros: int) -> str:
    """An instant, in µs, as the clocks of Paris show it, to the second; in UTC where they show it for the second time.

    RFC 5545 §3.3.5: a local time that occurs twice is the first of them.
    """
    local = datetime.fromtimestamp(micros // 1_000_000, PARIS)
    return f":{_utc(micros // 1_000_000)}" if local.fold else f";TZID=Europe/Paris:{local:%Y%m%dT%H%M%S}"


def _utc(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%SZ}"


def _until(tree: Mapping[str, Any], when: Times) -> dict[str, str]:
    """RFC 5545 §3.6.1: an end or a duration, never both."""
    minutes = tree.get("minutesDuration")
    if when.end is not None and when.start is not None and when.end > when.start:
        return {"DTEND": _local(when.end)}
    return {"DURATION": f":{_lasts(minutes)}"} if isinstance(minutes, int) and minutes > 0 else {}


@lru_cache(maxsize=1_000)
def _lasts(minutes: int) -> str:
    lasts: bytes = icalendar.vDuration(timedelta(minutes=minutes)).to_ical()  # type: ignore[no-untyped-call]
    return lasts.decode()


def _told(tree: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What tells of somebody's health: what for, where, with whom."""
    yield "SUMMARY", _text(_title(tree))
    # A doctor is named by themself and by their role: once is enough.
    named = list(dict.fromkeys(_participants(tree, names)))
    people = list(dict.fromkeys(name for kind, name in named if kind not in ("Location", "Patient")))
    notes = [str(tree[name]) for name in ("patientInstruction", "comment") if isinstance(tree.get(name), str)]
    if said := [*(f"Avec : {name}" for name in people), *notes]:
        yield "DESCRIPTION", _text("\n".join(said))
    if places := [name for kind, name in named if kind == "Location"]:
        yield "LOCATION", _text(", ".join(places))
    if isinstance(tree.get("priority"), int) and 0 <= tree["priority"] <= 9:
        yield "PRIORITY", f":{tree['priority']}"
    if (created := times({"start": tree.get("created")}).start) is not None:
        yield "CREATED", f":{_utc(created // 1_000_000)}"


def _text(said: str) -> str:
    """A text as the value of a property: RFC 5545 §3.3.11 (`ESCAPED-CHAR`)."""
    return ":" + _CONTROL.sub(" ", said.replace("\r\n", "\n")).translate(_ESCAPED)


_ESCAPED = str.maketrans({"\\": r"\\", ";": r"\;", ",": r"\,", "\n": r"\n", "\r": r"\n"})


def _title(tree: Mapping[str, Any]) -> str:
    concepts = [one for name in ("serviceType", "specialty") for one in tree.get(name, ())]
    texts = [tree.get("description"), *(_said(one) for one in [*concepts, tree.get("appointmentType") or {}])]
    return next((str(one) for one in texts if one), NEUTRAL)


def _said(concept: Mapping[str, Any]) -> str | None:
    found = [concept.get("text"), *(one.get("display") for one in concept.get("coding", ()))]
    return next((str(one) for one in found if one), None)


def _participants(tree: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Type and name of those whose names are known; "" for a type that it does not say."""
    for one in tree.get("participant", ()):
        actor = one.get("actor") or {}
        reference = str(actor.get("reference", ""))
        kind = str(actor.get("type") or reference.partition("/_history/")[0].rpartition("/")[0].rpartition("/")[2])
        name = actor.get("display") or names.get(reference)
        if isinstance(name, str):
            yield kind, name


def _trigger(minutes: int) -> str:
    return f"TRIGGER:{_lasts(-minutes)}"


def _folded(line: str) -> bytes:
    """A line with its end, over as many as it takes: RFC 5545 §3.1, between characters and never within an escape."""
    octets = line.encode()
    if len(octets) <= _LINE:
        return octets + b"\r\n"
    parts, start = [], 0
    while len(octets) - start > _LINE:
        end = start + _LINE
        while octets[end] & 0xC0 == 0x80:
            end -= 1
        if octets[end - 1 : end] in (b"\\", b"^"):
            end -= 1
        parts.append(octets[start:end])
        start = end
    return b"\r\n ".join([*parts, octets[start:]]) + b"\r\n"
