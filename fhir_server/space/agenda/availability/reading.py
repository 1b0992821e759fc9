"""What a Schedule says of its availability: periods in which it is free, or is not, once or again and again.

FR Core's `fr-core-schedule-availability-time` and `fr-core-service-type-duration`, as the guide GAP uses them (flow 2):
https://interop.esante.gouv.fr/ig/fhir/gap. Recurrence is a text of RFC 5545, or the older form of the guide: a
frequency, days, and hours in pairs, each from when until when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import interval
from fhir_server.fhir.outcome import Issue
from fhir_server.space.agenda.availability import lines
from fhir_server.space.agenda.availability.lines import Lines
from fhir_server.space.agenda.availability.recurring import BadRule, Recurring, read
from fhir_server.space.paris import PARIS

_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
AVAILABILITY, DURATION = f"{_CORE}fr-core-schedule-availability-time", f"{_CORE}fr-core-service-type-duration"
#: Periods of one Schedule, the longest of them, and the earliest year that one begins in.
MOST, LONGEST, EARLIEST = 100, timedelta(days=31), 2000
#: How long a slot is where the Schedule does not say: minutes; the least and the most that it may say.
USUAL, SHORTEST_SLOT, LONGEST_SLOT = 30, 1, 24 * 60
#: UCUM units of durations → minutes.
_MINUTES = {"min": Decimal(1), "h": Decimal(60), "s": Decimal(1) / 60, "d": Decimal(1440)}


@dataclass(frozen=True, slots=True)
class Period:
    """One availability.

    Attributes:
        free: whether the agenda is open then; else nothing is offered then, whatever else says so.
        start, end: local times of its first occurrence.
        zone: of these.
        rule: how it recurs; None for once.
        without, without_days: local times and days at which it is not, whatever the rule says.
        besides: local times at which it is too.
    """

    free: bool
    start: datetime
    end: datetime
    zone: ZoneInfo
    rule: Recurring | None
    without: frozenset[datetime] = frozenset()
    without_days: frozenset[date] = frozenset()
    besides: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What a Schedule says: its periods, and what is wrong with the others."""

    periods: tuple[Period, ...]
    issues: tuple[Issue, ...]


def said(tree: Mapping[str, Any]) -> Said:
    """The availability of a Schedule."""
    periods: list[Period] = []
    issues: list[Issue] = []
    horizon = _bound(tree)
    numbered = [(n, one) for n, one in enumerate(_list(tree.get("extension"))) if one.get("url") == AVAILABILITY]
    if len(numbered) > MOST:
        words = f"A Schedule has {MOST} periods of availability at most."
        return Said((), (Issue("error", "too-costly", words, "Schedule.extension", "agenda-availability"),))
    for n, one in numbered:
        try:
            periods += _periods(one, horizon)
        except BadRule as wrong:
            at = f"Schedule.extension[{n}]"
            issues.append(Issue("error", "business-rule", str(wrong), at, "agenda-availability"))
    return Said(tuple(periods), tuple(issues))


def slot_minutes(tree: Mapping[str, Any]) -> tuple[int, list[Any]]:
    """How long slots are, in minutes, and for which services: those whose duration is the first one said."""
    found: list[tuple[int, Any]] = []
    for one in _list(tree.get("extension")):
        if one.get("url") == DURATION:
            parts = _parts(one)
            minutes = _minutes(next(iter(parts.get("duration", ())), None))
            service = next(iter(parts.get("serviceType", ())), None)
            concept = {"coding": [service]} if isinstance(service, dict) and "code" in service else service
            found.append((minutes, concept))
    if not found:
        return USUAL, []
    return found[0][0], [service for minutes, service in found if minutes == found[0][0] and service]


