"""From text to tree: a precedence-climbing parser of FHIRPath, bounded in depth.

http://hl7.org/fhirpath/N1/#operator-precedence, http://hl7.org/fhirpath/N1/grammar.html
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from fhir_server.fhir.fhirpath.corrections import corrected
from fhir_server.fhir.fhirpath.errors import MalformedExpression
from fhir_server.fhir.fhirpath.lexer import Word, words
from fhir_server.fhir.fhirpath.syntax import (
    INPUT,
    Binary,
    Call,
    Index,
    Literal,
    Path,
    QuantityLiteral,
    This,
    Tree,
    TypeTest,
    Unary,
    Variable,
)

_LONGEST_KEPT = 1_500  #: characters
MAX_HEIGHT = 100  #: of the tree; each level costs a few Python frames when it is evaluated

#: Operator → how tightly it binds.
PRECEDENCE = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    ">": 6,
    "<": 6,
    ">=": 6,
    "<=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_UNARY = 11
#: Operators whose runs become one node, so that a union of sixty paths is two levels high.
_FLAT = frozenset({"and", "or", "|", "+", "&"})
#: Words that are operators and may still begin a path (N1 grammar: identifier); the others need backticks there.
_SOFT = frozenset({"is", "as", "in", "contains"})
#: Calendar words of a quantity → their singular.
CALENDAR = {
    word: unit
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for word in (unit, unit + "s")
}


def parse(text: str) -> Tree:
    """The tree of `text`; kept for the next time unless it is very long, as a client may send thousands of them.

    Raises:
        MalformedExpression: it is not FHIRPath, or nested deeper than `MAX_HEIGHT`.
    """
    return _kept(text) if len(text) <= _LONGEST_KEPT else _parsed(text)


def _parsed(text: str) -> Tree:
    parser = _Parser(words(corrected(text)))
    tree = parser.expression(0)
    parser.expect("end", "")
    return tree


_kept = lru_cache(maxsize=1024)(_parsed)


class _Parser:
    def __init__(self, found: list[Word]) -> None:
        self.words = found
        self.at = 0
        self.depth = 0

    @property
    def word(self) -> Word:
        return self.words[self.at]

    def taken(self, kind: str, text: str) -> bool:
        """Whether the next word is this one, and if so step over it."""
        if self.word.kind == kind and self.word.text == text:
            self.at += 1
            return True
        return False

    def expect(self, kind: str, text: str) -> None:
        if not self.taken(kind, text):
            raise self.unexpected()

    def unexpected(self) -> MalformedExpression:
        word = self.word
        found = f"unexpected {word.text!r}" if word.kind != "end" else "unexpected end"
        return MalformedExpression(found, word.start)

    def height(self, *trees: Tree) -> int:
        height = 1 + max((tree.height for tree in trees), default=0)
        if height > MAX_HEIGHT:
            raise MalformedExpression(f"nested deeper than {MAX_HEIGHT}", self.word.start)
        return height

    def expression(self, least: int) -> Tree:
        self.depth += 1
        if self.depth > MAX_HEIGHT:
            raise MalformedExpression(f"nested deeper than {MAX_HEIGHT}", self.word.start)
        left = self.unary()
        while (operator := self.operator()) is not None and PRECEDENCE[operator] > least:
            start = self.word.start
            self.at += 1
            left = self.binary(operator, left, start)
        self.depth -= 1
        return left

    def operator(self) -> str | None:
        word = self.word
        return word.text if word.kind in ("symbol", "name") and word.text in PRECEDENCE else None

    def binary(self, operator: str, left: Tree, start: int) -> Tree:
        if operator in ("is", "as"):
            return TypeTest(operator, left, self.type_name(), start, self.height(left))  # type: ignore[arg-type]
        right = self.expression(PRECEDENCE[operator])
        if operator in _FLAT and isinstance(left, Binary) and left.operator == operator:
            operands = (*left.operands, right)
            return Binary(operator, operands, left.position, max(left.height, self.height(right)))
        return Binary(operator, (left, right), start, self.height(left, right))

    def type_name(self) -> str:
        name = self.name()
        return f"{name}.{self.name()}" if self.taken("symbol", ".") else name

    def name(self) -> str:
        if self.word.kind not in ("name", "quoted"):
            raise self.unexpected()
        self.at += 1
        return self.words[self.at - 1].text

    def unary(self) -> Tree:
        word = self.word
        if word.kind == "symbol" and word.text in "+-":
            self.at += 1
            operand = self.expression(_UNARY)
            return Unary(word.text, operand, word.start, self.height(operand))
        return self.invocations(self.term())

    def invocations(self, left: Tree) -> Tree:
        while True:
            start = self.word.start
            if self.taken("symbol", "."):
                left = self.invocation(left)
            elif self.taken("symbol", "["):
                index = self.expression(0)
                self.expect("symbol", "]")
                left = Index(left, index, start, self.height(left, index))
            else:
                return left

    def invocation(self, left: Tree) -> Tree:
        word = self.word
        if word.kind == "this":
            self.at += 1
            return self.this(word)
        name = self.name()
        if word.kind == "name" and self.taken("symbol", "("):
            arguments = self.arguments()
            return Call(left, name, arguments, word.start, self.height(left, *arguments))
        if isinstance(left, Path):
            return Path(left.input, (*left.names, name), left.position, left.height)
        return Path(left, (name,), word.start, self.height(left))

    def arguments(self) -> tuple[Tree, ...]:
        if self.taken("symbol", ")"):
            return ()
        found = [self.expression(0)]
        while self.taken("symbol", ","):
            found.append(self.expression(0))
        self.expect("symbol", ")")
        return tuple(found)

    def term(self) -> Tree:
        word = self.word
        if word.kind in ("name", "quoted"):
            return self.named(word)
        if word.kind == "symbol":
            return self.enclosed()
        build = _TERMS.get(word.kind)
        if build is None:
            raise self.unexpected()
        self.at += 1
        return build(self, word)

    def named(self, word: Word) -> Tree:
        if word.kind == "name" and word.text in ("true", "false"):
            self.at += 1
            return Literal("boolean", word.text == "true", word.start)
        if word.kind == "name" and word.text in PRECEDENCE and word.text not in _SOFT:
            raise self.unexpected()
        return self.invocation(INPUT)

    def enclosed(self) -> Tree:
        start = self.word.start
        if self.taken("symbol", "{"):
            self.expect("symbol", "}")
            return Literal("empty", None, start)
        self.expect("symbol", "(")
        inner = self.expression(0)
        self.expect("symbol", ")")
        return inner

    def this(self, word: Word) -> Tree:
        if word.text not in ("this", "index", "total"):
            raise MalformedExpression(f"unknown ${word.text}", word.start)
        return This(word.text, word.start)

    def variable(self, word: Word) -> Tree:
        return Variable(word.text, word.start)

    def literal(self, word: Word) -> Tree:
        return Literal(word.kind, word.text, word.start)  # type: ignore[arg-type]

    def number(self, word: Word) -> Tree:
        unit = self.word
        if unit.kind == "string":
            self.at += 1
            return QuantityLiteral(Decimal(word.text), unit.text, False, word.start)
        if unit.kind == "name" and unit.text in CALENDAR:
            self.at += 1
            return QuantityLiteral(Decimal(word.text), CALENDAR[unit.text], True, word.start)
        if "." in word.text:
            return Literal("decimal", Decimal(word.text), word.start)
        if len(word.text) > 40:
            raise MalformedExpression("a number out of range", word.start)
        return Literal("integer", int(word.text), word.start)


_TERMS = {
    "number": _Parser.number,
    "string": _Parser.literal,
    "date": _Parser.literal,
    "datetime": _Parser.literal,
    "time": _Parser.literal,
    "variable": _Parser.variable,
    "this": _Parser.this,
}
