"""How a query was understood, for those who integrate: each parameter in words, what was left out, the engine's plan.

An answer to "why is my search slow, or empty?": a Parameters resource, as https://hl7.org/fhir/R4/parameters.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.search.asking.query import Criterion, Query
from fhir_server.store.filters import (
    And,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    String,
    Text,
    Together,
    Token,
    Uri,
)

#: Alternatives written out; a value set has thousands.
_SHOWN = 6


def explain(query: Query, plan: Sequence[str] = ()) -> dict[str, Any]:
    """A Parameters resource: a part for each criterion, what was ignored, the sort, and the engine's plan.

    Args:
        query: as `search.asking.query.parse` gives it.
        plan: the lines of `Store.explain` for its scope and sort.
    """
    parts = [_part("criterion", _criterion(criterion)) for criterion in query.criteria]
    parts += [_part("ignored", [_string("reason", issue.diagnostics)]) for issue in query.ignored]
    order = ", then ".join(f"{sort.param} {'descending' if sort.descending else 'ascending'}" for sort in query.sort)
    parts.append(_string("searched", ", ".join(query.scope) or "nothing"))
    parts.append(_string("sort", order))
    parts.append({"name": "count", "valueInteger": query.results.count})
    parts += [_string("plan", line) for line in plan]
    return {"resourceType": "Parameters", "parameter": parts}


def _criterion(criterion: Criterion) -> Iterable[dict[str, Any]]:
    yield _string("name", criterion.name)
    yield _string("value", criterion.value)
    meanings: dict[str, list[str]] = {}
    for type, where in criterion.filters.items():
        meanings.setdefault(in_words(where), []).append(type)
    for words, types in meanings.items():
        yield _part("meaning", [_string("type", ", ".join(types)), _string("words", words)])


def in_words(where: Filter) -> str:
    """What a filter asks, as a sentence about the resource."""
    match where:
        case And():
            return _joined(where.parts, " and ") if where.parts else "anything"
        case Or():
            return _joined(where.parts, " or ") if where.parts else "nothing"
        case Not():
            return f"not ({in_words(where.part)})"
        case Together():
            return f"in one element: {_joined(where.parts, ' and ')}"
        case Linked():
            return f"{where.param} refers to a {where.type} with ({in_words(where.where)})"
        case LinkedFrom():
            return f"a {where.type} with ({in_words(where.where)}) refers here by {where.param}"
        case _:
            return _leaf(where)


def _joined(parts: Sequence[Filter], word: str) -> str:
    said = [in_words(part) for part in parts[:_SHOWN]]
    if len(parts) > _SHOWN:
        said.append(f"… ({len(parts) - _SHOWN} more)")
    return "(" + word.join(said) + ")"


_Leaf = Id | Token | String | Refers | Uri | Range | Near | Text | Missing


def _leaf(where: _Leaf) -> str:
    match where:
        case Id():
            return f"id is one of {', '.join(where.ids[:_SHOWN])}{' …' if len(where.ids) > _SHOWN else ''}"
        case Near():
            return f"{where.param} is within {where.radius_metres:g} m of {where.latitude:g}, {where.longitude:g}"
        case Text():
            return f"{where.where} has the words {' '.join(where.words)}"
        case Missing():
            return f"{where.param} has no value"
        case Range():
            return f"{where.param} {_range(where)}"
        case _:
            return _word(where)


def _word(where: Token | String | Refers | Uri) -> str:
    match where:
        case Token():
            return f"{where.param} is {_token(where)}"
        case String():
            return f"{where.param} {_HOW[where.how]} {where.value!r}"
        case Refers():
            return f"{where.param} refers to {where.target}{f' version {where.version}' if where.version else ''}"
        case Uri():
            return f"{where.param} is {'at or below ' if where.how == 'below' else ''}{where.value}"


_HOW = {"starts": "starts with", "contains": "contains", "ends": "ends with", "exact": "is exactly"}


def _token(where: Token) -> str:
    code = "any code" if where.code is None else repr(where.code)
    system = {None: "of any system", "": "of no system"}.get(where.system, f"of {where.system}")
    return f"{code} {system}"


def _range(where: Range) -> str:
    bounds = (
        ("starts at or after", where.low_from),
        ("starts at or before", where.low_to),
        ("ends at or after", where.high_from),
        ("ends at or before", where.high_to),
    )
    said = " and ".join(f"{words} {value}" for words, value in bounds if value is not None)
    unit = " ".join(text for text in (where.system, where.code) if text)
    return f"{said or 'has any value'}{f' in {unit}' if unit else ''}"


def _string(name: str, value: str) -> dict[str, Any]:
    # A FHIR string is neither empty nor of white space alone.
    return {"name": name, "valueString": value.strip() or "(blank)"}


def _part(name: str, parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "part": list(parts)}
