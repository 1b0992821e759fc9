"""CDA documents of invented people for tests, made of named pieces that a test leaves out or writes otherwise."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

from tests.examples import shared_data

INS = ("urn:oid:1.2.250.1.213.1.4.10", "269054958815780")
SERIES = "1.2.250.1.213.1.1.1.55.2026.7"

#: The pieces of a header, in the order of CDA R2 §4.2.
PIECES: Mapping[str, str] = {
    "type_id": '<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>',
    "templates": '<templateId root="1.2.250.1.213.1.1.1.1"/><templateId root="1.2.250.1.213.1.1.1.55"/>',
    "id": f'<id root="{SERIES}.1"/>',
    "code": '<code code="11502-2" displayName="CR d\'examens biologiques" codeSystem="2.16.840.1.113883.6.1"/>',
    "title": "<title>Compte rendu d'examens biologiques</title>",
    "time": '<effectiveTime value="20260104160527+0100"/>',
    "confidentiality": '<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>',
    "language": '<languageCode code="fr-FR"/>',
    "series": f'<setId root="{SERIES}"/>',
    "version": '<versionNumber value="1"/>',
    "record_target": (
        "<recordTarget><patientRole>"
        '<id root="1.2.3.4.567" extension="IPP-1"/>'
        '<id root="1.2.250.1.213.1.4.10" extension="269054958815780"/>'
        "<patient><name>"
        '<family qualifier="BR">DEMO</family><given>NATHALIE MARIE</given><given qualifier="BR">NATHALIE</given>'
        '<family qualifier="CL">EXEMPLE</family><given qualifier="CL">Nathalie</given></name>'
        '<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19690502"/>'
        "<birthplace><place><addr><county>63220</county></addr></place></birthplace>"
        "</patient></patientRole></recordTarget>"
    ),
    "author": (
        '<author><time value="20260104160527+0100"/><assignedAuthor>'
        '<id root="1.2.250.1.71.4.2.1" extension="899700218896"/>'
        '<code code="G15_10/SM03" displayName="Médecin - Biologie médicale (SM)" codeSystem="1.2.250.1.213.1.1.4.5"/>'
        "<assignedPerson><name><given>Anne</given><family>DUPONT</family></name></assignedPerson>"
        '<representedOrganization><id root="1.2.250.1.71.4.2.2" extension="1750000001"/><name>Laboratoire</name>'
        "</representedOrganization></assignedAuthor></author>"
    ),
    "custodian": (
        "<custodian><assignedCustodian><representedCustodianOrganization>"
        '<id root="1.2.250.1.71.4.2.2" extension="1750000001"/><name>Laboratoire</name>'
        "</representedCustodianOrganization></assignedCustodian></custodian>"
    ),
    "recipients": "",
    "authenticator": "",
    "orders": "",
    "act": (
        "<documentationOf><serviceEvent>"
        '<code code="18725-2" displayName="Microbiologie" codeSystem="2.16.840.1.113883.6.1"/>'
        '<effectiveTime><low value="20260104092200+0100"/></effectiveTime>'
        "<performer><assignedEntity><representedOrganization>"
        '<standardIndustryClassCode code="AMBULATOIRE" codeSystem="1.2.250.1.213.1.1.4.9"/>'
        "</representedOrganization></assignedEntity></performer></serviceEvent></documentationOf>"
    ),
    "related": "",
    "encounter": (
        "<componentOf><encompassingEncounter><location><healthCareFacility>"
        '<code code="SA25" codeSystem="1.2.250.1.71.4.2.4"/>'
        "</healthCareFacility></location></encompassingEncounter></componentOf>"
    ),
    "body": (
        "<component><structuredBody><component><section><title>Résultats</title><text>"
        "<paragraph>Glycémie à jeun.</paragraph></text></section></component></structuredBody></component>"
    ),
}


def cda(**pieces: str) -> bytes:
    """A document; each keyword writes one of its pieces otherwise."""
    assert pieces.keys() <= PIECES.keys()
    inside = "".join({**PIECES, **pieces}.values())
    return f'<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3">{inside}</ClinicalDocument>'.encode()


def with_text(text: str, around: str = "") -> bytes:
    """A document whose one section says `text` (the inside of its narrative block)."""
    section = f"<section><title>Texte</title><text>{text}</text>{around}</section>"
    return cda(body=f"<component><structuredBody><component>{section}</component></structuredBody></component>")


def replacing(root: str) -> str:
    """The piece that says which document is replaced."""
    return f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{root}"/></parentDocument></relatedDocument>'


def patient(**changes: Any) -> dict[str, Any]:
    """The person whom the documents are about, as she is known here."""
    return {
        "resourceType": "Patient",
        "identifier": [{"use": "official", "system": INS[0], "value": INS[1]}],
        "name": [{"use": "official", "family": "DEMO", "given": ["NATHALIE"]}],
        "gender": "female",
        "birthDate": "1969-05-02",
        **changes,
    }


def published() -> list[tuple[str, bytes]]:
    """Name and bytes of each of the documents that the ANS publishes; none where they are not on this machine."""
    folder = shared_data()
    files = sorted((folder / "cda").glob("*.gz")) if folder is not None else []
    return [(file.name.removesuffix(".gz"), gzip.decompress(file.read_bytes())) for file in files]
