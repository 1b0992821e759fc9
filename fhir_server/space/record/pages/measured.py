"""What people measure of themselves, as the national guide "mesures" has it, and what an Observation says of it.

https://interop.esante.gouv.fr/ig/fhir/mesures: one Observation a measure, LOINC codes, UCUM units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import begins
from fhir_server.fhir.nos import nos

LOINC = "http://loinc.org"
#: The same codes, as the guide of measures also names their system.
_SYSTEMS = (LOINC, nos("TRE_A04-Loinc"))
Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Measure:
    """A kind of measure: what it is called, and the parts that it is made of: (LOINC code, words); () for one value."""

    words: Words
    parts: tuple[tuple[str, Words], ...] = ()


def _row(fr: str, en: str, *parts: tuple[str, Words]) -> Measure:
    return Measure((fr, en), parts)


#: LOINC code → its row, in the order in which they are shown.
MEASURES: Mapping[str, Measure] = {
    "85354-9": _row(
        "Pression artérielle",
        "Blood pressure",
        ("8480-6", ("Systolique", "Systolic")),
        ("8462-4", ("Diastolique", "Diastolic")),
    ),
    "8867-4": _row("Fréquence cardiaque", "Heart rate"),
    "29463-7": _row("Poids", "Weight"),
    "8302-2": _row("Taille", "Height"),
    "39156-5": _row("Indice de masse corporelle", "Body mass index"),
    "8280-0": _row("Tour de taille", "Waist circumference"),
    "9843-4": _row("Périmètre crânien", "Head circumference"),
    "15074-8": _row("Glycémie", "Blood glucose"),
    "2345-7": _row("Glycémie (sérum)", "Glucose (serum)"),
    "2093-3": _row("Cholestérol total", "Total cholesterol"),
    "2085-9": _row("Cholestérol HDL", "HDL cholesterol"),
    "2089-1": _row("Cholestérol LDL", "LDL cholesterol"),
    "2571-8": _row("Triglycérides", "Triglycerides"),
    "4548-4": _row("Hémoglobine glyquée (HbA1c)", "Glycated haemoglobin (HbA1c)"),
    "8310-5": _row("Température", "Temperature"),
    "59408-5": _row("Saturation en oxygène", "Oxygen saturation"),
    "2708-6": _row("Saturation en oxygène (artérielle)", "Oxygen saturation (arterial)"),
    "9279-1": _row("Fréquence respiratoire", "Respiratory rate"),
    "41950-7": _row("Pas par jour", "Steps in a day"),
    "93832-4": _row("Durée du sommeil", "Sleep duration"),
    "72514-3": _row("Douleur", "Pain"),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """One measure as it was taken.

    Attributes:
        code: of `MEASURES`.
        at: when, in the zone in which people read; aware.
        day_only: whether only the day is known.
        values: (value, unit) of each part, same order as its parts; None for a part that is not there.
    """

    code: str
    at: datetime
    day_only: bool
    values: Sequence[tuple[float, str] | None]


def taken(tree: Mapping[str, Any], zone: ZoneInfo) -> Taken | None:
    """What an Observation says; None where it is none of these measures, or says no value or time.

    `zone` is that in which people read.
    """
    codings = tree.get("code", {}).get("coding", ())
    code = next((one["code"] for one in codings if one.get("system") in _SYSTEMS and one.get("code") in MEASURES), None)
    said = str(tree.get("effectiveDateTime") or tree.get("effectivePeriod", {}).get("start") or "")
    at = begins(said, zone) if len(said) >= len("2026-01-01") else None
    if code is None or at is None:
        return None
    values = [_quantity(one) for one in _places(tree, code)]
    if not any(values):
        return None
    return Taken(code, at, "T" not in said, values)


def _places(tree: Mapping[str, Any], code: str) -> list[Mapping[str, Any]]:
    parts = MEASURES[code].parts
    if not parts:
        return [tree]
    found = {
        coding.get("code"): one
        for one in tree.get("component", ())
        for coding in one.get("code", {}).get("coding", ())
        if coding.get("system") in _SYSTEMS
    }
    return [found.get(part, {}) for part, _ in parts]


def _quantity(place: Mapping[str, Any]) -> tuple[float, str] | None:
    quantity = place.get("valueQuantity", {})
    value = quantity.get("value", place.get("valueInteger"))
    return None if value is None else (float(value), str(quantity.get("unit") or quantity.get("code") or ""))
