"""Regular expressions that end in time: matched by a linear engine, replaced only where backtracking stays small.

http://hl7.org/fhirpath/N1/#matchesregex-string-boolean: case-sensitive, and a dot matches every character.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs

from fhir_server.fhir.fhirpath.errors import EvaluationError

MAX_PATTERN = 2_000  #: characters
MAX_TEXT = 1_000_000  #: characters
_MAX_WAYS = math.log(20_000_000)  #: to match a pattern somewhere in a text
_BACKTRACKS = 100_000
_NAMED = re.compile(r"\(\?<(?=[A-Za-z])")


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
    compiled, parsed = _compiled(pattern)
    length = math.log(len(text) + 2)
    if length + _ways(parsed, length) > _MAX_WAYS:
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
def _compiled(pattern: str) -> tuple[re.Pattern[str], Any]:
    """The pattern, and its parts as the standard library reads them."""
    if len(pattern) > MAX_PATTERN:
        raise EvaluationError("The regular expression is too long.", code="too-costly")
    try:
        pattern = _NAMED.sub("(?P<", pattern)
        return re.compile(pattern, re.DOTALL), re._parser.parse(pattern, re.DOTALL)  # type: ignore[attr-defined]
    except (re.error, RecursionError, OverflowError):
        raise EvaluationError("Not a regular expression.") from None


def _ways(parsed: Any, length: float) -> float:
    """The logarithm of how many ways there are, at most, to match at one place; `length` is that of the text's."""
    return sum(_ways_of(str(operator), argument, length) for operator, argument in parsed)


def _ways_of(operator: str, argument: Any, length: float) -> float:
    if operator.endswith("_REPEAT"):
        least, most, inner = argument
        within = _ways(inner, length)
        if within:
            return within * min(float(most), math.exp(length)) + length
        return min(math.log(most - least + 1), length)
    if operator == "BRANCH":
        ways = [_ways(choice, length) for choice in argument[1]]
        # Where the first character decides, there is nothing to come back for.
        return max(ways) if _decided(argument[1]) else math.log(sum(map(math.exp, (min(w, _MAX_WAYS) for w in ways))))
    if operator == "GROUPREF":
        return length
    return sum(_ways(part, length) for part in _parts(argument))


def _decided(choices: list[Any]) -> bool:
    first = [choice[0] if len(choice) else (None, None) for choice in choices]
    return all(str(operator) == "LITERAL" for operator, _ in first) and len({a for _, a in first}) == len(first)


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
