"""The prefixes eq, ne, gt, lt, ge, le, sa, eb and ap on ranges, row by row as R4 defines them.

https://hl7.org/fhir/R4/search.html#prefix. A resource's value is a range of an index row, both ends inside it; so is
what is asked, from the precision it is written with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.filters import Filter, Range, both, either

PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"})
_LETTERS = re.compile(r"[A-Za-z]*")

Number = int | float


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is asked: `low` to `high`, both inside; `before` and `after` are the nearest values outside."""

    low: Number
    high: Number
    before: Number
    after: Number


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows are compared: those of `param`, with `code` and `system` where a unit is asked (None: any)."""

    param: str
    code: str | None = None
    system: str | None = None

    def within(
        self,
        low_from: Number | None = None,
        low_to: Number | None = None,
        high_from: Number | None = None,
        high_to: Number | None = None,
    ) -> Range:
        """A row inside the bounds given."""
        return Range(self.param, low_from, low_to, high_from, high_to, self.code, self.system)


#: Prefix → the rows it means. "The range above the search value" is all after its end.
_MEANINGS: Mapping[str, Callable[[Rows, Bounds], Filter]] = {
    "eq": lambda rows, asked: rows.within(low_from=asked.low, high_to=asked.high),
    "ne": lambda rows, asked: either([rows.within(low_to=asked.before), rows.within(high_from=asked.after)]),
    "gt": lambda rows, asked: rows.within(high_from=asked.after),
    "lt": lambda rows, asked: rows.within(low_to=asked.before),
    # What both alternatives have in common is said first: by it an engine finds rows in one walk of its index.
    "ge": lambda rows, asked: both(
        rows.within(high_from=asked.low),
        either([rows.within(high_from=asked.after), rows.within(low_from=asked.low, high_to=asked.high)]),
    ),
    "le": lambda rows, asked: both(
        rows.within(low_to=asked.high),
        either([rows.within(low_to=asked.before), rows.within(low_from=asked.low, high_to=asked.high)]),
    ),
    "sa": lambda rows, asked: rows.within(low_from=asked.after),
    "eb": lambda rows, asked: rows.within(high_to=asked.before),
    "ap": lambda rows, asked: rows.within(low_to=asked.high, high_from=asked.low),
}


def compare(prefix: str, rows: Rows, asked: Bounds) -> Filter:
    """The rows that `prefix` means. For `ap` the bounds are already widened: it asks for an overlap."""
    return _MEANINGS[prefix](rows, asked)


def prefixed(value: str) -> tuple[str, str]:
    """The prefix of `value`, "eq" when it has none, and the rest.

    Raises:
        InvalidParameter: letters that are no prefix.
    """
    rest = _LETTERS.sub("", value, count=1)
    prefix = value[: len(value) - len(rest)]
    if prefix and prefix not in PREFIXES:
        # More than two letters are no mistyped prefix but a value, which an error does not repeat.
        said = f"{prefix} is not a prefix" if len(prefix) == 2 else "The value starts with letters that are no prefix"
        raise InvalidParameter(f"{said}; prefixes are {', '.join(sorted(PREFIXES))}.")
    return prefix or "eq", rest
