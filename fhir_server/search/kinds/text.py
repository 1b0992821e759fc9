"""`_text` and `_content`: words of the narrative, or of the whole resource, joined by AND, OR, NOT and brackets.

https://hl7.org/fhir/R4/search.html#content
"""

from __future__ import annotations

import re
from typing import Literal

from fhir_server.fhir.outcome import InvalidParameter, TooCostly
from fhir_server.search.parameters.text import words
from fhir_server.store.filters import NOTHING, Filter, Not, Text, both, either

_TOKEN = re.compile(r'"([^"]*)"|([()])|([^\s()"]+)|(")')
#: Longer than any question, and short enough for any engine.
MAX_WORDS = 100
_MAX_DEPTH = 20

Where = Literal["narrative", "content"]


def text(where: Where, value: str) -> Filter:
    """The words `value` asks for: all of them, unless `OR` or `NOT` (in capitals) or brackets say otherwise.

    Raises:
        InvalidParameter: brackets or operators that do not fit together.
        TooCostly: more than `MAX_WORDS` words.
    """
    reader = _Reader(where, [found[0] for found in _TOKEN.finditer(value)])
    found = reader.alternatives(0)
    if reader.tokens:
        raise InvalidParameter("A bracket is closed that was never opened.")
    return found


class _Reader:
    def __init__(self, where: Where, tokens: list[str]) -> None:
        if len(tokens) > MAX_WORDS:
            raise TooCostly(f"A text search has at most {MAX_WORDS} words.")
        self.where: Where = where
        self.tokens = tokens[::-1]

    def alternatives(self, depth: int) -> Filter:
        found = [self.conjunction(depth)]
        while self.tokens and self.tokens[-1] == "OR":
            self.tokens.pop()
            found.append(self.conjunction(depth))
        return either(found)

    def conjunction(self, depth: int) -> Filter:
        found: list[Filter] = []
        while self.tokens and self.tokens[-1] not in ("OR", ")"):
            token = self.tokens.pop()
            # "and" says what is true anyway; as a word it would be looked for in vain in most texts.
            if token not in ("AND", "and"):
                found.append(self.operand(token, depth))
        if not found:
            raise InvalidParameter("A text search has no word where one is needed.")
        return both(*found)

    def operand(self, token: str, depth: int) -> Filter:
        if depth > _MAX_DEPTH:
            raise TooCostly("A text search is nested too deep.")
        if token == "NOT" and self.tokens:  # noqa: S105
            return Not(self.operand(self.tokens.pop(), depth + 1))
        if token == "(":  # noqa: S105
            found = self.alternatives(depth + 1)
            if not self.tokens or self.tokens.pop() != ")":
                raise InvalidParameter("A bracket is not closed.")
            return found
        asked = tuple(words(token))
        return Text(self.where, asked) if asked else NOTHING
