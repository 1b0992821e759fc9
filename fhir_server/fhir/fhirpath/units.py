"""The unit of a product or quotient of quantities, as UCUM writes it: `cm` times `cm` is `cm2`.

https://ucum.org/ucum#section-Grammar-of-Units-and-Unit-Terms, http://hl7.org/fhirpath/N1/#multiplication
"""

from __future__ import annotations

import re
from functools import lru_cache

#: A factor of a term: an atom (with its prefix) and its exponent. Numbers, annotations and parentheses are not read.
_FACTOR = re.compile(
    r"(?P<sign>^/|[./]|^)(?P<atom>10[*^]|(?:[A-Za-z%'\"_]|\[[!-Z^-~\\]+\])+)(?P<exponent>[+-]?\d{1,2})?"
)


@lru_cache(maxsize=1024)
def product(left: str, right: str, power: int) -> str:
    """The UCUM code of the unit `left` times `right` to the `power` of 1 or -1; `1` where they cancel out."""
    first, second = _factors(left), _factors(right)
    if first is None or second is None:
        return f"({left}){'.' if power > 0 else '/'}({right})"
    exponents = dict(first)
    for atom, exponent in second.items():
        exponents[atom] = exponents.get(atom, 0) + exponent * power
    above = [_written(atom, exponent) for atom, exponent in exponents.items() if exponent > 0]
    below = [_written(atom, -exponent) for atom, exponent in exponents.items() if exponent < 0]
    if not above and not below:
        return "1"
    return ".".join(above) + "".join(f"/{factor}" for factor in below)


def _factors(code: str) -> dict[str, int] | None:
    """Atom → exponent, None where the code is more than a product of atoms."""
    found: dict[str, int] = {}
    at = 0
    while at < len(code):
        match = _FACTOR.match(code, at)
        if code == "1" or match is None or (at and not match["sign"]):
            return {} if code == "1" else None
        exponent = int(match["exponent"] or 1) * (-1 if match["sign"] == "/" else 1)
        found[match["atom"]] = found.get(match["atom"], 0) + exponent
        at = match.end()
    return found


def _written(atom: str, exponent: int) -> str:
    return atom if exponent == 1 else f"{atom}{exponent}"
