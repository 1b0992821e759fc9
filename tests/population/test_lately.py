"""What was filed since the population's day: so that last month is not empty, wherever today is."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from fhir_server.fhir.json import serialize
from fhir_server.population.generation import lately, population
from fhir_server.population.today import REFERENCE_DAY

PEOPLE, SEED = 120, 3


def filed(today: date, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return [*lately(PEOPLE, SEED, today, without)]


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (REFERENCE_DAY, []),
        (date(2026, 7, 31), []),
        (date(2026, 8, 1), ["2026-07"]),
        (date(2026, 11, 30), ["2026-07", "2026-08", "2026-09", "2026-10"]),
        (date(2027, 1, 1), ["2026-07", "2026-08", "2026-09", "2026-10", "2026-11", "2026-12"]),
        (date(2020, 1, 1), []),
    ],
)
def test_each_month_that_is_over_has_its_documents(today: date, months: list[str]) -> None:
    found = Counter(one["date"][:7] for one in filed(today) if one["resourceType"] == "DocumentReference")
    assert sorted(found) == months
    assert all(count > PEOPLE / 4 for count in found.values())


def test_a_month_is_the_same_whenever_it_is_made() -> None:
    early, late = ({one["id"]: serialize(one) for one in filed(day)} for day in (date(2026, 8, 1), date(2026, 12, 24)))
    assert early.items() <= late.items()


def test_it_is_of_those_whom_the_population_makes_and_of_none_that_are_left_out() -> None:
    there = {f"{one['resourceType']}/{one['id']}" for one in population(PEOPLE, SEED)}
    found = filed(date(2026, 10, 1))
    assert not there & {f"{one['resourceType']}/{one['id']}" for one in found}
    whose = {one["subject"]["reference"] for one in found if one["resourceType"] == "DocumentReference"}
    assert whose <= there
    one = sorted(whose)[0]
    left = filed(date(2026, 10, 1), (one.removeprefix("Patient/"),))
    assert {tree["subject"]["reference"] for tree in left if "subject" in tree} == whose - {one}


def test_nothing_is_filed_for_who_died() -> None:
    dead = {f"Patient/{one['id']}" for one in population(400, SEED) if "deceasedDateTime" in one}
    assert dead
    assert not dead & {
        one["subject"]["reference"] for one in lately(400, SEED, date(2026, 9, 1), ()) if "subject" in one
    }
