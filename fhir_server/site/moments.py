"""Days and instants as people read them, in French or English, in the server's time zone."""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import cache
from zoneinfo import ZoneInfo

from markupsafe import Markup

from fhir_server.fhir.dates import begins
from fhir_server.site.words import Language

#: Names of months, by language.
MONTHS = {
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "en": "January February March April May June July August September October November December".split(),
}

#: A date of R4 without a day; a year alone is what it is in every language.
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


def moment(given: datetime | date | str | None, language: Language, zone: str) -> Markup:
    """`<time>` for an instant, a day or a month; "" for none, and what it was for what is no date.

    Args:
        given: an aware datetime, a date, or either in ISO 8601.
        language: of the words.
        zone: IANA name of the time zone in which people read.
    """
    if not given:
        return Markup("")
    if isinstance(given, str) and (month := _MONTH.fullmatch(given)):
        words = f"{MONTHS[language][int(month[2]) - 1]} {month[1]}"
        return Markup('<time datetime="{}">{}</time>').format(given, words)
    if isinstance(given, str):
        at = begins(given, _zone(zone)) if len(given) >= len("2026-01-01") else None
        if at is None:
            return Markup("{}").format(given)
        given = at if "T" in given else at.date()
    if not isinstance(given, datetime):
        return Markup('<time datetime="{}">{}</time>').format(given.isoformat(), _day(given, language))
    here = given.astimezone(_zone(zone))
    words = f"{_day(here, language)}{' à ' if language == 'fr' else ', '}{here:%H:%M}"
    return Markup('<time datetime="{}">{}</time>').format(here.isoformat(timespec="seconds"), words)


def day(given: datetime | date | str | None, language: Language, zone: str) -> Markup:
    """As `moment`, of an instant the day alone: that which it was where people read."""
    if isinstance(given, str) and "T" in given:
        at = begins(given, _zone(zone))
        return moment(given if at is None else at.date(), language, zone)
    return moment(given.astimezone(_zone(zone)).date() if isinstance(given, datetime) else given, language, zone)


def _day(given: date, language: Language) -> str:
    day = "1er" if language == "fr" and given.day == 1 else str(given.day)
    return f"{day} {MONTHS[language][given.month - 1]} {given.year}"


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
