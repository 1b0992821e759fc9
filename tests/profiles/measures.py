"""The smallest valid health measures and their feed; synthetic people only."""

from __future__ import annotations

from typing import Any

from tests.profiles.resources import MES, concept, entry, nos

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
MDC = "urn:iso:std:iso:11073:10101"


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def measured(profile: str, code: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
    """An Observation of one value."""
    return {
        "resourceType": "Observation",
        "meta": {"profile": [MES + "mesures-" + profile]},
        "status": "final",
        "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")],
        "code": concept(LOINC, code),
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2024-01-10",
        "valueQuantity": quantity(value, unit),
        **more,
    }


def extended(name: str, value: str, of: Any) -> dict[str, Any]:
    return {"url": MES + "mesures-" + name, value: of}


WEIGHT = measured(
    "fr-observation-body-weight",
    "29463-7",
    70,
    "kg",
    extension=[extended("reason-for-measurement", "valueString", "Suivi")],
    method=concept(nos("TRE_R306-CLADIMED"), "K50BI02"),
)
HEIGHT = measured("fr-observation-bodyheight", "8302-2", 170, "cm")
BMI = measured("fr-observation-bmi", "39156-5", 24, "kg/m2")
TEMPERATURE = measured(
    "fr-observation-body-temperature", "8310-5", 37, "Cel", bodySite=concept(nos("TRE_R309-FMA"), "63864")
)
HEART = measured("fr-observation-heartrate", "8867-4", 60, "/min")
SATURATION = measured("fr-observation-oxygen-sat", "2708-6", 98, "%")
BREATHS = measured("fr-observation-resp-rate", "9279-1", 15, "/min")
PRESSURE: dict[str, Any] = {
    **measured("fr-observation-bp", "85354-9", 0, ""),
    "component": [
        {"code": concept(LOINC, code), "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ],
}
del PRESSURE["valueQuantity"]
GLUCOSE = measured(
    "observation-glucose",
    "2345-7",
    92,
    "mg/dL",
    extension=[
        extended("moment-of-measurement", "valueCodeableConcept", concept(LOINC, "16915-1")),
        extended("number-of-days", "valueCodeableConcept", concept(nos("TRE_R308-TAASIP"), "GEN-275")),
        extended("diabetis-type", "valueCodeableConcept", concept(nos("TRE_R310-CIM10"), "E10")),
    ],
)
HEAD = measured("observation-head-circumference", "9843-4", 40, "cm")
PAIN = measured("observation-pain-severity", "72514-3", 3, "{score}")
STEPS = measured("observation-steps-by-day", "41950-7", 8000, "1/(24.h)")
WAIST = measured("observation-waist-circumference", "8280-0", 80, "cm")
HBA1C = measured("observation-hb1ac", "4548-4", 6, "%")
CHOLESTEROL = measured(
    "observation-cholesterol-total", "2093-3", 5, "mmol/L", referenceRange=[{"high": quantity(5, "mmol/L")}]
)
HDL = measured("observation-cholesterol-hdl", "2085-9", 1, "mmol/L", referenceRange=[{"low": quantity(1, "mmol/L")}])
LDL = measured("observation-cholesterol-ldl", "2089-1", 3, "mmol/L", referenceRange=[{"high": quantity(3, "mmol/L")}])
TRIGLYCERIDES = measured("observation-cholesterol-trigly", "2571-8", 1, "mmol/L")
SCALE: dict[str, Any] = {
    "resourceType": "Device",
    "meta": {"profile": ["http://hl7.org/fhir/uv/phd/StructureDefinition/PhdDevice"]},
    "identifier": [
        {
            "type": concept("http://hl7.org/fhir/uv/phd/CodeSystem/ContinuaDeviceIdentifiers", "SYSID"),
            "system": "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680",
            "value": "FE-ED-AB-AA-DE-AD-77-C5",
        }
    ],
    "type": concept(MDC, "65573"),
    "specialization": [{"systemType": concept(MDC, "528457"), "version": "2.3"}],
}
FEED: dict[str, Any] = {
    "resourceType": "Bundle",
    "meta": {"profile": [MES + "mesures-bundle-flux-alimentation"]},
    "type": "transaction",
    "entry": [entry(WEIGHT), entry(SCALE)],
}
