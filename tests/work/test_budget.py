"""A budget is spent wherever work is done, and breaks off nothing that was written."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.work.budget import CARRIED, Budget, Exhausted, carry, current, settle, spend, within


def test_without_a_budget_anything_may_be_spent() -> None:
    assert current() is None
    spend(10**12)
    carry(10**12)
    settle()


def test_more_than_the_budget_is_exhausted() -> None:
    with within(Budget(10)):
        spend(10)
        with pytest.raises(Exhausted):
            spend(1)


def test_bytes_taken_from_the_store_are_steps_and_have_a_limit_of_their_own() -> None:
    with within(Budget(10)) as budget:
        carry(10 * CARRIED)
        assert (budget.spent, budget.carried) == (10, 10 * CARRIED)
        with pytest.raises(Exhausted):
            carry(CARRIED)
    with within(Budget(most_bytes=100)), pytest.raises(Exhausted):
        carry(101)


def test_time_of_the_clock_it_is_given_counts() -> None:
    now = [0.0]
    with within(Budget(seconds=5, clock=lambda: now[0])):
        spend(1000)
        now[0] = 5.5
        with pytest.raises(Exhausted):
            spend(1000)


def test_what_was_written_is_not_broken_off() -> None:
    with within(Budget(10)):
        settle()
        spend(1000)
        carry(10**9)


async def test_parts_share_their_steps_and_are_settled_each_on_its_own() -> None:
    async def written() -> None:
        with within(whole.part()):
            spend(4)
            settle()
            spend(100)

    async def judged() -> str:
        with within(whole.part()):
            try:
                spend(4)
                spend(4)
            except Exhausted:
                return "exhausted"
        return "done"

    whole = Budget(10)
    with within(whole):
        assert await asyncio.gather(written(), judged()) == [None, "exhausted"]
    assert whole.spent == 12
