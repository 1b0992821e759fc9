"""Small cells are hidden, and nothing that is told tells them: statistical secrecy, fewer than 11.

Who attacks knows every table of every day, all rules, and how many there are of whatever else. A number is not told where
every other number from 1 to 10 could be in its place, all that was told being the same: that is looked for, world by
world, and bounds are drawn from all equations and inequalities there are between tables.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.space.indicators.hiding import SHOWN_FROM, TOTAL, pooled, shared, small, steady
from fhir_server.space.indicators.tables import COUNT, Table, months_before, told

DAY = date(2026, 11, 30)
MONTHS = months_before(DAY)
SECTORS = ("biology", "hospital", "pharmacy", "patient")
TYPES = ("a", "b", "c")
#: Month, sector, type → how many documents; each is of a person of its own.
Documents = Mapping[tuple[str, str, str], int]


@dataclass
class World:
    """What there is: documents, and people by age and department."""

    documents: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    people: Counter[tuple[str, str]] = field(default_factory=Counter)

    def counts(self) -> dict[str, dict[tuple[str, ...], int]]:
        """Fact → cells."""
        facts: dict[str, Counter[tuple[str, ...]]] = {
            name: Counter() for name in ("documents", "types", "fed", "births", "patients")
        }
        for (month, sector, type), many in self.documents.items():
            by = "patient" if sector == "patient" else "professional"
            facts["documents"][month, sector, "current"] += many
            facts["types"][month, type, by] += many
            if by == "professional":
                facts["fed"][month,] += many
        for (year, place), many in self.people.items():
            facts["births"][year,] += many
            facts["patients"]["open", place] += many
        return {name: dict(cells) for name, cells in facts.items()}

    def other(self, **changed: Counter[tuple[str, str, str]]) -> World:
        """Another world, otherwise the same."""
        return World(changed.get("documents", Counter(self.documents)), Counter(self.people))


def days(worlds: list[World]) -> list[dict[str, Table]]:
    """What is told of each of these, day after day."""
    found: list[dict[str, Table]] = []
    for number, world in enumerate(worlds):
        found.append(told(world.counts(), DAY + timedelta(days=number // 3), found[-1] if found else {}))
    return found


def said(tables: dict[str, Table]) -> dict[str, object]:
    return {code: (one.rows, one.columns, one.values) for code, one in tables.items()}


def invented(rng: random.Random) -> World:
    """Some months with some documents, many cells of them small."""
    world = World()
    for month in rng.sample(MONTHS, 3):
        for sector in SECTORS:
            size = rng.choice((0, 3, 9, 12, 40, 300))
            for _ in range(rng.randrange(size + 1)):
                world.documents[month, sector, rng.choice(TYPES)] += 1
    for _ in range(rng.choice((30, 200))):
        world.people[str(rng.randrange(1930, 2026)), rng.choice(("75", "13", "69"))] += 1
    return world


def lived(rng: random.Random, days: int) -> list[World]:
    """A world as days go by: some documents come, some are corrected or erased, and people move."""
    found = [invented(rng)]
    for _ in range(days - 1):
        world = World(Counter(found[-1].documents), Counter(found[-1].people))
        for _ in range(rng.randrange(8)):
            cell = rng.choice(MONTHS), rng.choice(SECTORS), rng.choice(TYPES)
            if world.documents[cell] and rng.random() < 0.4:
                world.documents[cell] -= 1
            else:
                world.documents[cell] += 1
        found.append(world)
    return found


def cells_of(world: World) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (month, sector, _), many in world.documents.items():
        found[month, sector] += many
    return found


def others(world: World, month: str, sector: str, many: int) -> Iterator[World]:
    """Worlds with another number of documents in a cell, of one type or another."""
    now = cells_of(world)[month, sector]
    for type in TYPES:
        documents = Counter(world.documents)
        left = now - many
        documents[month, sector, type] -= left
        for other in TYPES:
            # Fewer than none of a type is none, and fewer of another.
            if documents[month, sector, other] < 0:
                spare = -documents[month, sector, other]
                documents[month, sector, other] = 0
                for third in TYPES:
                    taken = min(spare, documents[month, sector, third])
                    documents[month, sector, third] -= taken
                    spare -= taken
        yield world.other(documents=+documents)


CELLS = ("documents", "states", "records-fed")


@pytest.mark.parametrize("seed", range(12))
def test_every_number_from_1_to_10_could_be_in_the_place_of_a_hidden_one(seed: int) -> None:
    world = invented(random.Random(seed))
    tables = told(world.counts(), DAY, {})
    hidden = [place for place, value in tables["documents"].values.items() if value is None and TOTAL not in place]
    for month, sector in hidden:
        for many in range(1, SHOWN_FROM):
            for other in others(world, month, sector, many):
                assert cells_of(other)[month, sector] == many
                found = told(other.counts(), DAY, {})
                # Of the same documents by type the sum is what the cells tell: no number of them is in it.
                assert [said(found)[code] for code in CELLS] == [said(tables)[code] for code in CELLS]
                assert _whole(found) == _whole(tables)


def _whole(tables: dict[str, Table]) -> dict[str, int]:
    """What a share's rows can add up to at most."""
    return {code: tables["documents"].part(one.indicator.of.names) for code, one in tables.items() if one.indicator.of and one.indicator.of.code == "documents"}  # fmt: skip


