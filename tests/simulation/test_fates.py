"""What becomes of each space: CSP R1111-28 (six weeks, whoever objects), R1111-29 (activated once open)."""

from __future__ import annotations

import pytest

from fhir_server.simulation.course import Small, first_day, moment, month_number
from fhir_server.simulation.fates import NEVER, Fate, Nation, fates
from fhir_server.simulation.months import Month, months
from fhir_server.space.accounts.states import SIX_WEEKS

FIRST, LAST = month_number("2021-07"), month_number("2023-06")
SCALE = 34_200.0


def world(random_seed: int = 1) -> Nation:
    return Nation(random_seed, first_day(FIRST))


@pytest.fixture(scope="module")
def everybody() -> list[Fate]:
    return fates(world(), Small(SCALE, FIRST), FIRST, LAST)


def at(tick: int) -> object:
    return moment(tick // 4, tick % 4)


def test_a_space_opens_when_its_six_weeks_are_over_and_not_before(everybody: list[Fate]) -> None:
    opened = [one for one in everybody if one.opens < NEVER]
    assert opened
    for one in opened:
        due = SIX_WEEKS.after(moment(one.told // 4, one.told % 4))
        before = one.opens - 1
        assert moment(before // 4, before % 4) < due <= moment(one.opens // 4, one.opens % 4)


def test_who_objects_does_so_within_the_delay_and_has_no_space(everybody: list[Fate]) -> None:
    objecting = [one for one in everybody if one.objects < NEVER]
    assert 0.01 < len(objecting) / len(everybody) < 0.02
    for one in objecting:
        told = moment(one.told // 4, one.told % 4)
        assert told < moment(one.objects // 4, one.objects % 4) < SIX_WEEKS.after(told)
        assert one.opens == one.activates == one.closes == NEVER


def test_who_comes_is_grown_and_was_opened_before(everybody: list[Fate]) -> None:
    come = [one for one in everybody if one.activates < NEVER]
    assert come
    assert all(one.activates > one.opens and one.person.age(first_day(one.activates // 4)) >= 18 for one in come)
    assert all(one.closes == NEVER or one.closes > one.activates for one in come)


def test_as_many_come_as_the_course_has_it(everybody: list[Fate]) -> None:
    small = Small(SCALE, FIRST)
    for month in range(FIRST, LAST + 1):
        come = sum(one.activates < month * 4 + 4 for one in everybody)
        # Who closed before they came does not come.
        assert small.there("activated", month) - small.there("closed", month) <= come <= small.there("activated", month)


def test_who_goes_further_decides_the_same_of_what_was(everybody: list[Fate]) -> None:
    longer = fates(world(), Small(SCALE, FIRST), FIRST, LAST + 6)
    end = LAST * 4 + 4

    def until(one: Fate) -> tuple[object, ...]:
        ticks = (one.told, one.objects, one.activates, one.closes)
        return (one.person.ins, one.opens, *(tick if tick < end else NEVER for tick in ticks))

    assert [until(one) for one in everybody] == [until(one) for one in longer[: len(everybody)]]


def test_nothing_happens_to_spaces_that_are_not_open(everybody: list[Fate]) -> None:
    found = [*months(world(), Small(SCALE, FIRST), everybody, FIRST, LAST)]
    for month in found:
        begins, ends = month.number * 4, month.number * 4 + 4
        for one in month.filed:
            fate = everybody[one.whose - 1]
            assert fate.opens < begins
            assert fate.closes >= ends
        used = [*(one for one, *_ in month.visits), *month.written, *(one for one, _ in month.paired)]
        assert all(everybody[one - 1].activates < begins for one in used)
    assert sum(len(month.filed) for month in found) > 1_000
    assert sum(len(month.visits) for month in found) > 100


def test_a_document_is_read_after_it_was_filed(everybody: list[Fate]) -> None:
    filed: dict[str, int] = {}
    for month in months(world(), Small(SCALE, FIRST), everybody, FIRST, LAST):
        filed |= {one.id(world(), month.number): one.whose for one in month.filed}
        opened = [*((who, what) for who, what, _ in month.visits), *month.read]
        assert all(filed[what] == who for who, what in opened)


def test_another_seed_is_other_people() -> None:
    def shown(random_seed: int) -> tuple[list[str], list[Month]]:
        small = Small(342_000, FIRST)
        found = fates(world(random_seed), small, FIRST, LAST)
        return [one.person.ins for one in found], [*months(world(random_seed), small, found, FIRST, LAST)]

    assert shown(1) == shown(1)
    assert shown(1)[0] != shown(2)[0]
