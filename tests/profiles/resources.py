"""The smallest valid resources of the national profiles and of ours; synthetic people only."""

from __future__ import annotations

import copy
from typing import Any

FR = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
CDS = "https://interop.esante.gouv.fr/ig/fhir/cds/StructureDefinition/"
MES = "https://interop.esante.gouv.fr/ig/fhir/mesures/StructureDefinition/"
MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
ENS = "https://fhir-server.example/StructureDefinition/"
NOS = "https://mos.esante.gouv.fr/NOS/"
CORE = "https://hl7.fr/ig/fhir/core/CodeSystem/"
DEMO = "urn:oid:1.2.250.1.213.1.4.11"


def nos(name: str) -> str:
    return f"{NOS}{name}/FHIR/{name.replace('_', '-')}"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def changed(tree: dict[str, Any], path: str, value: Any = None) -> dict[str, Any]:
    """A copy with the value at `a.0.b` set, or taken away when `value` is None."""
    found = copy.deepcopy(tree)
    *way, last = [int(s) if s.isdigit() else s for s in path.split(".")]
    node: Any = found
    for step in way:
        node = node[step]
    if value is not None and isinstance(node, list) and last == len(node):
        node.append(value)
    elif value is None:
        del node[last]
    else:
        node[last] = value
    return found


DOCUMENT: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "meta": {"profile": [PDSM + "pdsm-comprehensive-document-reference"]},
    "contained": [
        {
            "resourceType": "Practitioner",
            "id": "a1",
            "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700218896"}],
            "name": [{"family": "DUPONT", "given": ["Anne"]}],
        },
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [{"use": "official", "system": DEMO, "value": "269054958815780"}],
            "name": [{"use": "official", "family": "DEMO", "given": ["Nathalie"]}],
            "gender": "female",
            "birthDate": "1969-05-02",
        },
        {
            "resourceType": "Organization",
            "id": "o1",
            "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000001"}],
            "name": "Laboratoire Exemple",
        },
    ],
    "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:5c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"},
    "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:uuid:6a0f6e0d-7b0e-4f9b-8e3c-2f7b9e1d0c22"}],
    "status": "current",
    "type": concept("http://loinc.org", "11502-2"),
    "category": [concept(nos("TRE_A03-ClasseDocument"), "10")],
    "subject": {"reference": "Patient/1"},
    "date": "2024-01-10T10:00:00+01:00",
    "author": [{"reference": "#a1"}],
    "custodian": {"reference": "#o1"},
    "securityLabel": [concept(nos("TRE_A08-HL7Confidentiality"), "N")],
    "content": [
        {
            "attachment": {
                "contentType": "application/pdf",
                "language": "fr-FR",
                "url": "urn:uuid:0b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33",
                "size": 3,
                "hash": "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=",
                "title": "Biologie du 10/01/2024",
                "creation": "2024-01-10T09:30:00+01:00",
            },
            "format": {"system": nos("TRE_A11-IheFormatCode"), "code": "urn:ihe:iti:xds-sd:pdf:2008"},
        }
    ],
    "context": {
        "period": {"start": "2024-01-10T08:00:00+01:00"},
        "facilityType": concept(nos("TRE_R02-SecteurActivite"), "SA25"),
        "practiceSetting": concept(nos("TRE_A01-CadreExercice"), "AMBULATOIRE"),
        "sourcePatientInfo": {"reference": "#p1"},
    },
}

SIMPLE: dict[str, Any] = {
    "resourceType": "DocumentReference",
    "meta": {"profile": [PDSM + "pdsm-simplified-publish"]},
    "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:8c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"},
    "status": "current",
    "subject": {"identifier": {"system": DEMO, "value": "269054958815780"}},
    "date": "2024-01-10T10:00:00+01:00",
    "author": [{"reference": "Organization/1"}],
    "custodian": {"reference": "Organization/1"},
    "content": [{"attachment": {"contentType": "application/pdf", "data": "YWJj", "title": "Biologie"}}],
}


