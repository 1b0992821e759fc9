"""What becomes of each person's space: when they are told, object, are opened, activate, close. Decided beforehand.

Nothing of it is in the store: the same seed decides the same, so that a run that was cut off goes on as it would have.
A moment is a tick: four times the month's number, and which of its `TICKS`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from fhir_server.population.districts import District, district
from fhir_server.population.generation import BLOCK, people
from fhir_server.population.people import MAJORITY_YEARS, Person
from fhir_server.population.world import World
from fhir_server.simulation.course import TICKS, Small, first_day, moment
from fhir_server.space.accounts.states import SIX_WEEKS

#: Of a hundred who are told, those who object: fewer than 2 (January 2024), 1.9 with those who closed (summer 2023).
OBJECT = 1.8
#: Of a hundred people, those for whom nothing is ever filed: 70 % had a document by January 2026.
WITHOUT_DOCUMENTS = 26
#: A moment that never comes.
NEVER = 1 << 30
#: How much likelier people of sixty and more come: one in four against one in five (autumn 2024).
ELDER_YEARS, ELDER_MORE = 60, 1.3


class Nation(World):
    """A world whose ids say that a simulation made them, whatever else is in other stores: `n1-pat-12`."""

    def id(self, kind: str, *numbers: int) -> str:
        """As `World.id`."""
        return "-".join((f"n{self.seed}", kind, *map(str, numbers)))


@dataclass(slots=True)
class Fate:
    """Of one person.

    Attributes:
        person, district: who, and who looks after them.
        weight: how much is filed for them, beside others.
        told, objects, opens, activates, closes: ticks; `NEVER` where it does not happen.
    """

    person: Person
    district: District
    weight: float
    told: int
    opens: int = NEVER
    objects: int = NEVER
    activates: int = NEVER
    closes: int = NEVER

    def is_open(self, month: int) -> bool:
        """Whether professionals file in it from the first to the last day of a month."""
        return self.opens < month * 4 and self.closes >= month * 4 + 4

    def is_used(self, month: int) -> bool:
        """Whether its holder had come before a month, and does not leave in it."""
        return self.activates < month * 4 and self.closes >= month * 4 + 4


def fates(world: Nation, small: Small, first: int, last: int) -> list[Fate]:
    """Of everybody who is told from one month to another, in the order in which they are."""
    found: list[Fate] = []
    districts: dict[tuple[int, str], District] = {}
    opening = _openings(first, last)
    coming = people(world)
    for tick in range(first * 4, last * 4 + 4):
        wanted = small.there("told", tick // 4, (tick % 4 + 1) / 4)
        for person in islice(coming, max(0, wanted - len(found))):
            # Who died, came or objected is decided here; nobody's parents act for them.
            person.died, person.activated, person.opposed, person.parents = None, False, False, []
            key = (person.number // BLOCK, person.commune["insee"])
            if key not in districts:
                districts[key] = district(world, len(districts) + 1, person.commune)
            fate = Fate(person, districts[key], _weight(world, person), tick)
            if person.number * OBJECT // 100 > (person.number - 1) * OBJECT // 100:
                fate.objects = tick + 2
            else:
                fate.opens = opening[tick - first * 4]
            found.append(fate)
    _activate(world, small, found, first, last)
    _close(world, small, found, first, last)
    return found


def _openings(first: int, last: int) -> list[int]:
    """The tick at which those are opened who are told at each, by the rule's own delay."""
    moments: list[datetime] = [moment(tick // 4, tick % 4) for tick in range(first * 4, last * 4 + 4 + 3 * len(TICKS))]
    due = [SIX_WEEKS.after(one) for one in moments[: (last - first + 1) * 4]]
    return [first * 4 + bisect_left(moments, one) for one in due]


def _weight(world: Nation, person: Person) -> float:
    rng = world.rng("need", person.number)
    if rng.random() * 100 < WITHOUT_DOCUMENTS:
        return 0.0
    return rng.expovariate(1.0) * (0.6 + person.age(world.day) / 60)


def _activate(world: Nation, small: Small, found: Sequence[Fate], first: int, last: int) -> None:
    rng = world.rng("activations")
    by_opening = sorted(found, key=lambda fate: (fate.opens, fate.person.number))
    waiting: list[tuple[float, int]] = []
    at = done = 0
    for tick in range(first * 4, last * 4 + 4):
        day = first_day(tick // 4)
        while at < len(by_opening) and by_opening[at].opens < tick:
            fate = by_opening[at]
            # Children's spaces are used by those who represent them, once they are grown by themselves.
            if fate.person.age(day) >= MAJORITY_YEARS:
                heapq.heappush(waiting, (rng.random() / _eagerness(fate.person, day), fate.person.number))
            at += 1
        wanted = small.there("activated", tick // 4, (tick % 4 + 1) / 4)
        while done < wanted and waiting:
            found[heapq.heappop(waiting)[1] - 1].activates = tick
            done += 1


def _close(world: Nation, small: Small, found: Sequence[Fate], first: int, last: int) -> None:
    rng = world.rng("closings")
    by_opening = sorted(found, key=lambda fate: (fate.opens, fate.person.number))
    waiting: list[tuple[float, int]] = []
    at = done = 0
    for tick in range(first * 4, last * 4 + 4):
        # Not before it was open for a month.
        while at < len(by_opening) and by_opening[at].opens + 4 < tick:
            heapq.heappush(waiting, (rng.random(), by_opening[at].person.number))
            at += 1
        wanted = small.there("closed", tick // 4, (tick % 4 + 1) / 4)
        while done < wanted and waiting:
            fate = found[heapq.heappop(waiting)[1] - 1]
            fate.closes = tick
            fate.activates = fate.activates if fate.activates < tick else NEVER
            done += 1


def _eagerness(person: Person, day: date) -> float:
    return ELDER_MORE if person.age(day) >= ELDER_YEARS else 1.0