def bounds(history: list[dict[str, Table]]) -> dict[tuple[int, str, str], tuple[int, int]]:
    """Day and cell → the least and the most that can have been there, by all that was ever told.

    By equations and inequalities between tables, drawn until none draws any more: sums are of what is told; shares of
    the same documents by type add up to no more than there are; whom a month feeds are no more than its documents.
    """
    found: dict[tuple[int, str, str], tuple[int, int]] = {}
    for number, tables in enumerate(history):
        before = history[number - 1] if number else {}
        documents = tables["documents"]
        for place in ((row, column) for row in documents.rows for column in documents.columns):
            found[number, *place] = _single(documents, before.get("documents"), place)
        for row in documents.rows:
            fed, _ = _single(tables["records-fed"], before.get("records-fed"), (row, COUNT))
            columns = [one for one in documents.columns if one != "patient"]
            _at_least(found, [(number, row, one) for one in columns], fed)
        for code, sectors in (("document-types", SECTORS[:3]), ("patient-documents", SECTORS[3:])):
            least = sum(_single(tables[code], before.get(code), place)[0] for place in tables[code].values)
            names = [(number, row, one) for row in documents.rows for one in documents.columns if one in sectors]
            _at_least(found, names, least)
    return found


def _single(table: Table, before: Table | None, place: tuple[str, str]) -> tuple[int, int]:
    """The least and the most by one number alone: one that is new is exact, one that stayed is off by 10 at most."""
    value = table.values[place]
    if value is None:
        return (1, SHOWN_FROM - 1)
    stayed = before is not None and before.values.get(place) == value
    return (max(SHOWN_FROM, value - 10), value + 10) if stayed and value else (value, value)


def _at_least(
    found: dict[tuple[int, str, str], tuple[int, int]], names: list[tuple[int, str, str]], least: int
) -> None:
    """Some cells are together no fewer: each is no fewer than what the most of the others leaves."""
    most = sum(found[name][1] for name in names)
    for name in names:
        low, high = found[name]
        found[name] = (max(low, least - (most - high)), high)


@pytest.mark.parametrize("seed", range(25))
def test_no_bounds_from_all_that_was_told_day_after_day_are_narrower_than_the_rule(seed: int) -> None:
    history = days(lived(random.Random(seed), 12))
    found = bounds(history)
    hidden = 0
    for (number, row, column), within in found.items():
        if history[number]["documents"].values[row, column] is None:
            hidden += 1
            assert within == (1, SHOWN_FROM - 1)
    assert hidden


