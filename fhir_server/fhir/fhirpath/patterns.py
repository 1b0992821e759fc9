"""Regular expressions that end in time: matched by a linear engine, replaced only where backtracking stays small.

http://hl7.org/fhirpath/N1/#matchesregex-string-boolean: case-sensitive, and a dot matches every character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs

from fhir_server.fhir.fhirpath.errors import EvaluationError

MAX_PATTERN = 2_000  #: characters
MAX_TEXT = 1_000_000  #: characters
_MAX_STEPS = 20_000_000
_BACKTRACKS = 100_000
_NAMED = re.compile(r"\(\?<(?=[A-Za-z])")
_FEW = 8  #: repeats that are as good as written out


def found(pattern: str, text: str) -> bool:
    """Whether `pattern` matches somewhere in `text`.

    Raises:
        EvaluationError: not a regular expression, or text or pattern too long.
    """
    if len(text) > MAX_TEXT:
        raise EvaluationError("The text is too long for a regular expression.", code="too-costly")
    return bool(_validator(pattern).is_valid(text))


def replaced(pattern: str, text: str, substitution: str) -> str:
    """`text` with every match of `pattern` replaced; `$1` and `${name}` in `substitution` are groups.

    Raises:
        EvaluationError: not a regular expression, or one that could take too long on a text of this length.
    """
    compiled, unbounded = _compiled(pattern)
    if unbounded < 0 or len(text) ** (unbounded + 1) > _MAX_STEPS:
        raise EvaluationError("The regular expression could take too long.", code="too-costly")
    try:
        return compiled.sub(_substitution(substitution), text)
    except (re.error, IndexError):
        raise EvaluationError("Not a substitution for this regular expression.") from None


@lru_cache(maxsize=512)
def _validator(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise EvaluationError("The regular expression is too long.", code="too-costly")
    try:
        return jsonschema_rs.validator_for(
            {"pattern": f"(?s:{pattern})"},
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKS),
        )
    except (ValueError, jsonschema_rs.ValidationError):
        raise EvaluationError("Not a regular expression.") from None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str], int]:
    """The pattern and how many unbounded repeats it has in a row; -1 where one stands inside another."""
    if len(pattern) > MAX_PATTERN:
        raise EvaluationError("The regular expression is too long.", code="too-costly")
    try:
        pattern = _NAMED.sub("(?P<", pattern)
        return re.compile(pattern, re.DOTALL), _repeats(re._parser.parse(pattern, re.DOTALL), False)  # type: ignore[attr-defined]
    except (re.error, RecursionError, OverflowError):
        raise EvaluationError("Not a regular expression.") from None


def _repeats(parsed: Any, inside: bool) -> int:
    total = 0
    for operator, argument in parsed:
        repeats = str(operator).endswith("_REPEAT") and argument[1] > _FEW
        if repeats and inside:
            return -1
        inner = [_repeats(part, inside or repeats) for part in _parts(argument)]
        if -1 in inner:
            return -1
        total += sum(inner) + repeats
    return total


def _parts(argument: Any) -> Iterator[Any]:
    """The sub-patterns inside an operator's argument."""
    if hasattr(argument, "data"):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from _parts(part)


def _substitution(text: str) -> str:
    plain = text.replace("\\", "\\\\")
    return re.sub(r"\$(?:(\d+)|\{(\w+)\})", lambda m: f"\\g<{m[1] or m[2]}>", plain)
