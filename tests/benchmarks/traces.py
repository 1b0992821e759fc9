"""Traces: how fast they are appended as the store grows, what a patient's list of them takes, and what the chain costs."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.party import Named, Party
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.audit.verifying import verify
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Request
from fhir_server.settings import Settings
from fhir_server.space.accesses.consultations import Asked, Teller
from fhir_server.store.embedded import batch
from tests.benchmarks.timing import table, told

BASE = "https://bench.example/fhir"
#: Exchanges that are traced at once, as on a busy server; traces of one patient, on average.
AT_ONCE, EACH = 32, 100
_READS = tuple(Scope("patient", type, frozenset("rs")) for type in ("AuditEvent", "DocumentReference"))
_PROFESSION = ("https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante", "10", "Médecin")


def traces(base: Path, count: int, seconds: float) -> Iterator[str]:
    """The tables: writing by tenths, reading, and the chain's cost."""
    yield from asyncio.run(_grown(base / "traces", count, seconds))
    yield asyncio.run(_chained(base, max(2_000, min(20_000, count // 10))))


async def _grown(folder: Path, count: int, seconds: float) -> list[str]:
    dice, patients = random.Random(1), max(10, count // EACH)
    async with opened(Settings(data=folder, base_url=BASE)) as house:
        written = []
        for tenth in range(10):
            took, worked = await _append(house, count // 10, patients, dice)
            n = count // 10
            written.append((f"{(tenth + 1) * n:,}", f"{n / took:,.0f}", told(worked / n)))
        read = [await _listed(house, patients, dice, seconds), await _told(house, patients, dice, seconds)]
        began = time.perf_counter()
        found = await verify(house.engine)
        assert not found.broken and found.verified == count // 10 * 10
        rate = found.verified / (time.perf_counter() - began)
    kept = (folder / "fhir.sqlite").stat().st_size / count
    return [
        table(("Traces stored", "appended /s, durable", "CPU a trace"), written),
        table(("Of one patient, every rule active", "median", "99th of 100"), read),
        f"`audit verify` makes {rate:,.0f} links a second; a trace takes {kept:,.0f} bytes, indexes and chain included.",
    ]


async def _append(house: House, count: int, patients: int, dice: random.Random) -> tuple[float, float]:
    """Seconds by the clock and of the processor for so many traces, each made and waited for as an exchange does."""
    began, worked = time.perf_counter(), time.process_time()
    left = count

    async def one() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await record(house.repository(base=BASE), [_event(dice.randrange(patients), dice)])

    await asyncio.gather(*[one() for _ in range(AT_ONCE)])
    return time.perf_counter() - began, time.process_time() - worked


def _event(patient: int, dice: random.Random) -> dict[str, Any]:
    touched = Touched(noting=True)
    whose = f"Patient/p{patient}"
    touched.objects = {f"DocumentReference/d{patient}-{dice.randrange(20)}/_history/1": (whose,)}
    touched.patients = {whose: None}
    doctor = dice.randrange(500)
    person = Named(f"Practitioner/d{doctor}", f"Docteur {doctor}", ("urn:oid:1.2.250.1.71.4.2.1", f"8997{doctor:08}"))
    there = Named(f"Organization/o{doctor % 50}", f"Cabinet {doctor % 50}")
    grant = Grant(subject=person.reference, client=f"tool{doctor % 9}", purpose="TREAT")
    return exchange_event(grant, touched, "read", "DocumentReference", 200, BASE, Party(person, _PROFESSION, there))


async def _listed(house: House, patients: int, dice: random.Random, seconds: float) -> tuple[str, str, str]:
    async def once() -> None:
        id = f"p{dice.randrange(patients)}"
        grant = Grant(_READS, subject=f"Patient/{id}", patient=id, client="app", traced=False)
        context = house.context_of(await house.seen_by(grant, BASE), BASE, True, "representation", "")
        query = (("patient", f"Patient/{id}"), ("_count", "20"))
        assert (await audited(Request("GET", ("AuditEvent",), query), context)).status == 200

    return "GET AuditEvent?patient=…&_count=20", *await _times(once, seconds)


async def _told(house: House, patients: int, dice: random.Random, seconds: float) -> tuple[str, str, str]:
    async def called(client: str) -> str:
        return client

    async def once() -> None:
        id = f"p{dice.randrange(patients)}"
        grant = Grant(_READS, subject=f"Patient/{id}", patient=id, traced=False)
        place = house.authorization.verifier.place(BASE)
        teller = Teller(await house.seen_by(grant, BASE), house.repository(), called, ZoneInfo("Europe/Paris"), place)
        assert (await teller.tell(Asked(id))).rows

    return "the page of who looked, in words", *await _times(once, seconds)


async def _times(once: Any, seconds: float) -> tuple[str, str]:
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(times) < 20:
        began = time.perf_counter()
        await once()
        times.append(time.perf_counter() - began)
    return told(statistics.median(times)), told(statistics.quantiles(times, n=100)[98])


async def _chained(base: Path, count: int) -> str:
    """Traces appended with the chain and without, by turns, to a store each."""
    chained, dice = batch.CHAINED, random.Random(2)
    took: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    async with (
        opened(Settings(data=base / "with", base_url=BASE)) as one,
        opened(Settings(data=base / "without", base_url=BASE)) as other,
    ):
        try:
            for _ in range(6):
                for name, house in (("with", one), ("without", other)):
                    batch.CHAINED = chained if name == "with" else ""  # type: ignore[misc]
                    took[name].append(await _append(house, count // 6, 1_000, dice))
        finally:
            batch.CHAINED = chained  # type: ignore[misc]
    rows = []
    for name, times in took.items():
        # What came first warms up both.
        walls, works = ([row[n] for row in times[1:]] for n in (0, 1))
        n = count // 6
        rows.append((name, f"{n / statistics.median(walls):,.0f}", told(statistics.median(works) / n)))
    return table(("The chain", "appended /s, durable", "CPU a trace"), rows)
