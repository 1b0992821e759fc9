"""An indicator: what it is called, what exactly it counts, by which rule it is told, and who may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: The same in French and in English.
Words = tuple[str, str]
#: months: the 12 full months before the day it is looked at; before: the 12 before these; weeks: likewise 12 full
#: weeks; ever: whatever there is.
Window = Literal["months", "before", "weeks", "ever"]
Kind = Literal["cells", "shares", "persons", "open"]


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what an indicator with cells tells: of these rows or columns, of all when there are none."""

    code: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator: a table, made from the cells of one fact.

    Attributes:
        code: in addresses and reports.
        title: what it is called.
        definition: what exactly is counted.
        unit: what the numbers are of.
        fact: of `facts.FACTS`.
        rows: by which of what the fact is divided by.
        columns: likewise; "" for one column.
        window: which rows there are; of `ever`, in the table without months, which months are summed.
        only: by what the fact is divided by → what of it counts.
        top: of many rows, so many of the greatest.
        kind: by which rule of `hiding` it is told; "open": of no persons, and told as it is.
        of: of shares: what cells tell of the same population.
        within: of persons and the like: likewise that of which each row can have no more.
        among: of persons: likewise those who are all; how few are none of them is not told either.
        closed: of shares: whether everybody knows which rows there are.
        public: whether everybody may see it, or the operator's staff alone.
    """

    code: str
    title: Words
    definition: Words
    unit: Words
    fact: str
    rows: str
    columns: str = ""
    window: Window = "months"
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    top: int = 0
    kind: Kind = "cells"
    of: Part | None = None
    within: Part | None = None
    among: Part | None = None
    closed: bool = False
    public: bool = True

    @property
    def summed(self) -> bool:
        """Whether rows add up to a total that is told."""
        return self.kind in ("cells", "open")
