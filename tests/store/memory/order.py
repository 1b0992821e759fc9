"""The order of what is found, and where a page of it begins and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.protocol import Position, Sort, Version, Want
from tests.store.memory.data import Name, Resource

#: The values of the sort keys and the number of the resource; then its name.
Row = tuple[tuple[Any, ...], Name]


def fitting(versions: Sequence[Version | None], count: int, most_bytes: int | None) -> int:
    """How many versions a page has whose bodies are no longer than `most_bytes`, but for one."""
    left = most_bytes if most_bytes is not None else 0
    for n, version in enumerate(versions if most_bytes is not None else ()):
        left -= len(version.body) if version is not None else 0
        if left < 0:
            return max(n, 1)
    return count


def value(one: Resource, id: str, key: Sort, last: bool) -> Any:
    if key.kind == "own":
        return id if key.param == "_id" else one.seq if last else one.current.at
    if key.kind == "word":
        values: list[Any] = [w.value for w in one.index.words if w.param == key.param]
    else:
        values = [s.high if key.descending else s.low for s in one.index.spans if s.param == key.param]
    return (max if key.descending else min)(values) if values else None


def compare(one: Row, other: Row, sort: Sequence[Sort]) -> int:
    for key, x, y in zip(sort, one[0], other[0], strict=False):
        if x != y:
            if x is None or y is None:
                return 1 if x is None else -1
            return (-1 if x < y else 1) * (-1 if key.descending else 1)
    return (one[0][-1] - other[0][-1]) * (-1 if sort[0].descending else 1)


def checked(after: Position, sort: Sequence[Sort]) -> tuple[Any, ...]:
    numbers = [value for value in after if isinstance(value, int | float)]
    whole = bool(after) and isinstance(after[-1], int) and not isinstance(after[-1], bool)
    if len(after) != len(sort) + 1 or not whole or any(abs(number) > 2**63 - 1 for number in numbers):
        raise InvalidParameter("The page asked for is not one of this search.", "http.cursor")
    return after


def place(after: Position, what: str) -> int:
    if len(after) != 1 or not isinstance(after[0], int) or not 0 <= after[0] < 2**62:
        raise InvalidParameter(f"The place is not one of this {what}.", "http.cursor")
    return after[0]


def wanted(version: Version, want: Want) -> Version:
    """As much of a version as is asked for."""
    if want in ("bare", "body"):
        return version
    return structs.replace(version, body=b"", packed=version.packed if want == "index" else b"")
