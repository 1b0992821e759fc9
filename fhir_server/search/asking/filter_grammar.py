"""Reading a `_filter` expression into a tree; what the tree means is in `filter_expression.py`.

https://hl7.org/fhir/R4/search_filter.html. The grammar, in which `and` and `or` are taken from left to right:

    filter    = ["not"] "(" filter ")" / test / filter ("and" / "or") filter
    test      = path operator value
    path      = name ["[" filter "]"] ["." path]
    value     = a JSON string, or anything up to white space, ")" or "]"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from fhir_server.fhir.outcome import InvalidParameter, TooCostly

#: Deeper than any question a person asks; keeps the recursion far from Python's limit.
MAX_DEPTH = 32
#: More tests than this is a program, not a question.
MAX_TESTS = 200
OPERATORS = frozenset("eq ne co sw ew gt lt ge le ap sa eb pr po ss sb in ni re".split())

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?::[A-Za-z]+)?")
_WORD = re.compile(r"[a-z]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NOT = re.compile(r"not\s*(?=\()")
_TOKEN = re.compile(r"[^\s\])]+")


@dataclass(frozen=True, slots=True)
class Step:
    """One name of a path, perhaps `name:Type`, and the filter in brackets behind it."""

    name: str
    where: Node | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """`path operator value`; `at` is where it stands, counted from 1."""

    path: tuple[Step, ...]
    operator: str
    value: str
    at: int


@dataclass(frozen=True, slots=True)
class Logical:
    """Two or more filters joined by one operator."""

    operator: Literal["and", "or"]
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """`not (part)`: what `part` does not find."""

    part: Node


Node = Test | Logical | Negation


def read(text: str) -> Node:
    """The tree of a `_filter` expression.

    Raises:
        InvalidParameter: not of the grammar; says at which character.
        TooCostly: nested deeper than `MAX_DEPTH`, or more than `MAX_TESTS` tests.
    """
    reader = _Reader(text)
    node = reader.filter(0)
    reader.space()
    if reader.at < len(text):
        raise reader.error("expected 'and', 'or' or the end")
    return node


class _Reader:
    """A position in the text, moved forward by what is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tests = 0

    def error(self, problem: str) -> InvalidParameter:
        return InvalidParameter(f"_filter cannot be read at character {self.at + 1}: {problem}.")

    def space(self) -> None:
        self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # matches the empty string too

    def filter(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise TooCostly(f"_filter is nested deeper than {MAX_DEPTH} levels.")
        node = self.operand(depth)
        while joined := self.connective():
            other = self.operand(depth)
            if isinstance(node, Logical) and node.operator == joined:
                node = Logical(joined, (*node.parts, other))
            else:
                node = Logical(joined, (node, other))
        return node

    def connective(self) -> Literal["and", "or"] | None:
        self.space()
        found = _WORD.match(self.text, self.at)
        if found is None:
            return None
        if found[0] == "and":
            self.at = found.end()
            return "and"
        if found[0] == "or":
            self.at = found.end()
            return "or"
        return None

    def operand(self, depth: int) -> Node:
        self.space()
        negated = self._negated()
        if self.text.startswith("(", self.at):
            self.at += 1
            inner = self._enclosed(")", depth)
            return Negation(inner) if negated else inner
        return self.test(depth)

    def test(self, depth: int) -> Test:
        self.tests += 1
        if self.tests > MAX_TESTS:
            raise TooCostly(f"_filter holds more than {MAX_TESTS} tests.")
        start = self.at + 1
        path = [self.step(depth)]
        while self.text.startswith(".", self.at):
            self.at += 1
            path.append(self.step(depth))
        return Test(tuple(path), self.operator(), self.value(), start)

    def step(self, depth: int) -> Step:
        found = _NAME.match(self.text, self.at)
        if found is None:
            raise self.error("expected the name of a search parameter")
        self.at = found.end()
        if not self.text.startswith("[", self.at):
            return Step(found[0])
        self.at += 1
        return Step(found[0], self._enclosed("]", depth))

    def operator(self) -> str:
        before = self.at
        self.space()
        found = _WORD.match(self.text, self.at)
        if found is None or found[0] not in OPERATORS or before == self.at:
            raise self.error("expected one of " + " ".join(sorted(OPERATORS)))
        self.at = found.end()
        return found[0]

    def value(self) -> str:
        before = self.at
        self.space()
        if before == self.at:
            raise self.error("expected white space before the value")
        quoted = self.text.startswith('"', self.at)
        found = (_STRING if quoted else _TOKEN).match(self.text, self.at)
        if found is None:
            raise self.error("a string is not closed" if quoted else "expected a value")
        try:
            value = msgspec.json.decode(found[0].encode(), type=str) if quoted else found[0]
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise self.error("not a JSON string") from None
        self.at = found.end()
        return value

    def _negated(self) -> bool:
        # "not" is a word of the grammar only before a bracket: a parameter may be called so.
        found = _NOT.match(self.text, self.at)
        if found is None:
            return False
        self.at = found.end()
        return True

    def _enclosed(self, end: str, depth: int) -> Node:
        inner = self.filter(depth + 1)
        self.space()
        if not self.text.startswith(end, self.at):
            raise self.error(f"expected '{end}'")
        self.at += 1
        return inner
