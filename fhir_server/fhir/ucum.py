"""What a UCUM unit code means: whether it is one, and a value in it as a value in base units.

https://ucum.org/ucum. Ratios are kept as exact fractions; a result is exact where a decimal can be.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache, lru_cache
from typing import NamedTuple

from fhir_server.fhir.definitions import folder

MAX_LENGTH = 200  #: characters of a code
_MAX_DEPTH = 20
_MAX_EXPONENT = 40
_DIGITS = Context(prec=34)

#: UCUM's base units; every arbitrary unit is one of its own besides.
_BASE = ("m", "s", "g", "rad", "K", "C", "cd")
#: Base units all take prefixes.
_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}

#: Special units: the value in kelvin of a value in the unit.
_SPECIAL: dict[str, Callable[[Fraction], Fraction]] = {
    "celsius": lambda value: value + Fraction("273.15"),
    "fahrenheit": lambda value: (value + Fraction("459.67")) * Fraction(5, 9),
    "reaumur": lambda value: value * Fraction(5, 4) + Fraction("273.15"),
}
#: And back.
_BACK: dict[str, Callable[[Fraction], Fraction]] = {
    "celsius": lambda value: value - Fraction("273.15"),
    "fahrenheit": lambda value: value * Fraction(9, 5) - Fraction("459.67"),
    "reaumur": lambda value: (value - Fraction("273.15")) * Fraction(4, 5),
}
#: A degree of each, in kelvin, where the unit stands in a product (`W/(m2.Cel)`).
_DEGREE = {"celsius": Fraction(1), "fahrenheit": Fraction(5, 9), "reaumur": Fraction(5, 4)}

_TOKEN = re.compile(
    r"(?P<annotation>\{[!-z|~]*\})|(?P<unit>10[*^]|(?:[A-Za-z%'\"_]|\[[!-Z^-~\\]+\])+)(?P<exponent>[+-]?\d+)?"
    r"|(?P<factor>\d+)|(?P<symbol>[./()])"
)


class Unit(NamedTuple):
    """A unit as a ratio: `factor` of the product of base units to their powers; `special` where it is not a ratio."""

    factor: Fraction
    powers: tuple[tuple[str, int], ...] = ()
    special: str | None = None

    def times(self, other: Unit, power: int) -> Unit:
        """The product with `other` to `power`."""
        powers = dict(self.powers)
        for base, exponent in other.powers:
            powers[base] = powers.get(base, 0) + exponent * power
        degree = _DEGREE[other.special] if other.special else 1
        factor = self.factor * (other.factor * degree) ** power
        return Unit(factor, tuple(sorted((b, e) for b, e in powers.items() if e)))


_ONE = Unit(Fraction(1))


def canonical(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """`value` in base units, and those: `(Decimal("0.004"), "m3")` for 4 L; None when `code` is not UCUM.

    Two quantities measure the same kind of thing exactly when their units come out the same. `1` is the unit of a plain
    number; the mole is one (6.0221367 × 10²³), as UCUM has it.
    """
    unit = parse(code)
    return None if unit is None else (_decimal(_in_base(value, unit)), _named(unit.powers))


def converted(value: Decimal, code: str, target: str) -> Decimal | None:
    """`value`, which is in `code`, as a number of `target`; None where that cannot be."""
    unit, wanted = parse(code), parse(target)
    if unit is None or wanted is None or unit.powers != wanted.powers:
        return None
    number = _in_base(value, unit)
    return _decimal((_BACK[wanted.special](number) if wanted.special else number) / wanted.factor)


def is_valid(code: str) -> bool:
    """Whether `code` is a UCUM unit expression (case sensitive) of the atoms this server knows."""
    return parse(code) is not None


def comparable(left: str, right: str) -> bool:
    """Whether both codes are UCUM and measure the same kind of thing."""
    first, second = parse(left), parse(right)
    return first is not None and second is not None and first.powers == second.powers


@lru_cache(maxsize=4096)
def parse(code: str) -> Unit | None:
    """What `code` means, None when it is not UCUM."""
    if not code or len(code) > MAX_LENGTH:
        return None
    try:
        parser = _Parser(code)
        unit = parser.term(0)
        return unit if parser.at == len(code) else None
    except _NotUcum:
        return None


class _NotUcum(Exception):
    """The text is not a unit."""


class _Parser:
    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0

    def term(self, depth: int) -> Unit:
        if depth > _MAX_DEPTH:
            raise _NotUcum
        unit = _ONE.times(self.component(depth), -1) if self.taken("/") else self.component(depth)
        while self.at < len(self.code) and self.code[self.at] in "./":
            power = 1 if self.code[self.at] == "." else -1
            self.at += 1
            # In a product a special unit is a difference: so many degrees.
            unit = _ONE.times(unit, 1).times(self.component(depth), power)
        return unit

    def taken(self, symbol: str) -> bool:
        if self.code.startswith(symbol, self.at):
            self.at += 1
            return True
        return False

    def component(self, depth: int) -> Unit:
        if self.taken("("):
            unit = self.term(depth + 1)
            if not self.taken(")"):
                raise _NotUcum
            return unit
        match = _TOKEN.match(self.code, self.at)
        if match is None or match["symbol"]:
            raise _NotUcum
        self.at = match.end()
        if match["annotation"]:
            return _ONE
        if match["factor"]:
            if not int(match["factor"]):
                raise _NotUcum
            return self.annotated(Unit(Fraction(int(match["factor"]))))
        return self.annotated(_power(match["unit"], match["exponent"]))

    def annotated(self, unit: Unit) -> Unit:
        match = _TOKEN.match(self.code, self.at)
        if match is not None and match["annotation"]:
            self.at = match.end()
        return unit


def _power(atom: str, exponent: str | None) -> Unit:
    unit = _unit(atom)
    if exponent is None:
        return unit
    power = int(exponent) if len(exponent) < 5 else 9999
    if abs(power) > (400 if atom.startswith("10") else _MAX_EXPONENT):
        raise _NotUcum
    return _ONE.times(unit, power)


def _unit(name: str) -> Unit:
    atoms = _atoms()
    if name in _BASE:
        return Unit(Fraction(1), ((name, 1),))
    if name in atoms:
        return _atom(name)
    for length in (1, 2):
        prefix, atom = name[:length], name[length:]
        if atom and (atom in _BASE or (atom in atoms and atoms[atom][0])):
            factor = _factor(prefix)
            if factor is not None:
                unit = _unit(atom)
                return Unit(unit.factor * factor, unit.powers, unit.special)
    raise _NotUcum


def _factor(prefix: str) -> Fraction | None:
    if prefix in _PREFIXES:
        return Fraction(10) ** _PREFIXES[prefix]
    return Fraction(_BINARY[prefix]) if prefix in _BINARY else None


@cache
def _atom(name: str) -> Unit:
    _, number, definition = _atoms()[name]
    if number == "= arbitrary":
        return Unit(Fraction(1), ((name, 1),))
    if number.startswith("= special"):
        return Unit(Fraction(1), ((definition, 1),), number.rpartition(" ")[2])
    parser = _Parser(definition)
    return Unit(Fraction(number)).times(parser.term(0), 1)


@cache
def _atoms() -> dict[str, tuple[bool, str, str]]:
    """Atom → (takes prefixes, number, unit)."""
    rows: dict[str, tuple[bool, str, str]] = {}
    for line in (folder("profiles") / "ucum" / "units.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("# "):
            code, metric, number, unit = line.split(" | ")
            rows[code] = (metric == "m", number, unit)
    return rows


def _in_base(value: Decimal, unit: Unit) -> Fraction:
    number = Fraction(value) * unit.factor
    return _SPECIAL[unit.special](number) if unit.special else number


def _named(powers: tuple[tuple[str, int], ...]) -> str:
    return ".".join(base if power == 1 else f"{base}{power}" for base, power in powers) or "1"


def _decimal(number: Fraction) -> Decimal:
    value = _DIGITS.divide(Decimal(number.numerator), Decimal(number.denominator))
    # Trailing zeros say nothing here and would make equal values look different.
    return value.normalize(_DIGITS) if value else Decimal(0)
