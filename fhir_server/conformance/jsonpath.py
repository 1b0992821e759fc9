"""The part of JSONPath that scripts use: names, indexes, wildcards, descent and comparisons to a value.

https://www.rfc-editor.org/rfc/rfc9535: `$.name[0].family`, `$['name']`, `[*]`, `..family`, `[-1]`, `[0,2]`,
`[?(@.relation=='next')].url`, `[?(@.id)]`. What else JSONPath has is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fhir_server.conformance.sources import Unusable

Step = Callable[[Any], Iterable[Any]]

#: One step of a path, by what it matches. The quotes of names may be either.
_STEP = re.compile(
    r"""
      \.\.(?P<deep>\*|[\w\-]+)
    | \.(?P<name>\*|[\w\-]+)
    | \[\s*(?P<index>-?\d+(\s*,\s*-?\d+)*)\s*\]
    | \[\s*(?P<all>\*)\s*\]
    | \[\s*(?P<quoted>'[^']*'|"[^"]*")\s*\]
    | \[\s*\?\s*\(?\s*@(?P<path>(\.[\w\-]+)+)\s*((?P<operator>==|!=)\s*(?P<value>'[^']*'|"[^"]*"|[\w.\-]+)\s*)?\)?\s*\]
    """,
    re.VERBOSE,
)


def values(path: str, tree: Any) -> list[Any]:
    """The JSON values that `path` selects in `tree`, in order.

    Raises:
        Unusable: not JSONPath, or a part of it that is not supported here.
    """
    found = [tree]
    for step in _steps(path):
        found = [value for item in found for value in step(item)]
    return found


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[Step, ...]:
    text = path.strip()
    steps: list[Step] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise Unusable(f"JSONPath: {text[position:]!r} is not supported, in {path!r}.")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    parts = match.groupdict()
    if parts["deep"]:
        name = parts["deep"]
        return lambda item: [found for inner in _descent(item) for found in _member(inner, name)]
    if parts["index"]:
        places = [int(place) for place in parts["index"].split(",")]
        return lambda item: [found for place in places for found in _at(item, place)]
    if parts["path"]:
        return _filter(parts["path"][1:].split("."), parts["operator"], parts["value"])
    wanted = parts["name"] or parts["all"] or parts["quoted"][1:-1]
    quoted = bool(parts["quoted"])
    return lambda item: _member(item, wanted, quoted)


def _member(item: Any, name: str, quoted: bool = False) -> Iterable[Any]:
    if name == "*" and not quoted:
        return item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return (item[name],) if isinstance(item, dict) and name in item else ()


def _at(item: Any, place: int) -> Iterable[Any]:
    return (item[place],) if isinstance(item, list) and -len(item) <= place < len(item) else ()


def _descent(item: Any) -> Iterator[Any]:
    yield item
    for child in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
        yield from _descent(child)


def _filter(path: list[str], operator: str | None, value: str | None) -> Step:
    def holds(item: Any) -> bool:
        for name in path:
            if not isinstance(item, dict) or name not in item:
                return operator == "!="
            item = item[name]
        return operator is None or (_same(item, value or "") == (operator == "=="))

    return lambda item: [inner for inner in _member(item, "*") if holds(inner)]


def _same(item: Any, literal: str) -> bool:
    if literal[:1] in ("'", '"'):
        return bool(item == literal[1:-1])
    if literal in ("true", "false", "null"):
        return bool(item is {"true": True, "false": False, "null": None}[literal])
    number = isinstance(item, int | Decimal) and not isinstance(item, bool)
    return number and str(item) == literal
