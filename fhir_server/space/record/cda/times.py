"""Instants as CDA writes them (TS, "20210408112400+0200"), as FHIR does.

HL7 V3 data types R1 §2.15.1, https://hl7.org/fhir/R4/datatypes.html#dateTime. FHIR has no time of day without seconds
and a zone. Missing seconds are filled with zeros, as R4 allows; a missing zone is the one that the server's setting
gives to times without one, which is told and kept beside the value: what the document says stays known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

#: The extension with what was written where FHIR's value says more than that.
AS_WRITTEN = "https://fhir-server.example/StructureDefinition/ens-as-written"
_TS = re.compile(
    r"(?P<year>\d{4})(?:(?P<month>\d\d)(?:(?P<day>\d\d)(?:(?P<hour>\d\d)(?:(?P<minute>\d\d)"
    r"(?:(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?)?)?)?)?(?P<zone>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or an instant.

    Attributes:
        value: FHIR's dateTime, as exact as what was written.
        written: what the document says, where a zone was added to it; "" otherwise.
    """

    value: str
    written: str = ""

    def put(self, into: dict[str, Any], name: str) -> None:
        """Set an element of `into`, with what was written beside it where the two differ."""
        into[name] = self.value
        if self.written:
            into[f"_{name}"] = {"extension": [{"url": AS_WRITTEN, "valueString": self.written}]}

    @property
    def bounds(self) -> tuple[str, str]:
        """Its first and last day, as far as they are known: to see which of two comes first."""
        day = self.value[:10]
        return (day + "-01-01"[len(day) - 4 :])[:10], (day + "-12-31"[len(day) - 4 :])[:10]


def moment(text: str, zone: tzinfo) -> Moment:
    """What a TS says.

    Args:
        text: "2021", "202104", "20210408", "202104081124+0200", "20210408112400.5Z", …
        zone: of times without one.

    Raises:
        ValueError: not a TS, or no such day or time.
    """
    found = _TS.fullmatch(text)
    if found is None:
        raise ValueError("not a TS")
    year, month, day, hour = (found[part] for part in ("year", "month", "day", "hour"))
    numbers = (int(found[part] or default) for part, default in _DEFAULTS)
    in_year, in_month, on_day, at_hour, at_minute, at_second = numbers
    day_of = datetime(in_year, in_month, on_day, at_hour, at_minute, at_second, tzinfo=_zone(found["zone"]) or zone)
    if month is None or day is None:
        return Moment("-".join(part for part in (year, month) if part))
    if hour is None:
        return Moment(f"{year}-{month}-{day}")
    stamp = f"{year}-{month}-{day}T{hour}:{found['minute'] or '00'}:{found['second'] or '00'}{found['fraction'] or ''}"
    return Moment(stamp + _offset(day_of), "" if found["zone"] else text)


_DEFAULTS = (("year", "0"), ("month", "1"), ("day", "1"), ("hour", "0"), ("minute", "0"), ("second", "0"))


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    digits = text[1:].replace(":", "")
    if not digits:
        return timezone(timedelta(0))
    if int(digits[:2]) > 14 or int(digits[2:]) > 59:
        raise ValueError("no such zone")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-size if text[0] == "-" else size)


def _offset(at: datetime) -> str:
    offset = at.utcoffset() or timedelta(0)
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
