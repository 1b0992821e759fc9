"""Systems, profiles and small builders the population's resources share."""

from __future__ import annotations

from typing import Any

FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition"
IDENTIFIER_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
MHD = "https://profiles.ihe.net/ITI/MHD"
#: Canonical base of the definitions this project had to make, for want of a national one.
OWN = "https://fhir-server.example"

INS_DEMO = "urn:oid:1.2.250.1.213.1.4.11"
ID_NAT_PS = "urn:oid:1.2.250.1.71.4.2.1"
ID_NAT_ST = "urn:oid:1.2.250.1.71.4.2.2"
RPPS = "https://rpps.esante.gouv.fr"
FINESS = "https://finess.esante.gouv.fr"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
URI = "urn:ietf:rfc:3986"


def coding(system: str, code: str, display: str) -> dict[str, Any]:
    """A Coding with its words; no version."""
    return {"system": system, "code": code, "display": display}


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def reference(type: str, id: str) -> dict[str, Any]:
    """A literal reference, relative to the server's base."""
    return {"reference": f"{type}/{id}"}


def typed_identifier(kind: str, system: str, value: str) -> dict[str, Any]:
    """An official identifier whose type is a French one (INS-NIR-DEMO, RPPS, FINEG…)."""
    return {
        "use": "official",
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": kind}]},
        "system": system,
        "value": value,
    }
