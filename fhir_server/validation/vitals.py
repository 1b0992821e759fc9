"""The vital signs: which profile of R4 an Observation is meant to follow, by its LOINC code, claimed or not.

https://hl7.org/fhir/R4/observation-vitalsigns.html: "the table of codes", of which each SHALL follow its profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_server.fhir.definitions import SPECIFICATION

_LOINC, _UCUM = "http://loinc.org", "http://unitsofmeasure.org"
#: LOINC code → the profile's name, and the units of its value; those of parts of a panel are components of it.
_PROFILES: Mapping[str, tuple[str, frozenset[str]]] = {
    "85353-1": ("vitalspanel", frozenset()),
    "9279-1": ("resprate", frozenset({"/min"})),
    "8867-4": ("heartrate", frozenset({"/min"})),
    "2708-6": ("oxygensat", frozenset({"%"})),
    "8310-5": ("bodytemp", frozenset({"Cel", "[degF]"})),
    "8302-2": ("bodyheight", frozenset({"cm", "[in_i]"})),
    "9843-4": ("headcircum", frozenset({"cm", "[in_i]"})),
    "29463-7": ("bodyweight", frozenset({"g", "kg", "[lb_av]"})),
    "39156-5": ("bmi", frozenset({"kg/m2"})),
    "85354-9": ("bp", frozenset()),
}
#: Codes of one way or place of measuring a vital sign → the code that R4 asks for beside each, by which all are found.
_NARROWER: Mapping[str, str] = {
    **dict.fromkeys(("8328-7", "8329-5", "8330-3", "8331-1", "8332-9", "8333-7", "8334-5", "75539-7"), "8310-5"),
    **dict.fromkeys(("3137-7", "3138-5", "8301-4", "8306-3", "8307-1", "8308-9"), "8302-2"),
    **dict.fromkeys(("3141-9", "3142-7", "8335-2"), "29463-7"),
    **dict.fromkeys(("35094-2", "55284-4", "96607-7"), "85354-9"),
    "8287-5": "9843-4",
    "59408-5": "2708-6",
}
_MAGIC: Mapping[str, str] = {**dict(zip(_PROFILES, _PROFILES, strict=True)), **_NARROWER}
#: What the profiles leave as the type has it.
_ELSEWHERE = frozenset(
    "resourceType id meta text status category code subject effectiveDateTime valueQuantity issued performer note"
    " encounter identifier device interpretation referenceRange bodySite method".split()
)


def implied(observation: Mapping[str, Any]) -> Sequence[str]:
    """The canonicals of the profiles that the code of an Observation asks for, and that it is not seen to follow."""
    code = observation.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    asked: Sequence[str] = ()
    listed: list[Any] = codings if isinstance(codings, list) else []
    for one in listed:
        # Asked of every Observation: nothing is made for those that are none.
        if isinstance(one, dict) and one.get("system") == _LOINC:
            magic = _MAGIC.get(str(one.get("code")))
            if magic is not None and not _is_met(observation, str(one["code"]), magic, listed):
                asked = (*asked, SPECIFICATION + _PROFILES[magic][0])
    return asked


def _is_met(observation: Mapping[str, Any], code: str, magic: str, codings: Iterable[Any]) -> bool:
    """Whether an Observation with a code is seen to do what the profile of that vital sign asks."""
    if code == magic:
        return _is_seen_right(observation, _PROFILES[magic][1])
    # Then that other code is judged.
    return any(isinstance(one, dict) and one.get("system") == _LOINC and one.get("code") == magic for one in codings)


def _is_seen_right(observation: Mapping[str, Any], units: frozenset[str]) -> bool:
    """Whether it is one number of a unit at a day, as most are; the profile judges all others."""
    value, date = observation.get("valueQuantity"), observation.get("effectiveDateTime")
    return (
        isinstance(value, dict)
        and value.get("system") == _UCUM
        and isinstance(value.get("code"), str)
        and value["code"] in units
        and "value" in value
        and "unit" in value
        and isinstance(date, str)
        and len(date) >= 10
        and "subject" in observation
        and _ELSEWHERE.issuperset(observation)
        and _is_vital(observation.get("category"))
    )


def _is_vital(categories: Any) -> bool:
    """Whether there is one category, of one coding: that of the vital signs."""
    if not isinstance(categories, list) or len(categories) != 1 or not isinstance(categories[0], dict):
        return False
    codings = categories[0].get("coding")
    one = codings[0] if isinstance(codings, list) and len(codings) == 1 else None
    return isinstance(one, dict) and one.get("code") == "vital-signs" and one.get("system") == _CATEGORY


_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
