"""References of growth: which values are usual at which age, by sex. WHO's L, M and S (`profiles/ens/growth`).

The LMS method (Cole and Green, Statistics in Medicine 1992;11:1305): a value y has the z-score ((y/M)^L - 1) / (L·S),
or ln(y/M)/S where L is 0. Between two ages of the table the three are taken in proportion.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from statistics import NormalDist

import msgspec

from fhir_server.fhir.definitions import folder

#: Percentiles whose curves are drawn.
DRAWN = (3, 15, 50, 85, 97)
#: z-scores beyond which WHO takes a value for a mistake: LOINC code → lowest, highest.
FLAGS: Mapping[str, tuple[float, float]] = {"29463-7": (-6, 5), "8302-2": (-6, 6), "9843-4": (-5, 5)}
_NORMAL = NormalDist()


class References(msgspec.Struct, frozen=True, rename="camel"):
    """A file of references: since when it holds, where it is from, and rows (days of age, L, M, S) by code and sex."""

    valid_from: date
    read: date
    source: str
    address: str
    measures: Mapping[str, Mapping[str, tuple[tuple[int, float, float, float], ...]]]


@cache
def references() -> References:
    """WHO's, as they are kept here."""
    return msgspec.json.decode((folder("profiles") / "ens" / "growth" / "who.json").read_bytes(), type=References)


def lms(code: str, sex: str | None, days: int) -> tuple[float, float, float] | None:
    """L, M and S of a measure (LOINC) at an age; None of a sex or an age of which there are none."""
    rows = _rows(code, sex)
    if not rows or not rows[0][0] <= days <= rows[-1][0]:
        return None
    after = bisect_right(rows, days, key=lambda row: row[0])
    low, high = rows[after - 1], rows[min(after, len(rows) - 1)]
    share = 0.0 if high[0] == low[0] else (days - low[0]) / (high[0] - low[0])
    return tuple(low[n] + share * (high[n] - low[n]) for n in (1, 2, 3))  # type: ignore[return-value]


def score(code: str, sex: str | None, days: int, value: float) -> float | None:
    """How far a value is from the usual one at an age, in standard deviations; None where that is not known."""
    found = lms(code, sex, days)
    if found is None or value <= 0:
        return None
    power, median, spread = found
    return math.log(value / median) / spread if power == 0 else ((value / median) ** power - 1) / (power * spread)


def percentile(code: str, sex: str | None, days: int, value: float) -> int | None:
    """How many of a hundred children of the age and sex have less: 1 to 99; None where that is not known."""
    found = score(code, sex, days, value)
    return None if found is None else min(99, max(1, round(100 * _NORMAL.cdf(found))))


def is_plausible(code: str, sex: str | None, days: int, value: float) -> bool:
    """Whether a value is no mistake by WHO's flags; of what is not known at this age everything is."""
    found = score(code, sex, days, value)
    low, high = FLAGS.get(code, (-math.inf, math.inf))
    return found is None or low <= found <= high


def curves(code: str, sex: str | None, until: int) -> list[Sequence[tuple[int, float]]]:
    """The curve of each of `DRAWN`, same order, as (days of age, value), up to an age; [] where there are none."""
    kept = [row for row in _rows(code, sex) if row[0] <= until]
    if len(kept) < 2:
        return []
    return [[(row[0], _at(row, _NORMAL.inv_cdf(one / 100))) for row in kept] for one in DRAWN]


def _rows(code: str, sex: str | None) -> Sequence[tuple[int, float, float, float]]:
    return references().measures.get(code, {}).get(sex or "", ())


def _at(row: tuple[int, float, float, float], z: float) -> float:
    _, power, median, spread = row
    return median * math.exp(spread * z) if power == 0 else median * (1 + power * spread * z) ** (1 / power)
