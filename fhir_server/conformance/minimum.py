"""Whether a resource holds at least what another holds.

https://hl7.org/fhir/R4/testscript-definitions.html#TestScript.setup.action.assert.minimumId
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any


def missing(actual: Any, least: Any, at: str) -> list[str]:
    """Where `actual` lacks what `least` has, as FHIRPaths; empty when it has everything.

    The items of a list may stand in another order and among others; each wants one of its own.
    """
    if isinstance(least, dict):
        if not isinstance(actual, dict):
            return [at]
        return [place for k, v in least.items() for place in _member(actual, k, v, f"{at}.{k}")]
    if isinstance(least, list):
        return list(_unmatched(actual, least, at)) if isinstance(actual, list) else [at]
    return [] if _same(actual, least) else [at]


def _member(actual: dict[str, Any], name: str, least: Any, at: str) -> list[str]:
    return missing(actual[name], least, at) if name in actual else [at]


def _unmatched(actual: list[Any], least: list[Any], at: str) -> Iterator[str]:
    """The items of `least` that no item of `actual` is left for: the largest matching, by augmenting paths."""
    fits = [[n for n, item in enumerate(actual) if not missing(item, wanted, at)] for wanted in least]
    taken: dict[int, int] = {}

    def place(wanted: int, seen: set[int]) -> bool:
        for n in fits[wanted]:
            if n not in seen:
                seen.add(n)
                if n not in taken or place(taken[n], seen):
                    taken[n] = wanted
                    return True
        return False

    for wanted in range(len(least)):
        if not place(wanted, set()):
            # One candidate only: say what is missing inside it.
            inner = missing(actual[0], least[0], f"{at}[0]") if len(actual) == len(least) == 1 else []
            yield from inner or [f"{at}[{wanted}]"]


def _same(actual: Any, least: Any) -> bool:
    if isinstance(actual, bool) or isinstance(least, bool):
        return actual is least
    if isinstance(actual, int | Decimal) and isinstance(least, int | Decimal):
        return str(actual) == str(least)  # 1.0 and 1.00 differ: https://hl7.org/fhir/R4/datatypes.html#decimal
    return bool(actual == least)
