"""The lines of a recurrence's text: RRULE, its zone, and the times that it has besides and has not. RFC 5545 §3.8.5.

DTSTART;TZID=Europe/Paris:20270326T090000    the zone alone: when it begins, the availability says itself
RRULE:FREQ=WEEKLY;BYDAY=FR                   one, with or without its name
EXDATE;TZID=Europe/Paris:20270402T090000     times that it has not; a day without a time is left out as a whole
RDATE:20270403T070000Z                       times that it has besides
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhir_server.space.agenda.availability.recurring import BadRule
from fhir_server.space.paris import PARIS

#: Times beside a rule that one availability says at most.
MOST = 1_000
_DAY = re.compile(r"\d{8}", re.ASCII)
_TIME = re.compile(r"(\d{8}T\d{6})(Z?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lines:
    """What a text says; times are local ones, in its zone.

    Attributes:
        zone: Paris where it names none.
        rule: its one RRULE.
        without: times left out; without_days: days left out.
        besides: times added, in order.
    """

    zone: ZoneInfo
    rule: str
    without: frozenset[datetime] = frozenset()
    without_days: frozenset[date] = frozenset()
    besides: tuple[datetime, ...] = ()


def read(text: str) -> Lines:
    """What a text says.

    Raises:
        BadRule: an unknown zone, no RRULE or several, or a line that is not understood, named.
    """
    said = [(*_named(one), one) for one in map(str.strip, text.replace("\\n", "\n").split("\n")) if one]
    zones = [parameters["TZID"] for name, parameters, _, _ in said if name == "DTSTART" and "TZID" in parameters]
    zone = _zone(zones[-1]) if zones else PARIS
    rules = [line for name, _, _, line in said if name not in ("DTSTART", "EXDATE", "RDATE")]
    if len(rules) != 1:
        raise BadRule("A recurrence has one RRULE; beside it EXDATE and RDATE.")
    listed = [(name, parameters, one.strip()) for name, parameters, value, _ in said for one in value.split(",")]
    without = [(parameters, one) for name, parameters, one in listed if name == "EXDATE"]
    besides = [(parameters, one) for name, parameters, one in listed if name == "RDATE"]
    if len(without) + len(besides) > MOST:
        raise BadRule(f"EXDATE and RDATE are {MOST} times at most.")
    return Lines(
        zone,
        rules[0],
        frozenset(_time(one, parameters, zone) for parameters, one in without if not _DAY.fullmatch(one)),
        frozenset(_day(one) for _, one in without if _DAY.fullmatch(one)),
        tuple(sorted({_time(one, parameters, zone) for parameters, one in besides})),
    )


def _named(line: str) -> tuple[str, dict[str, str], str]:
    """Name, parameters and value of a line; "" for the name of a rule without one."""
    head, colon, value = line.partition(":")
    if not colon:
        return "", {}, line
    name, *parameters = head.split(";")
    pairs = (one.partition("=") for one in parameters)
    return name.strip().upper(), {key.strip().upper(): said.strip().strip('"') for key, _, said in pairs}, value.strip()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRule("TZID names no zone of the IANA database, such as Europe/Paris.") from None


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise _wrong() from None


def _time(value: str, parameters: dict[str, str], zone: ZoneInfo) -> datetime:
    """The local time, in `zone`, that a value of a line says."""
    found = _TIME.fullmatch(value)
    if found is None:
        raise _wrong()
    said_in = UTC if found[2] else _zone(parameters["TZID"]) if "TZID" in parameters else zone
    try:
        local = datetime.fromisoformat(found[1])
        return local.replace(tzinfo=said_in).astimezone(zone).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise _wrong() from None


def _wrong() -> BadRule:
    return BadRule("EXDATE and RDATE are times, such as 20270402T090000; EXDATE may be a day.")
