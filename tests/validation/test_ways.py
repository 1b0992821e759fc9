"""What is asked at the end of many ways is told as if each way had been gone alone, and shared parts are gone once.

https://hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_server.fhir.outcome import Issue
from fhir_server.validation.profiles.compiled_profile import Asked, Hop
from fhir_server.validation.profiles.ways import by_way, judged

SLICES: dict[str, dict[str, Any]] = {"odd": {"title": "odd"}, "none": {"title": "none"}}


def holds(condition: dict[str, Any], item: Any) -> bool:
    return condition["title"] == "odd" and isinstance(item, dict) and bool(item.get("id", 0) % 2)


def judge(asked: Asked, item: Any, at: str) -> Iterator[Issue]:
    """Of each element two issues, which say which rule it was."""
    for n in range(2):
        yield Issue("error", "invariant", f"{asked.path} {n}", at)


def alone(asked: list[Asked], value: Any) -> list[Issue]:
    """The same, each way by itself: rules of one way together, as their first is placed."""
    ways: dict[tuple[Any, ...], list[Asked]] = {}
    for one in asked:
        ways.setdefault(tuple((hop.name, hop.keys, id(hop.condition)) for hop in one.way), []).append(one)
    return [
        issue
        for some in ways.values()
        for here, item in _ends(value, "X", some[0].way)
        for one in some
        for issue in judge(one, item, here)
    ]


def _ends(value: Any, at: str, way: tuple[Hop, ...]) -> Iterator[tuple[str, Any]]:
    if not way:
        yield at, value
        return
    hop, *rest = way
    for key in hop.keys if isinstance(value, dict) else ():
        inner, place = value.get(key), f"{at}.{hop.name}"
        items = [(f"{place}[{n}]", one) for n, one in enumerate(inner)] if isinstance(inner, list) else [(place, inner)]
        for here, item in items:
            if item is not None and (hop.condition is None or holds(hop.condition, item)):
                yield from _ends(item, here, tuple(rest))


def a_value(dice: random.Random, depth: int = 4) -> Any:
    if not depth or dice.random() < 0.2:
        return dice.choice([None, "x", 1, True])
    names = dice.sample(["a", "b", "cX", "cY"], dice.randint(0, 4))
    return {
        "id": dice.randint(0, 9),
        **{
            name: [a_value(dice, depth - 1) for _ in range(dice.randint(0, 3))]
            if dice.random() < 0.5
            else a_value(dice, depth - 1)
            for name in names
        },
    }


def some_ways(dice: random.Random) -> list[Asked]:
    hops = [Hop(name, (name,), one) for name in "ab" for one in (None, *SLICES.values())]
    hops.append(Hop("c", ("cX", "cY")))
    return [
        Asked(tuple(dice.choice(hops) for _ in range(dice.randint(0, 3))), f"rule {n}")
        for n in range(dice.randint(1, 14))
    ]


@pytest.mark.parametrize("seed", range(12))
def test_ways_gone_together_tell_what_each_tells_alone(seed: int) -> None:
    dice, told = random.Random(seed), 0
    for asked in [some_ways(dice) for _ in range(10)]:
        for value in [a_value(dice) for _ in range(10)]:
            expected = alone(asked, value)
            told += len(expected)
            assert judged(by_way(asked), value, "X", judge, holds) == expected
    assert told


def test_the_condition_of_a_slice_is_asked_once_of_each_element_whatever_stands_behind_it() -> None:
    slice, times = Hop("a", ("a",), SLICES["odd"]), Counter[int]()

    def counted(condition: dict[str, Any], item: Any) -> bool:
        times[item["id"]] += 1
        return holds(condition, item)

    asked = [Asked((slice, *(Hop(name, (name,)) for name in names)), names) for names in ("", "b", "c", "bc", "bb")]
    value = {"a": [{"id": n, "b": {"c": "x"}} for n in range(4)]}
    told = judged(by_way(asked), value, "X", judge, counted)
    assert {(issue.expression, issue.diagnostics[:-2]) for issue in told} == {
        (f"X.a[{n}]{place}", names) for n in (1, 3) for place, names in (("", ""), (".b", "b"), (".b.c", "bc"))
    }
    assert times == {n: 1 for n in range(4)}
