"""Weight, height and head of a child, as Observations and certificates say them: each a value at an age, and by whom.

LOINC codes of lying and standing, weighed and stated, count as one measure; UCUM units are those of the references.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import begins
from fhir_server.space.childhood import growth
from fhir_server.space.profile.writing.measuring import ALIKE, UNITS
from fhir_server.space.record.clinical_writers import is_patients

LOINC = "http://loinc.org"
Words = tuple[str, str]
#: LOINC code of a measure → (words, unit), in the order in which they are shown.
GROWTH: Mapping[str, tuple[Words, str]] = {
    "29463-7": (("Poids", "Weight"), "kg"),
    "8302-2": (("Taille", "Height"), "cm"),
    "9843-4": (("Périmètre crânien", "Head circumference"), "cm"),
}
By = str


@dataclass(frozen=True, slots=True)
class Grown:
    """One value.

    Attributes:
        code: of `GROWTH`.
        day: when; where people read.
        days: age then.
        value: in the unit of `GROWTH`.
        percentile: 1 to 99; None where there is no reference.
        by: "patient", "professional" or "certificate".
    """

    code: str
    day: date
    days: int
    value: float
    percentile: int | None
    by: By


def observed(trees: Iterable[Mapping[str, Any]], born: date, sex: str | None, zone: ZoneInfo, base: str) -> list[Grown]:
    """What Observations say of a child's growth, those of before the birth and without a known unit left out."""
    found = []
    for tree in trees:
        codings = tree.get("code", {}).get("coding", ())
        code = next((ALIKE[one["code"]] for one in codings if ALIKE.get(one.get("code")) in GROWTH), None)
        said = tree.get("effectiveDateTime") or tree.get("effectivePeriod", {}).get("start") or ""
        at = begins(said, zone) if len(str(said)) >= len("2026-01-01") else None
        quantity = tree.get("valueQuantity") or {}
        if code is None or at is None or "value" not in quantity:
            continue
        by = "patient" if is_patients(dict(tree), base) else "professional"
        unit = str(quantity.get("code") or quantity.get("unit") or "")
        one = grown(code, at.date(), float(quantity["value"]), unit, born, sex, by)
        found += [one] if one is not None else []
    return found


def grown(code: str, day: date, value: float, unit: str, born: date, sex: str | None, by: By) -> Grown | None:
    """A value of a measure of `ALIKE`; None where its unit is no unit of that, or it is of before the birth."""
    code = ALIKE[code]
    share, days = UNITS[GROWTH[code][1]].get(unit), (day - born).days
    if share is None or days < 0:
        return None
    own = round(value * float(share), 3)
    # R4 bounds no decimal: what no number of this machine holds is no measure.
    if not math.isfinite(own):
        return None
    return Grown(code, day, days, own, growth.percentile(code, sex, days, own), by)
