"""From a failing keyword of a compiled schema to an issue that a person can act on.

https://hl7.org/fhir/R4/operationoutcome.html. The schema itself says which rule each of its fragments is (`rules.py`);
what is written here never repeats a value of the resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import jsonschema_rs

from fhir_server.fhir.outcome import Issue
from fhir_server.validation.rules import CODES, KEYWORDS
from fhir_server.validation.types import narrative
from fhir_server.validation.types.primitive_siblings import KEYWORD, misaligned
from fhir_server.validation.walking import expression

#: Keywords that say there is nothing to judge: no other rule is broken at the same place.
_NOTHING = frozenset(("type", "minLength", "minItems", "minProperties"))
#: The most issues told of one resource's structure: a body of nothing but mistakes must not cost the server its memory.
MOST = 1000
Kind = jsonschema_rs.ValidationErrorKind


def issues(
    errors: Iterable[jsonschema_rs.ValidationError], schema: Mapping[str, Any], path: str, at: str, skip: int = 0
) -> list[Issue]:
    """The issues that `errors` stand for, each rule said once at each place.

    Args:
        errors: of one run of the compiled `schema`.
        schema: the JSON Schema that was compiled.
        path: the type judged.
        at: FHIRPath of the object judged.
        skip: how many steps lead to the object from what was judged.
    """
    found: dict[tuple[str | None, str | None], Issue] = {}
    unreadable: set[tuple[str | int, ...]] = set()
    listed = list(islice(errors, MOST))
    for error in listed:
        if _keyword(error) in _NOTHING:
            unreadable.add(tuple(error.instance_path))
    for error in listed:
        # A number where a code belongs is not also an unknown code, nor does an empty object also lack its children.
        if tuple(error.instance_path) in unreadable and _keyword(error) not in _NOTHING:
            continue
        for issue in islice(_issues(error, schema, path, at, skip), MOST):
            found.setdefault((issue.key, issue.expression), issue)
        if len(found) >= MOST:
            break
    return list(found.values())


def somewhere(at: str, profile: str | None = None) -> Issue:
    """What is told of a resource so large that its mistakes stand beyond what is looked through."""
    text = "Something beyond the first items of its arrays is not what its definition asks for."
    return Issue("error", "structure", text, at, "type", profile)


def _keyword(error: jsonschema_rs.ValidationError) -> str:
    return str(error.schema_path[-1]) if error.schema_path else ""


def _issues(
    error: jsonschema_rs.ValidationError, schema: Mapping[str, Any], path: str, at: str, skip: int
) -> Iterator[Issue]:
    keyword = _keyword(error)
    place = expression(path, at, error.instance_path[skip:])
    rule = _rule(schema, error)
    kind = error.kind
    if isinstance(kind, Kind.AdditionalProperties):
        for name in kind.unexpected:
            yield _issue("unknown-element", KEYWORDS[keyword][1], f"{place}.{name[:64]}")
    elif keyword == KEYWORD and isinstance(error.instance, dict):
        yield from _misaligned(error.instance, rule, place)
    elif rule:
        yield _ruled(rule, error, place)
    else:
        yield _plain(error, keyword, place)


def _rule(schema: Mapping[str, Any], error: jsonschema_rs.ValidationError) -> Mapping[str, Any] | None:
    node: Any = schema
    for step in error.schema_path[:-1]:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return None  # a document of the registry, which holds no rules
    rule = node.get("x-rule") if isinstance(node, dict) else None
    return rule if rule and _keyword(error) in rule["keywords"] else None


def _ruled(rule: Mapping[str, Any], error: jsonschema_rs.ValidationError, place: str) -> Issue:
    text: str = rule["text"]
    key: str = rule["key"]
    if key == "txt-1":
        problem = narrative.problem(error.instance)
        key = "txt-2" if problem == narrative.EMPTY else key
        text = f"{text}: {problem}"
    if rule["key"] == "cardinality-min":
        text = f"{text}: {rule['element']}" if "element" in rule else text
    where = f"{place}.{rule['element']}" if "element" in rule else place
    return Issue("error", rule["code"], text + ".", where, key, rule.get("profile"))


def _plain(error: jsonschema_rs.ValidationError, keyword: str, place: str) -> Issue:
    key, text = KEYWORDS.get(keyword, ("type", "Not what its definition asks for"))
    if error.instance is None and keyword == "type":
        key, text = "empty", "null may stand only in an array of primitives that has extensions beside it"
    elif keyword == "type" and error.absolute_keyword_location and "integer" in error.absolute_keyword_location:
        number = not isinstance(error.instance, bool | str | dict | list)
        key, text = (
            ("primitive-format", "An integer is written without fraction or exponent") if number else (key, text)
        )
    elif isinstance(error.kind, Kind.Type):
        text = f"{text}: {' or '.join(error.kind.types)}"
    elif isinstance(error.kind, Kind.Required):
        place = f"{place}.{error.kind.property}"
    return _issue(key, text, place)


def _misaligned(parent: Mapping[str, Any], rule: Mapping[str, Any] | None, place: str) -> Iterator[Issue]:
    name = rule["element"] if rule else ""
    for position, text in misaligned(parent, name):
        at = f"{place}.{name}" if position is None else f"{place}.{name}[{position}]"
        yield _issue("primitive-array", text, at)


def _issue(key: str, text: str, at: str) -> Issue:
    return Issue("error", CODES[key], text + ".", at, key)