def _periods(one: Mapping[str, Any], horizon: datetime | None) -> Iterator[Period]:
    parts = _parts(one)
    kind: Any = next(iter(parts.get("type", ())), None)
    free = not (isinstance(kind, dict) and kind.get("code") == "busy-unavailable")
    start, end = _instant(parts, "start"), _instant(parts, "end")
    rules = parts.get("rrule", [])
    if start is None:
        # The guide lets a start be left out: then nothing says when.
        return
    text = next((one for one in rules if isinstance(one, str)), None)
    said = Lines(PARIS, "") if text is None else lines.read(text)
    zone = said.zone
    local = _local(start, zone)
    until = local + timedelta(days=1) if end is None else _local(end, zone)
    hours: list[tuple[time, time | None]] = []
    rule: Recurring | None = None
    if text is not None:
        rule = read(said.rule, zone)
    elif rules:
        rule, hours = _older(rules[0])
    if rule is not None and not rule.ends and horizon is None:
        raise BadRule("The recurrence never ends: it has COUNT or UNTIL, or the Schedule a planningHorizon.end.")
    for begins, ends in hours or [(local.time(), None)]:
        first = datetime.combine(local.date(), begins)
        last = until if ends is None else datetime.combine(local.date(), ends)
        if hours and first < local:
            first, last = first + timedelta(days=1), last + timedelta(days=1)
        _require(first, last)
        yield Period(free, first, last, zone, rule, said.without, said.without_days, said.besides)


def _require(start: datetime, end: datetime) -> None:
    if end <= start:
        raise BadRule("The availability ends before it starts.")
    if end - start > LONGEST:
        raise BadRule(f"One availability lasts {LONGEST.days} days at most; longer ones recur.")
    if start.year < EARLIEST:
        raise BadRule(f"An availability begins in {EARLIEST} or later.")


def _older(rule: Any) -> tuple[Recurring, list[tuple[time, time | None]]]:
    """A recurrence as the guide's older form has it, and from when until when it is each day."""
    parts = _parts({"extension": rule}) if isinstance(rule, list) else {}
    frequency = "".join(_code(one) for one in parts.get("freq", [])[:1]).upper()
    days = ",".join(_code(one).upper()[:2] for one in parts.get("byDay", ()))
    found = read(f"FREQ={frequency or '-'}" + (f";BYDAY={days}" if days else ""), PARIS)
    hours = [_hour(one) for one in parts.get("byHour", ())]
    if len(hours) % 2:
        raise BadRule("byHour are pairs, each from when until when: one of them has no end.")
    pairs = list(zip(hours[::2], hours[1::2], strict=True))
    if any(end <= start for start, end in pairs):
        raise BadRule("byHour are pairs, each from when until when: one of them ends before it starts.")
    return found, [*pairs]


def _hour(value: Any) -> time:
    text = _code(value) if isinstance(value, dict) else str(value)
    try:
        return time.fromisoformat(text) if ":" in text else time(int(text))
    except ValueError:
        raise BadRule("byHour is an hour from 0 to 23, or a time.") from None


def _bound(tree: Mapping[str, Any]) -> datetime | None:
    horizon = tree.get("planningHorizon")
    end = horizon.get("end") if isinstance(horizon, dict) else None
    try:
        return None if not isinstance(end, str) else _local(interval(end, PARIS)[1], PARIS)
    except ValueError:
        return None


def _instant(parts: Mapping[str, list[Any]], name: str) -> int | None:
    value = next(iter(parts.get(name, ())), None)
    try:
        return interval(value, PARIS)[0] if isinstance(value, str) else None
    except ValueError:
        raise BadRule(f"The {name} is no date.") from None


def _local(instant: int, zone: ZoneInfo) -> datetime:
    try:
        return datetime.fromtimestamp(instant // 1_000_000, zone).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        raise BadRule("An availability is of this age.") from None


def _minutes(value: Any) -> int:
    if isinstance(value, dict):
        unit = str(value.get("code") or value.get("unit") or "min")
        amount = value.get("value")
        found = Decimal(str(amount)) * _MINUTES.get(unit, Decimal(1)) if amount is not None else Decimal(USUAL)
    else:
        found = Decimal(value) if isinstance(value, int) else Decimal(USUAL)
    return int(min(max(found, Decimal(SHORTEST_SLOT)), Decimal(LONGEST_SLOT)))


def _parts(one: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Nested extensions: url → their values, a list of extensions where one has these in place of a value."""
    found: dict[str, list[Any]] = {}
    for part in _list(one.get("extension")):
        values = [value for name, value in part.items() if name.startswith("value")]
        found.setdefault(str(part.get("url")), []).extend(values or [part.get("extension")])
    return found


def _code(value: Any) -> str:
    return str(value.get("code", "")) if isinstance(value, dict) else str(value)


def _list(value: Any) -> Iterable[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
