"""Codes of CDA documents as FHIR has them: OID → system, composite professions.

https://mos.esante.gouv.fr/NOS/ (OIDs of the national nomenclatures), https://hl7.org/fhir/R4/terminologies-systems.html,
CI-SIS "Lien entre l'en-tête CDA et les métadonnées XDS". What is not in a table keeps its OID as `urn:oid:`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fhir_server.fhir.nos import (
    CLASS,
    DOCUMENT_TYPES,
    FACILITY,
    IHE_FORMAT,
    NON_PROFESSIONAL,
    PRACTICE,
    PROFESSION,
    SPECIALTY,
    nos,
)
from fhir_server.space.record.cda.tree import Node

URI = "urn:ietf:rfc:3986"
LOINC = "http://loinc.org"
NATIONAL_FORMATS = nos("TRE_A06-FormatCodeComplementaire")

#: OID of a code system → its canonical.
SYSTEMS: Mapping[str, str] = {
    "2.16.840.1.113883.6.1": LOINC,
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.8": "http://unitsofmeasure.org",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "2.16.840.1.113883.5.25": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "2.16.840.1.113883.5.4": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "2.16.840.1.113883.5.88": "http://terminology.hl7.org/CodeSystem/v3-ParticipationFunction",
    "1.2.250.1.213.1.1.4.1": CLASS,
    "1.2.250.1.213.1.1.4.6": NON_PROFESSIONAL,
    "1.2.250.1.213.1.1.4.9": PRACTICE,
    "1.2.250.1.213.1.1.4.12": DOCUMENT_TYPES,
    "1.2.250.1.71.4.2.4": FACILITY,
    "1.2.250.1.213.1.1.4.2.282": NATIONAL_FORMATS,
    "1.3.6.1.4.1.19376.1.2.3": IHE_FORMAT,
    "1.2.250.1.213.2.2": nos("TRE_R209-TypeActivite"),
}

#: Systems from which each code of the metadata comes (PDSm: the invariants of its comprehensive DocumentReference).
TYPES = frozenset({LOINC, DOCUMENT_TYPES, nos("TRE_A12-NomenclatureASTM")})
SECTORS = frozenset({FACILITY, NON_PROFESSIONAL})
SETTINGS = frozenset({PRACTICE, NON_PROFESSIONAL})

#: Of a profession with its speciality ("G15_10/SM26"): the nomenclature in front of the code → its canonical.
_PROFESSIONS: Mapping[str, str] = {
    "G15": PROFESSION,
    "R94": nos("TRE_R94-ProfessionSocial"),
    "R95": nos("TRE_R95-UsagerTitre"),
    "R291": nos("TRE_R291-AutreProfession"),
}
_ORDINAL = re.compile(r"[A-Z]{1,4}\d{1,3}", re.ASCII)
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def urn(root: str) -> str:
    """An OID or UUID as the URI that FHIR writes for it.

    Raises:
        ValueError: it is neither.
    """
    if _UUID.fullmatch(root):
        return f"urn:uuid:{root.lower()}"
    if _OID.fullmatch(root) and len(root) <= 255:
        return f"urn:oid:{root}"
    raise ValueError("neither an OID nor a UUID")


def coding(code: Node) -> dict[str, Any] | None:
    """The Coding of a CD or CE; None when it has no code, or says no system that FHIR could name."""
    try:
        system = SYSTEMS.get(oid := code.get("codeSystem")) or urn(oid)
    except ValueError:
        return None
    if not code.get("code") or code.get("nullFlavor"):
        return None
    found = {"system": system, "code": " ".join(code.get("code").split())}
    display = " ".join(code.get("displayName").split())
    return {**found, "display": display} if display else found


def concept(code: Node) -> dict[str, Any] | None:
    """The CodeableConcept of a CD or CE with its translations; None when it has no code.

    A translation that is qualified says something beside the code (a modality, a site), and is left out.
    """
    whole = [code, *(one for one in code.all("translation") if one.first("qualifier") is None)]
    found = [one for one in map(coding, whole) if one is not None]
    return {"coding": found} if found else None


def profession(code: Node | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Profession and speciality, as `PractitionerRole.code` and `specialty`, of "G15_10/SM26"; each may be empty."""
    text = "" if code is None else code.get("code")
    front, _, speciality = text.partition("/")
    nomenclature, _, number = front.partition("_")
    if code is None or not text:
        return [], []
    if nomenclature not in _PROFESSIONS or not number:
        other = concept(code)
        return [other] if other else [], []
    words = " ".join(code.get("displayName").split())
    role: dict[str, Any] = {"coding": [{"system": _PROFESSIONS[nomenclature], "code": number}]}
    special: dict[str, Any] = {"text": speciality}
    if _ORDINAL.fullmatch(speciality):
        special = {"coding": [{"system": SPECIALTY, "code": speciality}]}
    return [{**role, "text": words} if words else role], [special] if speciality else []