def reliability(status: str, comment: str = "") -> dict[str, Any]:
    parts = [{"url": "identityStatus", "valueCoding": {"system": CORE + "fr-core-cs-v2-0445", "code": status}}]
    if comment:
        parts.append({"url": "comment", "valueCoding": {"code": comment}})
    return {"url": FR + "fr-core-identity-reliability", "extension": parts}


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "meta": {"profile": [FR + "fr-core-patient-ins"]},
    "extension": [
        reliability("VALI"),
        {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueAddress": {"city": "PARIS"}},
    ],
    "identifier": [
        {
            "use": "official",
            "type": concept(CORE + "fr-core-cs-v2-0203", "INS-NIR-DEMO"),
            "system": DEMO,
            "value": "269054958815780",
        }
    ],
    "name": [
        {
            "extension": [{"url": FR + "fr-core-patient-birth-list-given-name", "valueString": "Nathalie Zoé"}],
            "use": "official",
            "family": "DEMO",
            "given": ["Nathalie"],
        }
    ],
    "gender": "female",
    "birthDate": "1969-05-02",
}

LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
SUBMISSION: dict[str, Any] = {
    "resourceType": "List",
    "meta": {"profile": [PDSM + "pdsm-submissionset-comprehensive"]},
    "contained": [{"resourceType": "PractitionerRole", "id": "r1"}],
    "extension": [
        {"url": MHD + "ihe-designationType", "valueCodeableConcept": concept(nos("TRE_R209-TypeActivite"), "07")},
        {"url": MHD + "ihe-sourceId", "valueIdentifier": {"system": "urn:oid:1.2.250.1.213.1.1.1", "value": "S1"}},
    ],
    "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.213.1.1.1.99.1"}],
    "status": "current",
    "mode": "working",
    "code": concept(LIST_TYPES, "submissionset"),
    "subject": {"reference": "Patient/1"},
    "date": "2024-01-10T10:00:00+01:00",
    "source": {"reference": "#r1"},
    "entry": [{"item": {"reference": "DocumentReference/9c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"}}],
}
FOLDER: dict[str, Any] = {
    "resourceType": "List",
    "meta": {"profile": [PDSM + "pdsm-folder-comprehensive"]},
    "extension": [SUBMISSION["extension"][0]],
    "status": "current",
    "mode": "working",
    "title": "Suivi",
    "code": concept(LIST_TYPES, "folder"),
    "subject": {"reference": "Patient/1"},
    "date": "2024-01-10T10:00:00+01:00",
    "entry": [{"item": {"reference": "DocumentReference/1"}}],
}


def entry(resource: dict[str, Any], method: str = "POST", url: str = "") -> dict[str, Any]:
    return {"resource": resource, "request": {"method": method, "url": url or resource["resourceType"]}}


LOT: dict[str, Any] = {
    "resourceType": "Bundle",
    "meta": {"profile": [PDSM + "pdsm-comprehensive-provide-document-bundle"]},
    "type": "transaction",
    "entry": [
        entry({**SUBMISSION, "entry": [{"item": {"reference": "urn:uuid:9c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"}}]}),
        {**entry(DOCUMENT), "fullUrl": "urn:uuid:9c2f0c5e-8f6c-4f0a-9d0f-6f0c2b6a1e11"},
        {
            **entry({"resourceType": "Binary", "contentType": "application/pdf", "data": "YWJj"}),
            "fullUrl": "urn:uuid:0b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33",
        },
    ],
}

MESSAGE: dict[str, Any] = {
    "resourceType": "Communication",
    "meta": {"profile": [ENS + "ens-message"]},
    "extension": [{"url": ENS + "ens-conversation-closed", "valueBoolean": True}],
    "status": "completed",
    "category": [concept("https://fhir-server.example/CodeSystem/ens-communication-category", "message")],
    "subject": {"reference": "Patient/1"},
    "topic": {"text": "Vos résultats"},
    "sent": "2024-01-10T10:00:00+01:00",
    "sender": {"reference": "Practitioner/1"},
    "recipient": [{"reference": "Patient/1"}],
    "payload": [{"contentString": "Bonjour"}],
}
PURPOSE = {
    "url": ENS + "ens-app-purpose",
    "extension": [
        {"url": "code", "valueCode": "suivi"},
        {"url": "action", "valueCode": "read"},
        {"url": "scope", "valueString": "patient/Observation.rs"},
    ],
}
APP: dict[str, Any] = {
    "resourceType": "Device",
    "meta": {"profile": [ENS + "ens-app"]},
    "extension": [{"url": ENS + "ens-app-status", "valueCode": "EN_LIGNE"}, PURPOSE],
    "identifier": [{"value": "app-1"}],
    "status": "active",
    "deviceName": [{"name": "Mon suivi", "type": "user-friendly-name"}],
    "type": concept("https://fhir-server.example/CodeSystem/ens-app", "application"),
    "version": [{"value": "1.0"}],
    "owner": {"reference": "Organization/1"},
}
APP_VERSION: dict[str, Any] = {
    "resourceType": "DeviceDefinition",
    "meta": {"profile": [ENS + "ens-app-version"]},
    "extension": [PURPOSE],
    "identifier": [{"value": "app-1"}],
    "deviceName": [{"name": "Mon suivi", "type": "user-friendly-name"}],
    "version": ["1.0"],
    "owner": {"reference": "Organization/1"},
}


