"""What invariants say of codes, remembered by their JSON: documents have the same few codes again and again.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. Only what hangs on the element alone is remembered, and only
of elements that are codes: what is said of people is not kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

#: Types of the elements: codes, alone or with their systems and words.
TYPES = frozenset({"CodeableConcept", "Coding", "code"})
#: Functions whose answer hangs on what they are asked of: not on where that stands, on the time, on what codes mean.
ALONE = frozenset(
    "all any as count distinct empty endsWith exists extension first hasValue isDistinct is last length matches not"
    " ofType startsWith toString where".split()
)
#: Operators that stand before a parenthesis as functions do; and signs that may stand between a name and its own.
_OPERATORS = frozenset("and contains div implies in mod or xor".split())
_OTHERS = frozenset("%`/")
#: Answers that are remembered, and the longest element, in bytes.
MOST, LONGEST = 4_096, 1_000

_FUNCTION = re.compile(r"(\w+)\s*\(")
_encode = msgspec.json.Encoder(decimal_format="number").encode
_answers: dict[tuple[str, str, bytes], bool | None] = {}


def truth(expression: str, path: str, value: Any, ask: Callable[[], bool | None]) -> bool | None:
    """The truth of an expression about an element: what was said of one like it, else what `ask` says.

    Args:
        expression: FHIRPath.
        path: where the element's children are defined.
        value: the element.
        ask: evaluates it.
    """
    if path not in TYPES or not hangs_on_value(expression):
        return ask()
    written = _encode(value)
    if len(written) > LONGEST:
        return ask()
    key = expression, path, written
    try:
        return _answers[key]
    except KeyError:
        found = ask()
    if len(_answers) >= MOST:
        _answers.clear()
    _answers[key] = found
    return found


@lru_cache(maxsize=1024)
def hangs_on_value(expression: str) -> bool:
    """Whether the answer to an expression hangs on the element alone."""
    bare = _without_texts(expression)
    return _OTHERS.isdisjoint(bare) and (ALONE | _OPERATORS).issuperset(_FUNCTION.findall(bare))


def _without_texts(expression: str) -> str:
    return re.sub(r"'(?:[^'\\]|\\.)*'", "''", expression)
