"""What happens in each month: who is filed something, who comes, who is read, written to, and pairs an app.

Drawn from the seed and the month alone, and from the months before: nothing is asked of the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from fhir_server.population.apps import shared
from fhir_server.simulation.course import SECTORS, Small, days_of
from fhir_server.simulation.fates import Fate, Nation

#: Sectors that file for whoever has an open space; the others do for who uses theirs.
FILING = tuple(one for one in SECTORS if one not in ("patient", "app"))
#: The youngest for whom a care home files.
CARE_HOME_YEARS = 75
#: Of a hundred who came in a month, those who come again in the next (30 % in 2022, 40 % in 2024).
RETURNING = 35
#: Of a hundred who come, those who come a second time; and of visits, those that open a second document.
AGAIN, SECOND = 5, 30


@dataclass(frozen=True, slots=True)
class Filed:
    """A document of a month: its sector and number there, and whose it is (number of the person)."""

    sector: str
    number: int
    whose: int

    def id(self, world: Nation, month: int) -> str:
        """The id of its DocumentReference."""
        return world.id(f"doc-{self.sector}", month, self.number)


@dataclass(slots=True)
class Month:
    """What happens in a month; people by their numbers.

    Attributes:
        number: months since the year 0.
        filed: its documents.
        visits: who opens a document of theirs, an entry for each exchange: (person, document's id, day of the month).
        read: whose record a professional opens: (person, document's id).
        written: to whom a professional writes.
        paired: who agrees to an app, and which of `apps.shared` by its place.
    """

    number: int
    filed: list[Filed] = field(default_factory=list)
    visits: list[tuple[int, str, int]] = field(default_factory=list)
    read: list[tuple[int, str]] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    paired: list[tuple[int, int]] = field(default_factory=list)


def months(world: Nation, small: Small, fates: Sequence[Fate], first: int, last: int) -> Iterator[Month]:
    """Every month, in order."""
    there: dict[int, str] = {}
    apps, paired = len(shared(world)), set[tuple[int, int]]()
    came: list[int] = []
    for number in range(first, last + 1):
        rng = world.rng("month", number)
        month = Month(number)
        using = [fate.person.number for fate in fates if fate.is_used(number)]
        month.filed = [*_filed(rng, small, fates, using, number)]
        there |= {one.whose: one.id(world, number) for one in month.filed}
        came = _came(rng, [one for one in using if one in there], came, small.new("users", number))
        month.visits = [(one, there[one], day) for one, day in _visits(rng, came, days_of(number))]
        known = [one for one in there if fates[one - 1].is_open(number)]
        month.read = [(one, there[one]) for one in _some(rng, known, small.new("consulted", number))]
        month.written = _some(rng, using, small.new("messages", number))
        wanted = ((one, rng.randrange(apps)) for one in _some(rng, using, small.new("paired", number)))
        month.paired = [one for one in dict.fromkeys(wanted) if one not in paired]
        paired.update(month.paired)
        yield month


def _filed(rng: Random, small: Small, fates: Sequence[Fate], using: Sequence[int], month: int) -> Iterator[Filed]:
    fed = [fate for fate in fates if fate.weight and fate.is_open(month)]
    everybody = [fate.person.number for fate in fed]
    weights = [*accumulate(fate.weight for fate in fed)]
    old = [fate.person.number for fate in fed if month // 12 - fate.person.born.year > CARE_HOME_YEARS]
    for sector in SECTORS:
        count = small.documents(sector, month)
        if sector in FILING and sector != "care-home":
            whose = rng.choices(everybody, cum_weights=weights, k=count) if everybody else []
        else:
            whose = _some(rng, old if sector in FILING else using, count)
        yield from (Filed(sector, number, one) for number, one in enumerate(whose, 1))


def _came(rng: Random, using: Sequence[int], before: Sequence[int], count: int) -> list[int]:
    """Who comes in a month: some of those who came in the one before, and others."""
    still = set(using)
    again = [one for one in before if one in still]
    found = rng.sample(again, min(len(again), len(before) * RETURNING // 100, count))
    others = sorted(still.difference(found))
    return found + rng.sample(others, min(len(others), count - len(found)))


def _visits(rng: Random, came: Sequence[int], days: int) -> Iterator[tuple[int, int]]:
    """Who opens something, and on which day of the month."""
    for one in came:
        for _ in range(2 if rng.random() * 100 < AGAIN else 1):
            day = rng.randint(1, days)
            for _ in range(2 if rng.random() * 100 < SECOND else 1):
                yield one, day


def _some(rng: Random, among: Sequence[int], count: int) -> list[int]:
    return rng.choices(among, k=count) if among else []
