"""Measures that people take of themselves or of their child: within which bounds they can be true, and as R4 has them.

https://hl7.org/fhir/R4/observation-vitalsigns.html: LOINC codes, UCUM units, the category and the profile of each. What
is beyond the bounds is a slip of the pen (a weight in grams, a height in metres), never a body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.space.record.pages.measured import LOINC, MEASURES

_VITAL = "http://hl7.org/fhir/StructureDefinition/"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
Tree = dict[str, Any]
Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which values, in one unit of UCUM, shown as `unit`, a measure can be true."""

    low: Decimal
    high: Decimal
    code: str
    unit: str

    def has(self, value: Decimal) -> bool:
        """Whether a value in its unit is possible."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Vital:
    """A vital sign: R4's profile of it, and the bounds of each of its parts, those of `MEASURES`; one without parts."""

    profile: str
    bounds: tuple[Bounds, ...]


def _of(profile: str, low: str, high: str, code: str, unit: str = "") -> Vital:
    return Vital(_VITAL + profile, (Bounds(Decimal(low), Decimal(high), code, unit or code),))


_PRESSURE = (
    Bounds(Decimal(40), Decimal(320), "mm[Hg]", "mmHg"),
    Bounds(Decimal(15), Decimal(220), "mm[Hg]", "mmHg"),
)
#: LOINC code → its row, in the order in which they are offered.
VITALS: Mapping[str, Vital] = {
    "29463-7": _of("bodyweight", "0.3", "500", "kg"),
    "8302-2": _of("bodyheight", "20", "260", "cm"),
    "9843-4": _of("headcircum", "15", "80", "cm"),
    "85354-9": Vital(f"{_VITAL}bp", _PRESSURE),
    "8867-4": _of("heartrate", "20", "300", "/min", "battements/min"),
    "8310-5": _of("bodytemp", "25", "45", "Cel", "°C"),
    "59408-5": _of("vitalsigns", "40", "100", "%"),
}
#: LOINC codes by which a measure is known, lying or standing, weighed or stated → the code of its row.
ALIKE: Mapping[str, str] = {
    **{code: code for code in VITALS},
    "3141-9": "29463-7", "3142-7": "29463-7", "8339-4": "29463-7",
    "3137-7": "8302-2", "3138-5": "8302-2", "8306-3": "8302-2", "8301-4": "8302-2", "89269-5": "8302-2",
    "8287-5": "9843-4", "8289-1": "9843-4",
    "2708-6": "59408-5",
}  # fmt: skip
#: Unit of a row, by UCUM → each unit in which it may be said, by how many of the row's own it is.
UNITS: Mapping[str, Mapping[str, Decimal]] = {
    "kg": {"kg": Decimal(1), "g": Decimal("0.001"), "[lb_av]": Decimal("0.45359237")},
    "cm": {"cm": Decimal(1), "m": Decimal(100), "mm": Decimal("0.1"), "[in_i]": Decimal("2.54")},
    "mm[Hg]": {"mm[Hg]": Decimal(1)},
    "/min": {"/min": Decimal(1)},
    "Cel": {"Cel": Decimal(1)},
    "%": {"%": Decimal(1)},
}


def wrong(code: str, values: tuple[Decimal | None, ...]) -> bool:
    """Whether a value of a measure, one for each of its parts, is not possible, or is not there."""
    bounds = VITALS[code].bounds
    pairs = zip(bounds, values[: len(bounds)], strict=True)
    if any(value is None or not one.has(value) for one, value in pairs):
        return True
    # A systolic pressure is the higher of the two.
    return len(bounds) == 2 and values[0] <= values[1]  # type: ignore[operator]


def observed(code: str, values: tuple[Decimal, ...], at: str) -> Tree:
    """The elements of an Observation: what was measured, when (R4 dateTime), with which result."""
    row, measure = VITALS[code], MEASURES[code]
    made: Tree = {
        "meta": {"profile": [row.profile]},
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}],
        "code": _coded(code, measure.words[0]),
        "effectiveDateTime": at,
    }
    quantities = [_quantity(bounds, value) for bounds, value in zip(row.bounds, values, strict=False)]
    if not measure.parts:
        return {**made, "valueQuantity": quantities[0]}
    parts = zip(measure.parts, quantities, strict=True)
    return {
        **made,
        "component": [{"code": _coded(part, words[0]), "valueQuantity": one} for (part, words), one in parts],
    }


def _quantity(bounds: Bounds, value: Decimal) -> Tree:
    return {"value": value, "unit": bounds.unit, "system": UCUM, "code": bounds.code}


def _coded(code: str, text: str) -> Tree:
    return {"coding": [{"system": LOINC, "code": code}], "text": text}
