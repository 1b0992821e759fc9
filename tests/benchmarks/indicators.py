"""Indicators: what keeping them costs writes, how fast all is counted anew, and what a page takes of how much."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fhir_server.app import House, opened
from fhir_server.audit.recording import record
from fhir_server.fhir.json import serialize
from fhir_server.settings import Settings
from fhir_server.space.indicators.counting import CELL, cell_key, generation
from fhir_server.space.indicators.definitions import INDICATORS
from fhir_server.space.indicators.recounting import Indicators
from fhir_server.space.indicators.sectors import SECTORS
from fhir_server.space.indicators.tables import months_before
from fhir_server.space.indicators.telling import day_of, publish, tables
from fhir_server.store.protocol import Keep
from fhir_server.work import beside
from tests.benchmarks.timing import table, told
from tests.benchmarks.traces import _event

_BASE = "https://bench.example/fhir"
_PART, _ROUNDS = 500, 6
_FACILITIES = ("SA25", "SA01", "SA07", "SA33")


def indicators(base: Path, documents: int) -> Iterator[str]:
    """The tables: keeping, recounting, pages."""
    yield from asyncio.run(_measured(base / "indicators", documents))


async def _measured(folder: Path, documents: int) -> list[str]:
    dice, people = random.Random(1), max(10, documents // 10)
    async with opened(Settings(data=folder, base_url=_BASE)) as house:
        await _put(house, [{"resourceType": "Patient", "id": f"p{n}", "birthDate": "1970"} for n in range(people)])
        await Indicators(house.services).recount(datetime.now(UTC))
        kept, plain = await _kept(house, documents, people, dice)
        rates: list[tuple[str, ...]] = []
        for aside in (False, True):
            with beside.opened() if aside else nullcontext():
                began, worked = time.perf_counter(), time.process_time()
                number = await Indicators(house.services).recount(datetime.now(UTC))
                wall, cpu = time.perf_counter() - began, time.process_time() - worked
            rates.append(
                (
                    "beside" if aside else "in one process",
                    f"{number:,}",
                    f"{number / wall:,.0f}",
                    f"{number / cpu:,.0f}",
                )
            )
        pages: list[tuple[str, ...]] = [await _pages(house, size) for size in (1_000, 1_000_000, 10_000_000)]
    cost = 100 * (statistics.median(kept) / statistics.median(plain) - 1)
    rows = [
        ("without", told(statistics.median(plain))),
        ("with", told(statistics.median(kept))),
        ("more", f"{cost:.1f} %"),
    ]
    return [
        table(("A document and a trace written, indicators", "CPU"), rows),
        table(("Everything counted anew", "resources", "/s", "/s of this process's CPU"), rates),
        table(("Counts of so many documents", "told anew, once a day", "all tables read"), pages),
    ]


async def _kept(house: House, documents: int, people: int, dice: random.Random) -> tuple[list[float], list[float]]:
    """CPU of a document and a trace, by turns with what is counted of them and without."""
    kept: list[float] = []
    plain: list[float] = []
    written = 0
    while written < documents or len(kept) < _ROUNDS:
        for figures, counts in ((plain, False), (kept, True)):
            began = time.process_time()
            await _put(house, [_document(written + n, people, dice) for n in range(_PART)])
            for _ in range(_PART // 50):
                await record(house.repository(base=_BASE), [_event(dice.randrange(people), dice) for _ in range(50)])
            if counts:
                await Indicators(house.services).count(datetime.now(UTC))
            figures.append((time.process_time() - began) / _PART)
            written += _PART
            if not counts:
                # What the other half left is not this half's.
                await Indicators(house.services).count(datetime.now(UTC))
    return kept, plain


async def _put(house: House, trees: list[dict[str, Any]]) -> None:
    repository = house.repository(base=_BASE)
    for at in range(0, len(trees), 50):
        puts = [await repository.put(t["resourceType"], t["id"], t, serialize(t), None) for t in trees[at : at + 50]]
        await repository.transact(puts)


def _document(number: int, people: int, dice: random.Random) -> dict[str, Any]:
    facility = {"coding": [{"code": dice.choice(_FACILITIES)}]}
    return {
        **{"resourceType": "DocumentReference", "id": f"d{number}", "status": "current"},
        **{"subject": {"reference": f"Patient/p{dice.randrange(people)}"}, "type": {"coding": [{"code": "11502-2"}]}},
        **{"date": f"2026-{dice.randrange(1, 12):02}-15T10:00:00+01:00", "context": {"facilityType": facility}},
        "content": [{"attachment": {"contentType": "application/pdf", "url": f"Binary/d{number}"}}],
    }


async def _pages(house: House, documents: int) -> tuple[str, str, str]:
    """Counts as so many documents leave them, what telling them takes, and reading all tables."""
    records, now = house.engine.records, datetime.now(UTC)
    current = await generation(records)
    assert current is not None
    cells = [(month, sector) for month in months_before(day_of(now)) for sector in SECTORS]
    for month, sector in cells:
        key = cell_key(current.number, ("documents", month, sector, "current"))
        await records.apply([Keep(CELL, key, str(documents // len(cells)).encode())])
    began = time.perf_counter()
    await publish(records, now, anew=True)
    anew, times = time.perf_counter() - began, []
    for _ in range(50):
        began = time.perf_counter()
        await tables(records, INDICATORS, now)
        times.append(time.perf_counter() - began)
    return f"{documents:,}", told(anew), told(statistics.median(times))