def consent(kind: str, **members: Any) -> dict[str, Any]:
    name = "purpose" if kind == "purpose" else kind
    return {
        "resourceType": "Consent",
        "meta": {"profile": [ENS + "ens-consent-" + name]},
        "status": "active",
        "scope": concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [concept("https://fhir-server.example/CodeSystem/ens-consent-kind", kind)],
        "patient": {"reference": "Patient/1"},
        "dateTime": "2024-01-10",
        "performer": [{"reference": "Patient/1"}],
        "policyRule": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        **members,
    }


CONSENT = consent(
    "purpose",
    provision={
        "type": "permit",
        "period": {"start": "2024-01-10"},
        "actor": [
            {
                "role": concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "CST"),
                "reference": {"reference": "Device/1"},
            }
        ],
        "code": [{"text": "suivi"}],
    },
)
OPPOSITION = consent("opposition", provision={"type": "deny"})
CLOSURE = consent("closure", provision={"type": "deny", "period": {"start": "2024-01-10"}})

TEAM: dict[str, Any] = {
    "resourceType": "CareTeam",
    "meta": {"profile": [CDS + "cds-ihe-careteam"]},
    "identifier": [{"value": "team-1"}],
    "status": "active",
    "name": "Équipe",
    "subject": {"reference": "Patient/1"},
    "period": {"start": "2024-01-10"},
    "participant": [{"member": {"reference": "PractitionerRole/1"}, "period": {"start": "2024-01-10"}}],
}
PRACTITIONER: dict[str, Any] = {
    "resourceType": "Practitioner",
    "meta": {"profile": [FR + "fr-core-practitioner"]},
    "identifier": [{"system": "https://rpps.esante.gouv.fr", "value": "99700218896"}],
}
ORGANIZATION: dict[str, Any] = {
    "resourceType": "Organization",
    "meta": {"profile": [FR + "fr-core-organization"]},
    "identifier": [
        {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000001"},
        {"system": "https://finess.esante.gouv.fr", "value": "750000001"},
        {"system": "https://sirene.fr", "value": "123456789"},
    ],
}
ROLE: dict[str, Any] = {
    "resourceType": "PractitionerRole",
    "meta": {"profile": [FR + "fr-core-practitioner-role"]},
    "practitioner": {"reference": "Practitioner/1"},
    "organization": {"reference": "Organization/1"},
}
PROCHE: dict[str, Any] = {
    "resourceType": "RelatedPerson",
    "meta": {"profile": [FR + "fr-core-related-person"]},
    "identifier": [{"value": "1"}],
    "patient": {"reference": "Patient/1"},
}
SCHEDULE: dict[str, Any] = {
    "resourceType": "Schedule",
    "meta": {"profile": ["https://interop.esante.gouv.fr/ig/fhir/gap/StructureDefinition/gap-fr-schedule"]},
    "extension": [
        {
            "url": FR + "fr-core-schedule-availability-time",
            "extension": [
                {"url": "identifier", "valueIdentifier": {"value": "1"}},
                {"url": "type", "valueCoding": {"code": "free"}},
                {"url": "rrule", "valueString": "FREQ=WEEKLY"},
            ],
        }
    ],
    "actor": [{"reference": "PractitionerRole/1"}],
}
SLOT: dict[str, Any] = {
    "resourceType": "Slot",
    "meta": {"profile": [FR + "fr-core-slot"]},
    "schedule": {"reference": "Schedule/1"},
    "status": "free",
    "start": "2024-01-10T10:00:00+01:00",
    "end": "2024-01-10T10:30:00+01:00",
}
APPOINTMENT: dict[str, Any] = {
    "resourceType": "Appointment",
    "meta": {"profile": [FR + "fr-core-appointment"]},
    "status": "booked",
    "specialty": [concept(nos("TRE_R38-SpecialiteOrdinale"), "SM54")],
    "start": "2024-01-10T10:00:00+01:00",
    "end": "2024-01-10T10:30:00+01:00",
    "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}],
}
