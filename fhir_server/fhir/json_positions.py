"""Where in the JSON that a client sent the elements of a resource stand, for the issues that speak of them.

https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.location
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

#: Line and column, both from 1; columns are counted in characters.
Position = tuple[int, int]
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_STEP = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?")


def positions(json: str, expressions: Iterable[str]) -> dict[str, Position]:
    """Expression (`Patient.name[0].family`) → where it stands; what is not there is where the nearest holder is.

    Args:
        json: a resource, well formed.
        expressions: paths from its root, choices named as FHIRPath does (`value` for `valueQuantity`).
    """
    wanted: dict[str, Any] = {}
    for expression in expressions:
        node = wanted
        for name, index in _STEP.findall(expression)[1:]:
            node = node.setdefault(name, {})
            if index:
                node = node.setdefault(int(index), {})
    reader = _Reader(json)
    reader.value([(wanted, ())])
    lines = _Lines(json)
    return {one: lines.position(_nearest(reader.found, _keys(one))) for one in expressions}


def _keys(expression: str) -> tuple[str | int, ...]:
    steps = _STEP.findall(expression)[1:]
    return tuple(key for name, index in steps for key in ((name, int(index)) if index else (name,)))


def _nearest(found: dict[tuple[str | int, ...], int], keys: tuple[str | int, ...]) -> int:
    while keys and keys not in found:
        keys = keys[:-1]
    return found.get(keys, 0)


class _Lines:
    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


#: A part of what is wanted, and the keys that lead to it.
_Branch = tuple[dict[Any, Any], tuple[str | int, ...]]


class _Reader:
    """Goes once through the text; only what leads to something wanted is looked at."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.finditer(text)
        self.found: dict[tuple[str | int, ...], int] = {}

    def value(self, branches: list[_Branch], token: re.Match[str] | None = None, at: int | None = None) -> None:
        """Read one value, which `branches` are about; its place is `at`, by default its own."""
        token = token or next(self._tokens)
        for _, keys in branches:
            self.found.setdefault(keys, token.start() if at is None else at)
        opening = token[0]
        if opening not in "{[":
            return
        if not branches:
            self._skip()
        elif opening == "{":
            self._object(branches)
        else:
            self._array(branches)

    def _skip(self) -> None:
        depth = 1
        for token in self._tokens:
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
            if not depth:
                return

    def _object(self, branches: list[_Branch]) -> None:
        for token in self._tokens:
            if token[0] == "}":
                return
            if token[0] == ",":
                continue
            next(self._tokens)  # the colon
            key = token[0][1:-1]
            inner = [
                (child, (*keys, name))
                for node, keys in branches
                for name, child in node.items()
                if isinstance(name, str) and _is_named(key, name)
            ]
            self.value(inner, at=token.start())

    def _array(self, branches: list[_Branch]) -> None:
        index = 0
        for token in self._tokens:
            if token[0] == "]":
                return
            if token[0] == ",":
                index += 1
                continue
            inner = [(node[index], (*keys, index)) for node, keys in branches if index in node]
            self.value(inner, token)


def _is_named(key: str, name: str) -> bool:
    """Whether a JSON key is that of an element: its name, that of a choice's type after it, or of its extensions."""
    plain = key.removeprefix("_")
    return plain == name or (plain.startswith(name) and plain[len(name)].isupper())