def test_who_draws_these_bounds_sees_what_is_told_too_much() -> None:
    world = World(Counter({("2026-10", "biology", "a"): 30, ("2026-10", "hospital", "a"): 9}))
    tables = told(world.counts(), DAY, {})
    cell = (0, "2026-10", "hospital")
    assert bounds([tables])[cell] == (1, SHOWN_FROM - 1)
    # How many persons were fed, and how many documents there are of a type, as they truly are.
    fed = replace(tables["records-fed"], values={**tables["records-fed"].values, ("2026-10", COUNT): 39})
    types = replace(tables["document-types"], values={("a", COUNT): 38})
    assert bounds([{**tables, "records-fed": fed}])[cell] == (9, SHOWN_FROM - 1)
    assert bounds([{**tables, "document-types": types}])[cell] == (8, SHOWN_FROM - 1)


@pytest.mark.parametrize("seed", range(25))
def test_what_was_told_is_the_same_the_next_day_or_differs_by_eleven(seed: int) -> None:
    history = days(lived(random.Random(100 + seed), 12))
    for before, after in pairwise(history):
        for code, one in after.items():
            if one.indicator.summed:
                for place, value in one.values.items():
                    was = before[code].values.get(place)
                    if TOTAL not in place and value is not None and was is not None:
                        assert value == was or abs(value - was) >= SHOWN_FROM, (code, place)


@pytest.mark.parametrize("seed", range(25))
def test_no_small_number_is_told_and_sums_are_of_what_is(seed: int) -> None:
    for tables in days(lived(random.Random(200 + seed), 6)):
        for code, one in tables.items():
            assert not any(value is not None and small(value) for value in one.values.values()), code
            if one.indicator.summed:
                for row in one.rows:
                    parts = [one.values[row, column] or 0 for column in one.columns]
                    assert (one.values[row, TOTAL] or 0) == sum(parts)


PARTS = st.dictionaries(st.sampled_from("abcdefgh"), st.one_of(st.integers(0, 12), st.integers(0, 400)), min_size=1)


@settings(deadline=None)
@given(PARTS, st.booleans())
def test_the_rest_of_the_shares_that_are_told_leaves_room_for_any_small_one(
    parts: dict[str, int], closed: bool
) -> None:
    away = pooled(parts, closed)
    assert {name for name, part in parts.items() if small(part)} <= away
    if not away or away == {name for name, part in parts.items() if part}:
        return
    rest = sum(parts[name] for name in away)
    # One of them is ten, one is the great one, and of each other there is one.
    assert rest >= 10 + SHOWN_FROM + (len(away) - 2)
    assert any(parts[name] >= SHOWN_FROM for name in away)


@settings(deadline=None)
@given(PARTS, st.integers(0, 2_000))
def test_shares_add_up_to_the_whole_and_are_the_counts_where_it_is_theirs(parts: dict[str, int], whole: int) -> None:
    there = sum(parts.values())
    found = shared(parts, whole)
    assert sum(found.values()) == (whole if there else 0)
    assert shared(parts, there) == parts
    assert all(abs(found[name] * there - part * whole) < max(there, 1) for name, part in parts.items())


@pytest.mark.parametrize(
    ("value", "before", "found"),
    [
        (0, None, 0),
        (1, None, None),
        (10, None, None),
        (11, None, 11),
        (30, 30, 30),
        (40, 30, 30),
        (41, 30, 41),
        (20, 30, 30),
        (19, 30, 19),
        # What has become few is hidden, however many were told.
        (10, 15, None),
        (0, 15, 0),
        (15, 0, 15),
    ],
)
def test_what_is_told_stays_until_it_is_wrong_by_eleven(value: int, before: int | None, found: int | None) -> None:
    assert steady(value, before) == found
