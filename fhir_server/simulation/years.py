"""The years gone through: each month its people, four times the lives of their spaces, what is filed, read and said.

All of it is written as others write it: resources by the loader, which judges them as a POST does; spaces by the table
of `space.accounts`, waves by the clock's own; traces as the server keeps its own. Each part is durable before the next
is begun, and is the same whenever it is done: what is there already stays as it is, so that who is cut off goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from random import Random
from typing import Any, TypeVar

import msgspec

from fhir_server.app import House
from fhir_server.audit.recording import record_named
from fhir_server.fhir.json import serialize
from fhir_server.loading.preparation import Refusal
from fhir_server.loading.pump import Job, Loader, Outcome
from fhir_server.loading.sources import Part
from fhir_server.population.apps import apps
from fhir_server.population.districts import District, resources
from fhir_server.population.people import patient
from fhir_server.population.world import World
from fhir_server.simulation import figures
from fhir_server.simulation.counting import Counting
from fhir_server.simulation.course import TICKS, Small, first_day, moment
from fhir_server.simulation.fates import NEVER, Fate, Nation, fates
from fhir_server.simulation.journal import Journal, Standing
from fhir_server.simulation.months import Month, months
from fhir_server.simulation.things import sheet, talk, traces
from fhir_server.space.accounts.clock import Waves
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.accounts.states import Event
from fhir_server.space.accounts.together import TOGETHER, move_together

T = TypeVar("T")
#: Phases of a month, in order.
PHASES = ("people", "events", "figures")
#: What happens to spaces at a moment, in this order; waves open before their holders come.
LIFE: Sequence[Event] = ("inform", "oppose", "activate", "close")
#: Resources of one part.
PART = 600
_EVERYBODY = 1 << 30


@dataclass(slots=True)
class Done:
    """What a run did; what was there already is not counted.

    Attributes:
        resources, moves, traces: how many were written, and how often a space moved.
        refused: what was not taken, which says that the simulation and the rules disagree.
    """

    resources: int = 0
    moves: int = 0
    traces: int = 0
    refused: list[Refusal] = field(default_factory=list)


class Years:
    """A simulation over one opened server."""

    def __init__(self, house: House, loader: Loader, counting: Counting, begun: Standing, last: int) -> None:
        """Go on from where `begun` stands, to the end of the month `last`."""
        self._house = house
        self._loader = loader
        self._counting = counting
        self._standing = begun
        self._last = last
        self._own = house.services.repository()
        self._journal = Journal(house.engine.records)
        self._world = Nation(begun.random_seed, first_day(begun.first))
        self._small = Small(begun.scale, begun.first)
        self._fates: list[Fate] = []
        self._moving: dict[tuple[Event, int], list[str]] = {}
        self._done = Done()

    async def run(self, told: Callable[[int, str], None]) -> Done:
        """Go through them; `told` hears of each month and phase that begins."""
        first = self._standing.first
        # Whoever goes on further later decides of the same people the same: all that the figures reach.
        self._fates = fates(self._world, self._small, first, self._last)
        self._moving = self._moves()
        for month in months(self._world, self._small, self._fates, first, self._last):
            if month.number >= self._standing.month:
                await self._month(month, told)
        return self._done

    async def _month(self, month: Month, told: Callable[[int, str], None]) -> None:
        for phase, name in enumerate(PHASES):
            if phase < self._standing.phase:
                continue
            told(month.number, name)
            await self._phase(month, name)
            await self._keep(phase=phase + 1, part=0)
        await self._keep(month=month.number + 1, phase=0)

    async def _keep(self, **to: int) -> None:
        self._standing = msgspec.structs.replace(self._standing, **to)
        await self._journal.keep(self._standing)

    async def _phase(self, month: Month, name: str) -> None:
        if name == "people":
            await self._load(self._newcomers(month.number))
        elif name == "events":
            # None of them is about what another changes: a space that moves was open before, or is fed after.
            events = chain(self._sheets(month), talk(self._world, self._rng("talk", month), month, self._fates))
            await together(self._load(events), self._lives(month.number), self._traces(month))
            self._counting.begin()
        else:
            await figures.asked(self._house, self._journal, self._counting, month.number)

    def _rng(self, name: str, month: Month) -> Random:
        return self._world.rng(name, month.number)

    def _newcomers(self, month: int) -> Iterator[dict[str, Any]]:
        """Those who are told in a month, with those who look after the first of each district."""
        if month == self._standing.first:
            yield from apps(World(self._world.seed, self._world.day))
        known: set[int] = set()
        for fate in self._fates:
            district = fate.district
            if fate.told // 4 == month:
                if district.number not in known:
                    yield from resources(self._world, district)
                yield self._patient(fate, district)
            known.add(district.number)

    def _patient(self, fate: Fate, district: District) -> dict[str, Any]:
        doctors = district.of(["health-house"], "SM54")
        attending = doctors[fate.person.number % len(doctors)]
        found = patient(self._world, fate.person, attending.id, attending.structure.id)
        # Of a space that is not open nobody files in the record: it opens as the rules have it.
        return {**found, "active": False}

    def _sheets(self, month: Month) -> Iterator[dict[str, Any]]:
        rng = self._rng("documents", month)
        for filed in month.filed:
            yield sheet(self._world, rng, month.number, filed, self._fates[filed.whose - 1])

    async def _load(self, trees: Iterator[dict[str, Any]]) -> None:
        async def report(outcome: Outcome) -> None:
            self._done.resources += outcome.written
            self._done.refused += outcome.refused
            await self._keep(part=outcome.part.first)

        async def jobs() -> AsyncIterator[Job]:
            for number, batch in _parts(trees, PART):
                if number > self._standing.part:
                    yield Job(Part(b"\n".join(map(serialize, batch)), True, number, len(batch), 0), "simulate", report)

        await self._loader.load(jobs(), lambda: False)

    async def _lives(self, month: int) -> None:
        for tick in range(len(TICKS)):
            await self._live(month * 4 + tick)

    async def _live(self, at: int) -> None:
        """Notices, objections, openings, activations and closings of a moment, in this order."""
        for event in LIFE:
            if event == "activate":
                self._done.moves += await Waves(self._own, _EVERYBODY).run(moment(at // 4, at % 4))
            for _, some in _parts(iter(self._moving.get((event, at), ())), TOGETHER):
                self._done.moves += await move_together(self._own, {one: self._asked(event, one, at) for one in some})

    def _moves(self) -> dict[tuple[Event, int], list[str]]:
        """What happens at a tick → the patients (ids) to whose spaces it does."""
        found: dict[tuple[Event, int], list[str]] = {}
        for fate in self._fates:
            ticks = (fate.told, fate.objects, fate.activates, fate.closes)
            for event, tick in zip(LIFE, ticks, strict=True):
                if tick < NEVER:
                    found.setdefault((event, tick), []).append(self._world.id("pat", fate.person.number))
        return found

    def _asked(self, event: Event, patient: str, at: int) -> Asked:
        now = moment(at // 4, at % 4)
        return Asked(event, "operator", now) if event == "inform" else Asked(event, "holder", now, f"Patient/{patient}")

    async def _traces(self, month: Month) -> None:
        for _, batch in _parts(traces(self._world, self._rng("traces", month), month, self._fates), PART):
            self._done.traces += await record_named(self._own, batch)


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """All of them, side by side; when one fails the others end before that is said."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _parts(items: Iterator[T], size: int) -> Iterator[tuple[int, list[T]]]:
    """Parts of so many, numbered from 1."""
    number = 0
    while some := list(islice(items, size)):
        number += 1
        yield number, some
