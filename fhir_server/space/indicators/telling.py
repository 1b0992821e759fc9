"""What is told, as it is kept: one set of tables for pages, files, reports and commands, made once a day.

The reference day is the day of Paris on which it was made. It is made anew when that day is over, when everything was
counted from scratch, and when twice as much is counted as then: a store that was just filled. What a page shows is read
from here, so that no page takes longer the more there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from fhir_server.space.indicators.counting import cells
from fhir_server.space.indicators.definitions import INDICATORS
from fhir_server.space.indicators.facts import FACTS, FORMAT
from fhir_server.space.indicators.indicator import Indicator
from fhir_server.space.indicators.tables import Table, plain, told
from fhir_server.space.paris import PARIS
from fhir_server.store.protocol import Keep, Records

#: Kind of the records: code of an indicator → its table; "" → `Published`.
TOLD = "indicator-told"
#: Facts of which there are as many cells' counts as there are resources of their kinds.
_SIZED = ("births", "documents", "reads")


class Published(msgspec.Struct, frozen=True):
    """The set of tables: by which `FORMAT` and on which day it was made, and of how many resources."""

    format: int
    day: date
    size: int


class _Kept(msgspec.Struct, frozen=True):
    first: date
    last: date
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[str, str, int | None], ...]


async def published(records: Records) -> Published | None:
    """What was told last; None before the first time."""
    found = await records.get(TOLD, "")
    return None if found is None else msgspec.json.decode(found, type=Published)


async def tables(records: Records, indicators: Sequence[Indicator], now: datetime) -> list[Table]:
    """The tables that are told, same order, as of one moment; of nothing before the first time."""
    found = await records.get_each([(TOLD, one.code) for one in indicators])
    nothing = told({}, day_of(now), {}) if None in found else {}
    return [
        nothing[one.code] if kept is None else _read(one, kept) for one, kept in zip(indicators, found, strict=True)
    ]


async def table(records: Records, indicator: Indicator, now: datetime) -> Table:
    """The one table, as of `tables`."""
    return (await tables(records, (indicator,), now))[0]


async def as_of(records: Records, indicator: Indicator, now: datetime) -> Table:
    """What there is as of another day, sums of all: `tables.plain`."""
    return plain(indicator, {fact: await cells(records, fact) for fact in FACTS}, day_of(now))


async def publish(records: Records, now: datetime, *, anew: bool = False) -> bool:
    """Tell what is counted; whether it was time to, or `anew`. Whoever calls holds the lease of the job."""
    before, day = await published(records), day_of(now)
    of_today = before is not None and before.format == FORMAT and before.day == day and not anew
    if of_today and before is not None and await _size(records) < 2 * before.size + 20:
        return False
    counts = {fact: await cells(records, fact) for fact in FACTS}
    was: dict[str, Table] = {}
    if before is not None and before.format == FORMAT:
        was = {one.indicator.code: one for one in await tables(records, INDICATORS, now)}
    made = told(counts, day, was)
    size = sum(sum(counts[fact].values()) for fact in _SIZED)
    keep = [Keep(TOLD, code, _written(one)) for code, one in made.items()]
    await records.apply([*keep, Keep(TOLD, "", msgspec.json.encode(Published(FORMAT, day, size)))])
    return True


def day_of(now: datetime) -> date:
    """The day of Paris."""
    return now.astimezone(PARIS).date()


async def _size(records: Records) -> int:
    return sum([sum((await cells(records, fact)).values()) for fact in _SIZED])


def _read(indicator: Indicator, kept: bytes) -> Table:
    found = msgspec.json.decode(kept, type=_Kept)
    values = {(row, column): value for row, column, value in found.values}
    return Table(indicator, found.first, found.last, found.rows, found.columns, values)


def _written(one: Table) -> bytes:
    values = tuple((*place, value) for place, value in one.values.items())
    return msgspec.json.encode(_Kept(one.first, one.last, one.rows, one.columns, values))
