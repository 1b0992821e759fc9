"""Slots of the shape that the guide SAS gives them: of professionals, of a community of practices, of an association."""

from __future__ import annotations

from typing import Any

from fhir_server.space.agenda.labels import SYSTEM
from tests.space.agenda.world import a_schedule, a_slot
from tests.space.record.callers import Tree

SAS = "http://sas.fr/fhir/StructureDefinition/"
NATIONAL = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/"
RPPS, STRUCTURE = "urn:oid:1.2.250.1.71.4.2.1", "urn:oid:1.2.250.1.71.4.2.2"
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CATEGORY = "https://mos.esante.gouv.fr/NOS/TRE_R66-CategorieEtablissement/FHIR/TRE-R66-CategorieEtablissement"
_OFFERED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Slot.serviceType"
_KINDS = "http://interopsante.org/fhir/CodeSystem/fr-v2-0203"


def labelled(*codes: str) -> list[Tree]:
    """`meta.security` of a slot for these."""
    return [{"system": SYSTEM, "code": code} for code in codes]


def slot(id: str, schedule: str, *labels: str, profile: str = f"{SAS}FrSlotAgregateur", **more: Any) -> Tree:
    """A free slot with appointment, at the practice."""
    return a_slot(
        id,
        f"Schedule/{schedule}",
        meta={"profile": [profile], "security": labelled(*labels)},
        serviceType=[{"coding": [{"system": _ACT, "code": "AMB"}]}],
        appointmentType={"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0276", "code": "ROUTINE"}]},
        comment="https://agenda.example/rdv",
        **more,
    )


def offered_by(tree: Tree, service: str) -> Tree:
    """A slot of a community's service."""
    offered: Tree = {
        "extension": [{"url": _OFFERED, "valueReference": {"reference": f"HealthcareService/{service}"}}],
        "coding": [{"system": _CATEGORY, "code": "604"}],
    }
    return {**tree, "serviceType": [*tree["serviceType"], offered]}


def professional(id: str, number: str) -> Tree:
    kind = {"coding": [{"system": _KINDS, "code": "IDNPS"}]}
    return {
        "resourceType": "Practitioner",
        "id": id,
        "meta": {"profile": [f"{SAS}FrPractitionerAgregateur"]},
        "identifier": [{"type": kind, "system": RPPS, "value": number}],
        "name": [{"family": "TEST", "given": ["Inès"]}],
    }


def practice(id: str, of: str) -> Tree:
    """Where a professional practises: the place is contained."""
    place = {"resourceType": "Location", "id": "place", "meta": {"profile": [f"{SAS}FrLocationAgregateur"]}}
    address = {"line": ["1 rue de l'Essai"], "city": "Brest", "postalCode": "29200"}
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "meta": {"profile": [f"{SAS}FrPractitionerRoleExerciceAgregateur"]},
        "contained": [{**place, "address": address}],
        "practitioner": {"reference": f"Practitioner/{of}"},
        "location": [{"reference": "#place"}],
    }


def agenda(id: str, *actors: str) -> Tree:
    return a_schedule(id, *actors, meta={"profile": [f"{SAS}FrScheduleAgregateur"]})


def organization(id: str, number: str, profile: str) -> Tree:
    kind = {
        "coding": [{"system": "http://interopsante.org/fhir/CodeSystem/fr-location-identifier-type", "code": "IDNST"}]
    }
    return {
        "resourceType": "Organization",
        "id": id,
        "meta": {"profile": [NATIONAL + profile]},
        "identifier": [{"type": kind, "system": STRUCTURE, "value": number}],
        "name": id,
    }


def service(id: str, organization: str) -> Tree:
    return {
        "resourceType": "HealthcareService",
        "id": id,
        "meta": {"profile": [f"{NATIONAL}sas-cpts-healthcareservice-aggregator"]},
        "providedBy": {"reference": f"Organization/{organization}"},
    }


def centre(id: str, organization: str) -> Tree:
    """A centre of an association, which has the schedule itself."""
    return {
        "resourceType": "Location",
        "id": id,
        "meta": {"profile": [f"{NATIONAL}sas-sos-location-aggregator"]},
        "name": id,
        "address": {"line": ["2 rue de l'Essai"], "city": "Brest", "postalCode": "29200"},
        "managingOrganization": {"reference": f"Organization/{organization}"},
    }
