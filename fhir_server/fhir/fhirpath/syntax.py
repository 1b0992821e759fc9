"""The tree of a FHIRPath expression, as the parser hands it to the compiler.

http://hl7.org/fhirpath/N1/grammar.html. `height` is how deep a tree is; runs of the same operator count once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal as Choice


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: `kind` is boolean, string, number, date, datetime, time or empty, `value` its text or value."""

    kind: Choice["boolean", "string", "integer", "decimal", "date", "datetime", "time", "empty"]
    value: str | bool | int | Decimal | None
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class QuantityLiteral:
    """`4 days` or `4 'mg'`: `unit` is a UCUM code, or a calendar word when `calendar`."""

    value: Decimal
    unit: str
    calendar: bool
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class This:
    """`$this`, `$index` or `$total`, or the input of the expression where a path starts with a name (`name` "")."""

    name: str
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Variable:
    """`%resource` and the like, without the percent sign."""

    name: str
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Path:
    """`input.a.b.c`: one or more element names walked one after the other."""

    input: Tree
    names: tuple[str, ...]
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    """`input.name(arguments)`: a function of the standard; its arguments are evaluated by it, not before it."""

    input: Tree
    name: str
    arguments: tuple[Tree, ...]
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Index:
    """`input[index]`: the one node at a place, counted from 0."""

    input: Tree
    index: Tree
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Unary:
    """`-operand` or `+operand`: `operator` is that sign."""

    operator: str
    operand: Tree
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Binary:
    """Two or more operands of one left-associative operator: `a and b and c` holds three."""

    operator: str
    operands: tuple[Tree, ...] = field(default=())
    position: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is Type` or `operand as Type`; `type` may be qualified: `System.String`."""

    operator: Choice["is", "as"]
    operand: Tree
    type: str
    position: int = 0
    height: int = 1


Tree = Literal | QuantityLiteral | This | Variable | Path | Call | Index | Unary | Binary | TypeTest

#: Where a path starts: the input of the whole expression, or of the function whose argument it stands in.
INPUT = This("")
