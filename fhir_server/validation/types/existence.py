"""Invariants that only ask which children an element has, turned into JSON Schema, so that they cost nothing apart.

https://hl7.org/fhir/R4/conformance-rules.html#constraints. `name.exists() or telecom.exists()` is `anyOf` of
`required`; whatever else an expression asks is left to FHIRPath (`invariants.py`). Existence is never empty, so
two-valued logic is exact here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fhir_server.validation.steps import Step

Schema = dict[str, Any]
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[a-zA-Z]\w*)\.(?P<test>exists|empty|hasValue)\(\)|(?P<word>\.not\(\)|\(|\)|!=|=|\b(?:or|and|xor|implies)\b))"
)


class _Beyond(Exception):
    """The expression asks for more than existence."""


def as_schema(expression: str, table: Mapping[str, Step]) -> Schema | None:
    """What `expression` means for an object with the properties of `table`; None when it needs FHIRPath."""
    try:
        reader = _Reader(_tokens(expression), table)
        found = reader.implies()
        if reader.rest:
            return None
        # One keyword fails for the whole of the rule, never one inside it.
        return found if found.keys() <= {"anyOf", "required", "not"} else {"anyOf": [found]}
    except _Beyond:
        return None


def _tokens(expression: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(expression.rstrip()):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise _Beyond
        found.append((match["test"], match["name"]) if match["name"] else ("", match["word"]))
        position = match.end()
    return found


class _Reader:
    """Recursive descent over the tokens, by FHIRPath's precedence: `=`, `and`, `or`/`xor`, `implies`."""

    def __init__(self, tokens: list[tuple[str, str]], table: Mapping[str, Step]) -> None:
        self.rest = tokens
        self.table = table

    def implies(self) -> Schema:
        return self._chain(self.either, {"implies": lambda a, b: {"anyOf": [{"not": a}, b]}})

    def either(self) -> Schema:
        return self._chain(self.both, {"or": lambda a, b: {"anyOf": [a, b]}, "xor": lambda a, b: {"not": _same(a, b)}})

    def both(self) -> Schema:
        return self._chain(self.equal, {"and": lambda a, b: {"allOf": [a, b]}})

    def equal(self) -> Schema:
        return self._chain(self.term, {"=": _same, "!=": lambda a, b: {"not": _same(a, b)}})

    def term(self) -> Schema:
        if not self.rest:
            raise _Beyond
        test, word = self.rest.pop(0)
        if word == "(" and not test:
            found = self.implies()
            self._take(")")
        elif test:
            found = self._test(test, word)
        else:
            raise _Beyond
        while self.rest and self.rest[0] == ("", ".not()"):
            self.rest.pop(0)
            found = {"not": found}
        return found

    def _take(self, word: str) -> None:
        if not self.rest or self.rest.pop(0) != ("", word):
            raise _Beyond

    def _chain(self, operand: Callable[[], Schema], operators: dict[str, Callable[[Schema, Schema], Schema]]) -> Schema:
        found = operand()
        while self.rest and not self.rest[0][0] and self.rest[0][1] in operators:
            operator = operators[self.rest.pop(0)[1]]
            found = operator(found, operand())
        return found

    def _test(self, test: str, name: str) -> Schema:
        keys = [k for k, s in self.table.items() if s.name == name and not (test == "hasValue" and s.sibling)]
        if not keys or (test == "hasValue" and self.table[keys[0]].repeats):
            raise _Beyond
        found = {"anyOf": [{"required": [k]} for k in keys]} if len(keys) > 1 else {"required": keys}
        return {"not": found} if test == "empty" else found


def _same(a: Schema, b: Schema) -> Schema:
    return {"if": a, "then": b, "else": {"not": b}}
