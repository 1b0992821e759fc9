"""Months, weeks and hours of Paris, by which things are counted."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from fhir_server.fhir.dates import begins
from fhir_server.space.paris import PARIS

#: An instant between the third and the 26th of a month.
_AMID = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[3-9]|1\d|2[0-6])T")


def month(text: str) -> str:
    """The month of Paris of a dateTime, "2026-11"; "" where it has no time of the day, or is none."""
    if _AMID.match(text):
        # Away from its ends a month is the same in every zone: most need no calendar.
        return text[:7]
    found = _instant(text)
    return month_of(found) if found is not None else ""


def hour(text: str) -> str:
    """The hour of UTC in which an instant is, "2026-11-30T19"; "" where it is none."""
    if len(text) > 19 and text[-1] == "Z" and text[10] == "T":
        return text[:13]
    found = _instant(text)
    return f"{found.astimezone(UTC):%Y-%m-%dT%H}" if found is not None else ""


@lru_cache(maxsize=20_000)
def periods(hour: str) -> tuple[str, str]:
    """The month and the week (ISO 8601, "2026-W48") of Paris in which an hour of UTC is; "" twice where it is none."""
    when = begins(f"{hour}:00:00Z", PARIS)
    if when is None:
        return "", ""
    year, week, _ = when.astimezone(PARIS).isocalendar()
    return month_of(when), f"{year}-W{week:02}"


def month_of(when: datetime) -> str:
    """The month of Paris of an instant."""
    return f"{when.astimezone(PARIS):%Y-%m}"


def _instant(text: str) -> datetime | None:
    # Of a day alone it is not known in which month of Paris something was.
    return begins(text, PARIS) if "T" in text else None
