"""The rows of `seed/`, and weighted draws from them."""

from __future__ import annotations

import csv
from bisect import bisect
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

from fhir_server.fhir.definitions import folder

T = TypeVar("T")


class Wheel(Generic[T]):
    """Values drawn in proportion to their weights."""

    __slots__ = ("_sums", "values")

    def __init__(self, weighted: Iterable[tuple[T, float]]) -> None:
        """At least one value with a positive weight is needed."""
        pairs = [(value, weight) for value, weight in weighted if weight > 0]
        self.values: Sequence[T] = [value for value, _ in pairs]
        self._sums = list(accumulate(weight for _, weight in pairs))

    def draw(self, rng: Random) -> T:
        """One of the values, each as often as its weight has it."""
        return self.values[bisect(self._sums, rng.random() * self._sums[-1])]


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `seed/<name>.csv`, by column."""
    with (folder("seed") / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def wheel(name: str, weight: str = "weight") -> Wheel[dict[str, str]]:
    """The rows of a table, weighted by its column `weight`."""
    return Wheel((row, float(row[weight])) for row in rows(name))


@cache
def first_names(sex: str, year: int) -> Wheel[str]:
    """First names given to a child of `sex` ("F", "M") born in `year`."""
    own = [row for row in rows("first-names") if row["sex"] == sex]
    fitting = [row for row in own if int(row["from"]) <= year <= int(row["to"])]
    return Wheel((row["name"], float(row["weight"])) for row in fitting or own[:10])


@cache
def documents(sector: str) -> Wheel[dict[str, str]]:
    """The types of document a sector of `sectors.csv` produces, by share."""
    return Wheel((row, float(row["share"])) for row in rows("document-types") if row["sector"] == sector)


@cache
def lines(document_class: str) -> tuple[str, ...]:
    """What is printed on a document of a class."""
    return tuple(row["line"] for row in rows("papers") if row["class"] == document_class)
