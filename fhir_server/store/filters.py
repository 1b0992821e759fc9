"""The filter language: what a query, a policy and a condition all become, and what each engine runs.

Filters speak of *index rows*, never of JSON. A resource's `Index` holds two kinds of rows, both under a search
parameter's code: words (tokens, strings, references, URIs) and ranges (dates, numbers, quantities). `store/matching.py`
is the meaning of every filter in plain Python; an engine is right when it agrees.

    kind        word row (value, qualifier)                       range row (low, high, code, system)
    token       (code, system)                                    -
    string      (folded, as written)                              -
    reference   ("Patient/1" or an absolute URL, version or "")   -
    uri         (uri, "")                                         -
    date        -                                                 (µs, µs, "", "")
    number      -                                                 (number, number, "", "")
    quantity    -                                                 (number, number, code, system)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

#: Ends of an open period or an unbounded quantity; both fit a signed 64-bit integer.
BEGINNING = -(2**62)
END = 2**62


# Rows hold no references that could go in a circle: the garbage collector need not look at the forty of each read.
class Word(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A word row. `group` numbers the element a composite's parts were found in; 0 outside composites."""

    param: str
    value: str
    qualifier: str = ""
    group: int = 0


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A range row: `low` and `high` both inside; µs since 1970 UTC for dates, the number itself otherwise."""

    param: str
    low: int | float
    high: int | float
    code: str = ""
    system: str = ""
    group: int = 0


class Index(msgspec.Struct, frozen=True, array_like=True):
    """What can be searched of one version of a resource. Stored beside it, so a rule can be judged without its JSON.

    Attributes:
        words: word rows, no row twice.
        spans: range rows, no row twice.
        narrative: folded words of the narrative, one space between them (`_text`).
        content: folded words of every string in the resource (`_content`).
    """

    words: tuple[Word, ...] = ()
    spans: tuple[Span, ...] = ()
    narrative: str = ""
    content: str = ""


EMPTY = Index()


@dataclass(frozen=True, slots=True)
class Id:
    """The resource's id is one of `ids`."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A word row of `param` whose value is `code` (None: any) and whose qualifier is `system` (None: any, "": none)."""

    param: str
    code: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class String:
    """A word row of `param` compared with `value`: as written for "exact", folded for the others."""

    param: str
    value: str
    how: Literal["starts", "contains", "ends", "exact"] = "starts"


@dataclass(frozen=True, slots=True)
class Refers:
    """A word row of `param` whose value is `target`; `version` None means any, or none at all."""

    param: str
    target: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Uri:
    """A word row of `param` equal to `value`, or (`below`) equal to it or starting with it and a `/`."""

    param: str
    value: str
    how: Literal["equal", "below"] = "equal"


@dataclass(frozen=True, slots=True)
class Range:
    """One range row of `param` inside all the bounds given, each inclusive; None leaves that end free.

    Strict comparisons are written as the next integer (dates) or `math.nextafter` (numbers).
    `param` "_lastUpdated" speaks of the version's own instant, in µs.
    """

    param: str
    low_from: int | float | None = None
    low_to: int | float | None = None
    high_from: int | float | None = None
    high_to: int | float | None = None
    code: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """Coordinates in degrees: `param`'s row of group g has latitude `low`, `param$2`'s row of g longitude `low`."""

    param: str
    latitude: float
    longitude: float
    radius_metres: float


@dataclass(frozen=True, slots=True)
class Text:
    """Every one of `words` (folded) is a word of the narrative or of the content."""

    where: Literal["narrative", "content"]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """No row of `param`, of either kind."""

    param: str


@dataclass(frozen=True, slots=True)
class Together:
    """A composite: one group in which every part has a matching row. Parts' params are `code$1`, `code$2`, …"""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """`param` refers to a current `type` satisfying `where` (a chain)."""

    param: str
    type: str
    where: Filter


@dataclass(frozen=True, slots=True)
class LinkedFrom:
    """Some current `type` satisfying `where` refers here by its `param` (`_has`)."""

    type: str
    param: str
    where: Filter


@dataclass(frozen=True, slots=True)
class And:
    """All of `parts`; `And(())` is everything."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of `parts`; `Or(())` is nothing."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not satisfy `part`."""

    part: Filter


Filter = (
    Id | Token | String | Refers | Uri | Range | Near | Text | Missing | Together | Linked | LinkedFrom | And | Or | Not
)

EVERYTHING = And(())
NOTHING = Or(())


def both(*parts: Filter) -> Filter:
    """`And` of `parts`, flattened: everything is dropped, nothing wins."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, And) else (part,))
    if NOTHING in flat:
        return NOTHING
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def either(parts: Sequence[Filter]) -> Filter:
    """`Or` of `parts`, flattened: nothing is dropped, everything wins."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    if EVERYTHING in flat:
        return EVERYTHING
    return flat[0] if len(flat) == 1 else Or(tuple(flat))
