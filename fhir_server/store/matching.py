"""What every filter means, in plain Python: the reference that engines are held to, and the judge of a single resource.

https://hl7.org/fhir/R4/search.html. Nothing here touches an engine; a link is asked of whoever calls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt

import msgspec

from fhir_server.store.filters import (
    EMPTY,
    And,
    Filter,
    Id,
    Index,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    Span,
    String,
    Text,
    Together,
    Token,
    Uri,
    Word,
)

#: Parameters that are columns of a version and not rows of its index; never missing.
OWN = frozenset({"_id", "_lastUpdated"})
#: Mean radius of the earth in metres, the sphere on which distances are measured.
EARTH = 6_371_008.8

Link = Callable[[Linked | LinkedFrom], bool]

pack: Callable[[Index], bytes] = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Index)


#: What was unpacked last: who judges a version asks for its rows again to note whom it is about.
_last: tuple[bytes, Index] = (pack(EMPTY), EMPTY)


def unpack(packed: bytes) -> Index:
    """The index that `pack` made these bytes of."""
    global _last
    known, index = _last
    if known is not packed:
        index = _decoder.decode(packed)
        _last = (packed, index)
    return index


def matches(where: Filter, index: Index, id: str = "", at: int = 0, linked: Link | None = None) -> bool:
    """Whether a resource satisfies `where`.

    Args:
        where: the filter.
        index: the resource's index rows.
        id: its logical id.
        at: the instant of its version, µs since 1970 UTC.
        linked: says whether a link of this resource holds; without it a filter with links is refused.

    Raises:
        ValueError: `where` has a link and `linked` is None.
    """
    match where:
        case And():
            return all(matches(part, index, id, at, linked) for part in where.parts)
        case Or():
            return any(matches(part, index, id, at, linked) for part in where.parts)
        case Not():
            return not matches(where.part, index, id, at, linked)
        case Linked() | LinkedFrom():
            if linked is None:
                raise ValueError("A link cannot be judged by one resource's index alone.")
            return linked(where)
        case Together():
            return any(matches(And(where.parts), one, id, at, linked) for one in _by_group(index))
        case Id():
            return id in where.ids
        case _:
            return _of_rows(where, index, at)


@lru_cache(maxsize=4096)
def has_links(where: Filter) -> bool:
    """Whether something in `where` is not a matter of one resource's index alone."""
    match where:
        case And() | Or() | Together():
            return any(map(has_links, where.parts))
        case Not():
            return has_links(where.part)
        case _:
            return isinstance(where, Linked | LinkedFrom)


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres between two places on a sphere (haversine), from degrees."""
    north, other_north = radians(latitude), radians(other_latitude)
    half_up, half_across = (other_north - north) / 2, (radians(other_longitude) - radians(longitude)) / 2
    chord = sin(half_up) * sin(half_up) + cos(north) * cos(other_north) * (sin(half_across) * sin(half_across))
    return 2 * EARTH * asin(sqrt(min(1.0, chord)))


_Leaf = Token | String | Refers | Uri | Range | Near | Text | Missing


def _of_rows(where: _Leaf, index: Index, at: int) -> bool:
    match where:
        case Range(param="_lastUpdated"):
            return _in_range(where, Span("_lastUpdated", at, at))
        case Range():
            return any(_in_range(where, span) for span in index.spans if span.param == where.param)
        case Near():
            return _is_near(where, index)
        case Text():
            return (set(getattr(index, where.where).split(" ")) - {""}).issuperset(where.words)
        case Missing():
            codes = {word.param for word in index.words} | {span.param for span in index.spans}
            return where.param not in OWN and where.param not in codes
        case _:
            return any(_is_word(where, word) for word in index.words if word.param == where.param)


def _is_word(where: Token | String | Refers | Uri, word: Word) -> bool:
    match where:
        case Token():
            return where.code in (None, word.value) and where.system in (None, word.qualifier)
        case Refers():
            return word.value == where.target and where.version in (None, word.qualifier)
        case Uri():
            return word.value == where.value or (where.how == "below" and word.value.startswith(where.value + "/"))
        case String():
            return _is_string(where, word)


def _is_string(where: String, word: Word) -> bool:
    match where.how:
        case "starts":
            return word.value.startswith(where.value)
        case "contains":
            return where.value in word.value
        case "ends":
            return word.value.endswith(where.value)
        case "exact":
            return word.qualifier == where.value


def _in_range(where: Range, span: Span) -> bool:
    return (
        (where.low_from is None or span.low >= where.low_from)
        and (where.low_to is None or span.low <= where.low_to)
        and (where.high_from is None or span.high >= where.high_from)
        and (where.high_to is None or span.high <= where.high_to)
        and where.code in (None, span.code)
        and where.system in (None, span.system)
    )


def _is_near(where: Near, index: Index) -> bool:
    across = [span for span in index.spans if span.param == where.param + "$2"]
    return any(
        distance(where.latitude, where.longitude, up.low, east.low) <= where.radius_metres
        for up in index.spans
        if up.param == where.param
        for east in across
        if east.group == up.group
    )


def _by_group(index: Index) -> list[Index]:
    groups = {word.group for word in index.words} | {span.group for span in index.spans}
    return [
        Index(
            tuple(word for word in index.words if word.group == group),
            tuple(span for span in index.spans if span.group == group),
        )
        for group in groups
    ]
