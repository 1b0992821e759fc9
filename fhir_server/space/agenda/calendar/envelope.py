"""The calendar around events: what it is called, how often it is to be looked at, and when Paris has summer.

RFC 5545 §3.6.5, RFC 7986 §5. The zone is written by its rule, which has been the Union's since 1996 (directive
2000/84/EC, and 97/44/EC before): the library's own way lists transitions at the wrong local time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache

import icalendar

from fhir_server.fhir.version import VERSION

NAME = "Mon agenda de santé"
#: How often calendar programs are asked to look.
REFRESH, REFRESH_SAID = timedelta(hours=1), "PT1H"
_END = b"END:VCALENDAR\r\n"
_SUNDAY = "-1SU"


def calendar(events: Iterable[bytes]) -> bytes:
    """A calendar with events that are written already."""
    return b"".join((_begun(), *events, _END))


@cache
def _begun() -> bytes:
    found = icalendar.Calendar()
    found.add("prodid", f"-//fhir-server//agenda {VERSION}//FR")
    found.add("version", "2.0")
    found.add("calscale", "GREGORIAN")
    found.add("name", NAME)
    found.add("x-wr-calname", NAME)
    found.add("x-wr-timezone", "Europe/Paris")
    found.add("color", "teal")
    found.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    found.add("x-published-ttl", REFRESH_SAID)
    found.add_component(_paris())
    lines: bytes = found.to_ical()
    return lines.removesuffix(_END)


def _paris() -> icalendar.Timezone:
    zone = icalendar.Timezone()
    zone.add("tzid", "Europe/Paris")
    for kind, first, month, name, before, after in (
        (icalendar.TimezoneStandard, datetime(1996, 10, 27, 3), 10, "CET", 2, 1),  # noqa: DTZ001 - RFC 5545 §3.6.5: local
        (icalendar.TimezoneDaylight, datetime(1996, 3, 31, 2), 3, "CEST", 1, 2),  # noqa: DTZ001
    ):
        part = kind()
        part.add("dtstart", first)
        part.add("rrule", {"freq": "yearly", "bymonth": month, "byday": _SUNDAY})
        part.add("tzname", name)
        part.add("tzoffsetfrom", timedelta(hours=before))
        part.add("tzoffsetto", timedelta(hours=after))
        zone.add_component(part)
    return zone
