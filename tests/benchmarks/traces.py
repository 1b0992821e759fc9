"""Traces: how fast they are appended as the store grows, what a patient's list of them takes, and what the chain costs."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.party import Named, Party
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record, witnessed
from fhir_server.audit.verifying import verify
from fhir_server.interactions.audited import audited
from fhir_server.interactions.exchange import Request
from fhir_server.settings import Settings
from fhir_server.space.accesses.consultations import Asked, Teller
from fhir_server.store.embedded import batch
from fhir_server.store.filters import Index, Word
from fhir_server.store.protocol import Put
from tests.benchmarks.timing import table, told

BASE = "https://bench.example/fhir"
#: Exchanges that are traced at once, as on a busy server; traces of one patient, on average.
AT_ONCE, EACH = 32, 100
#: Traces of exchanges that are measured, at first and at last; up to how many the whole chain is verified at the end.
MEASURED, WHOLE = 10_000, 1_000_000
#: Copies of a commit, and the patient whom the copied ones are about.
_TOGETHER, _ANYBODY = 1_000, 99_999_999
_READS = tuple(Scope("patient", type, frozenset("rs")) for type in ("AuditEvent", "DocumentReference"))
_PROFESSION = ("https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante", "10", "Médecin")


def traces(base: Path, count: int, seconds: float) -> Iterator[str]:
    """The tables: writing at first and at last, reading, and the chain's cost."""
    yield from asyncio.run(_grown(base / "traces", count, seconds))
    yield asyncio.run(_chained(base, max(2_000, min(20_000, count // 10))))


async def _grown(folder: Path, count: int, seconds: float) -> list[str]:
    dice, patients, some = random.Random(1), max(10, count // EACH), min(MEASURED, count // 4)
    async with opened(Settings(data=folder, base_url=BASE)) as house:
        await _append(house, some // 4, patients, dice)  # warms up
        first = await _append(house, some, patients, dice)
        began = time.perf_counter()
        await _fill(house, count - 2 * some, patients)
        filled = (count - 2 * some) / (time.perf_counter() - began)
        since = datetime.now(UTC)
        last = await _append(house, some, patients, dice)
        read = [await _listed(house, patients, dice, seconds), await _told(house, patients, dice, seconds)]
        began = time.perf_counter()
        found = await verify(house.engine, None if count <= WHOLE else since)
        assert not found.broken and found.verified >= (count if count <= WHOLE else some)
        rate = found.verified / (time.perf_counter() - began)
    kept = _size(folder) / count
    rows = [
        (f"{n:,}", f"{some / took:,.0f}", told(worked / some), ratio)
        for n, (took, worked), ratio in ((some, first, ""), (count, last, f"{first[0] / last[0]:.2f}"))
    ]
    return [
        table(("Traces stored", "appended /s, durable", "CPU a trace", "beside the first: ≥ 0.9"), rows),
        table(("Of one patient, every rule active: < 50 ms", "median", "99th of 100"), read),
        f"Between the two, copies were appended at {filled:,.0f}/s, 1,000 a commit. `audit verify` makes {rate:,.0f} links a "
        f"second; a trace takes {kept:,.0f} bytes, indexes and chain included.",
    ]


def _size(folder: Path) -> int:
    """Bytes of the store's file and its log."""
    return sum(one.stat().st_size for one in folder.glob("fhir.sqlite*"))


async def _fill(house: House, count: int, patients: int) -> None:
    """Append copies of one patient's traces, those of a patient together: else each falls on pages of its own.

    What is appended is what the server itself makes and indexes, but for the instant that it tells.
    """
    dice, own = random.Random(3), house.repository(base=BASE)
    made = [witnessed(own, _event(_ANYBODY, dice)) for _ in range(EACH)]
    for at in range(0, count, _TOGETHER):
        some = range(at, min(count, at + _TOGETHER))
        await own.append([_copied(made[n % EACH], own.new_id("AuditEvent"), n // EACH % patients) for n in some])


def _copied(made: Put, id: str, patient: int) -> Put:
    """A trace of the same about another patient; names are as long as before, so that all stays where it is."""
    was, whose = f"{_ANYBODY:08}", f"{patient:08}"
    body = made.body.replace(made.id.encode(), id.encode()).replace(was.encode(), whose.encode())
    words = tuple(
        Word(word.param, word.value.replace(was, whose), word.qualifier, word.group) if was in word.value else word
        for word in made.index.words
    )
    index = Index(words, made.index.spans, made.index.narrative, made.index.content)
    return Put(made.type, id, 0, body, made.stamp, index, made.method)


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
    whose = f"Patient/p{patient:08}"
    touched.objects = {f"DocumentReference/d{patient:08}-{dice.randrange(20)}/_history/1": (whose,)}
    touched.patients = {whose: None}
    doctor = dice.randrange(500)
    person = Named(f"Practitioner/d{doctor}", f"Docteur {doctor}", ("urn:oid:1.2.250.1.71.4.2.1", f"8997{doctor:08}"))
    there = Named(f"Organization/o{doctor % 50}", f"Cabinet {doctor % 50}")
    grant = Grant(subject=person.reference, client=f"tool{doctor % 9}", purpose="TREAT")
    return exchange_event(grant, touched, "read", "DocumentReference", 200, BASE, Party(person, _PROFESSION, there))


async def _listed(house: House, patients: int, dice: random.Random, seconds: float) -> tuple[str, str, str]:
    async def once() -> None:
        id = f"p{dice.randrange(patients):08}"
        grant = Grant(_READS, subject=f"Patient/{id}", patient=id, client="app", traced=False)
        context = house.context_of(await house.seen_by(grant, BASE), BASE, True, "representation", "")
        query = (("patient", f"Patient/{id}"), ("_count", "20"))
        assert (await audited(Request("GET", ("AuditEvent",), query), context)).status == 200

    return "GET AuditEvent?patient=…&_count=20", *await _times(once, seconds)


async def _told(house: House, patients: int, dice: random.Random, seconds: float) -> tuple[str, str, str]:
    async def called(client: str) -> str:
        return client

    async def once() -> None:
        id = f"p{dice.randrange(patients):08}"
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
