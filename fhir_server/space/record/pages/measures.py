"""Mesures: the last value of each kind, and one kind as a chart and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.chart import HEIGHT, WIDTH, Drawn, Point, drawn
from fhir_server.space.record.pages.documents import record
from fhir_server.space.record.pages.measured import MEASURES, Taken, taken
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.service import Surroundings

#: Periods that may be chosen → days; None for all.
PERIODS: dict[str, int | None] = {"3-mois": 92, "1-an": 366, "tout": None}
#: Values of one kind that are shown, the newest.
SHOWN = 200


async def show(guest: Guest[Surroundings]) -> Response:
    """The measures of one record."""
    asking = of_patient(guest)
    if asking is None:
        return guest.nothing()
    zone = ZoneInfo(guest.service.settings.default_timezone)
    last = await _last(asking, zone)
    asked, period = guest.query("mesure"), guest.query("periode")
    chosen = asked if asked in last else next(iter(last), "")
    period = period if period in PERIODS else "1-an"
    rows, more = await _of(asking, chosen, PERIODS[period], zone) if chosen else ([], False)
    values = {
        **await record(guest, guest.path("patient")),
        "last": last,
        "chosen": chosen,
        "measures": MEASURES,
        "period": period,
        "periods": list(PERIODS),
        "rows": rows,
        "more": more,
        "shown": SHOWN,
        "unit": _unit(rows),
        "chart": _chart(rows),
        "size": (WIDTH, HEIGHT),
        "told": told,
    }
    return guest.page("record/measures", values)


def told(value: float, lang: str) -> str:
    """A value as people read it."""
    text = f"{value:.10g}"
    return text.replace(".", ",") if lang == "fr" else text


async def _last(asking: Asking, zone: ZoneInfo) -> dict[str, Taken]:
    """The last of each kind there is, in the order of the table."""
    pairs = [("code", ",".join(MEASURES)), ("_count", str(SHOWN))]
    found = await _found(asking, pairs, zone)
    return {code: next(one for one in found[0] if one.code == code) for code in MEASURES if _has(found[0], code)}


async def _of(asking: Asking, code: str, days: int | None, zone: ZoneInfo) -> tuple[list[Taken], bool]:
    """Values of one kind, the newest first, and whether there are older ones in the period."""
    pairs = [("code", code), ("_count", str(SHOWN))]
    if days is not None:
        pairs.append(("date", f"ge{(datetime.now(zone) - timedelta(days=days)).date().isoformat()}"))
    return await _found(asking, pairs, zone)


async def _found(asking: Asking, pairs: list[tuple[str, str]], zone: ZoneInfo) -> tuple[list[Taken], bool]:
    whose = [("patient", f"Patient/{asking.grant.patient}"), ("status:not", "entered-in-error,cancelled")]
    found = await asking.find("Observation", [*whose, ("_sort", "-date"), *pairs])
    rows = [one for one in (taken(tree, zone) for tree in found.trees) if one is not None]
    return sorted(rows, key=lambda one: one.at, reverse=True), bool(found.next)


def _has(rows: Sequence[Taken], code: str) -> bool:
    return any(one.code == code for one in rows)


def _unit(rows: Sequence[Taken]) -> str:
    """The unit of the newest value: that of the chart, on which values in other units are not."""
    return next((value[1] for one in rows for value in one.values if value), "")


def _chart(rows: Sequence[Taken]) -> Drawn | None:
    unit, parts = _unit(rows), len(rows[0].values) if rows else 0
    series = [
        [Point(one.at, value[0]) for one in reversed(rows) if (value := one.values[part]) and value[1] == unit]
        for part in range(parts)
    ]
    return drawn(series)
