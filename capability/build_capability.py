"""Writes `CapabilityStatement.json` and the OperationDefinitions that this folder publishes; run it after a change.

    python capability/build_capability.py PACKAGE_FOLDER

PACKAGE_FOLDER is the unpacked npm package hl7.fhir.r4.examples 4.0.1 (`npm pack`; CC0), whose definitions of the
standard's own operations are taken over as facts: codes, levels and parameters, no prose.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
TYPES = FOLDER.parent / "profiles" / "hl7.fhir.r4.core" / "types.json"
CANONICAL = "https://fhir-server.example"
#: The national guide of document sharing, whose server this is.
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm"

INTERACTIONS = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
STANDARD = (
    "Patient-everything",
    "Resource-meta",
    "Resource-meta-add",
    "Resource-meta-delete",
    "Resource-validate",
    "Composition-document",
    "Observation-lastn",
    "ValueSet-expand",
    "ValueSet-validate-code",
    "CodeSystem-validate-code",
    "CodeSystem-lookup",
    "CodeSystem-subsumes",
    "ConceptMap-translate",
)
KEPT = (
    "resourceType",
    "id",
    "url",
    "version",
    "name",
    "status",
    "kind",
    "affectsState",
    "code",
    "resource",
    "system",
    "type",
    "instance",
)
PARAMETER = ("name", "use", "min", "max", "type", "searchType")
#: What the standard leaves unsaid of its operations: whether calling them changes what is stored.
CHANGING = {"Resource-meta-add", "Resource-meta-delete"}

#: A patient's choice of the record, as operations take and give it.
CHOICE: dict[str, Any] = {
    "name": "choice",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        {"name": "kind", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "practitioner", "use": "out", "min": 0, "max": "1", "type": "Reference"},
        {"name": "chosen", "use": "out", "min": 0, "max": "1", "type": "boolean"},
        {"name": "since", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "until", "use": "out", "min": 0, "max": "1", "type": "dateTime"},
        {"name": "by", "use": "out", "min": 0, "max": "1", "type": "Reference"},
    ],
}

#: Whether somebody is written to of one kind of thing by one channel.
PREFERENCE: dict[str, Any] = {
    "name": "preference",
    "use": "out",
    "min": 1,
    "max": "*",
    "part": [
        {"name": "kind", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "channel", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "on", "use": "out", "min": 1, "max": "1", "type": "boolean"},
    ],
}

#: An emergency, as those who look through them are told.
EMERGENCY: dict[str, Any] = {
    "name": "emergency",
    "use": "out",
    "min": 0,
    "max": "*",
    "part": [
        {"name": "id", "use": "out", "min": 1, "max": "1", "type": "id"},
        {"name": "practitioner", "use": "out", "min": 1, "max": "1", "type": "Reference"},
        {"name": "patient", "use": "out", "min": 1, "max": "1", "type": "Reference"},
        {"name": "purpose", "use": "out", "min": 1, "max": "1", "type": "code"},
        {"name": "reason", "use": "out", "min": 0, "max": "1", "type": "string"},
        {"name": "first", "use": "out", "min": 1, "max": "1", "type": "instant"},
        {"name": "last", "use": "out", "min": 1, "max": "1", "type": "instant"},
        {"name": "count", "use": "out", "min": 1, "max": "1", "type": "integer"},
        {"name": "opened", "use": "out", "min": 1, "max": "1", "type": "boolean"},
        {"name": "reviewedBy", "use": "out", "min": 0, "max": "1", "type": "string"},
        {"name": "reviewedAt", "use": "out", "min": 0, "max": "1", "type": "instant"},
        {"name": "note", "use": "out", "min": 0, "max": "1", "type": "string"},
    ],
}

OWN: tuple[dict[str, Any], ...] = (
    {
        "id": "reindex",
        "name": "Reindex",
        "code": "reindex",
        "affectsState": True,
        "system": True,
        "parameter": [{"name": "return", "use": "out", "min": 1, "max": "1", "type": "Parameters"}],
    },
    {
        "id": "explain",
        "name": "Explain",
        "code": "explain",
        "affectsState": False,
        "resource": ["Resource"],
        "type": True,
        "parameter": [{"name": "return", "use": "out", "min": 1, "max": "1", "type": "Parameters"}],
    },
    {
        "id": "Task-referencing-file",
        "name": "ReferencingFile",
        "code": "referencing-file",
        "affectsState": True,
        "resource": ["Task"],
        "type": True,
        "parameter": [
            {"name": "app", "use": "in", "min": 1, "max": "1", "type": "Device"},
            {"name": "answers", "use": "in", "min": 1, "max": "1", "type": "QuestionnaireResponse"},
            {"name": "dpia", "use": "in", "min": 0, "max": "1", "type": "Attachment"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Task"},
        ],
    },
    {
        "id": "Task-referencing-step",
        "name": "ReferencingStep",
        "code": "referencing-step",
        "affectsState": True,
        "resource": ["Task"],
        "instance": True,
        "parameter": [
            {"name": "step", "use": "in", "min": 1, "max": "1", "type": "code"},
            {"name": "reason", "use": "in", "min": 0, "max": "1", "type": "string"},
            {"name": "criterion", "use": "in", "min": 0, "max": "*", "type": "string"},
            {"name": "opinion", "use": "in", "min": 0, "max": "1", "type": "code"},
            {"name": "start", "use": "in", "min": 0, "max": "1", "type": "date"},
            {"name": "end", "use": "in", "min": 0, "max": "1", "type": "date"},
            {"name": "reconsentBy", "use": "in", "min": 0, "max": "1", "type": "date"},
            {"name": "version", "use": "in", "min": 0, "max": "1", "type": "integer"},
            {"name": "app", "use": "in", "min": 0, "max": "1", "type": "Device"},
            {"name": "answers", "use": "in", "min": 0, "max": "1", "type": "QuestionnaireResponse"},
            {"name": "dpia", "use": "in", "min": 0, "max": "1", "type": "Attachment"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Task"},
        ],
    },
    {
        "id": "Patient-record-choices",
        "name": "RecordChoices",
        "code": "record-choices",
        "affectsState": False,
        "resource": ["Patient"],
        "instance": True,
        "parameter": [CHOICE | {"use": "out", "min": 0}],
    },
    {
        "id": "AuditEvent-emergencies",
        "name": "Emergencies",
        "code": "emergencies",
        "affectsState": False,
        "resource": ["AuditEvent"],
        "type": True,
        "parameter": [
            {"name": "since", "use": "in", "min": 0, "max": "1", "type": "date"},
            {"name": "unreviewed", "use": "in", "min": 0, "max": "1", "type": "boolean"},
            EMERGENCY,
        ],
    },
    {
        "id": "AuditEvent-emergency-review",
        "name": "EmergencyReview",
        "code": "emergency-review",
        "affectsState": True,
        "resource": ["AuditEvent"],
        "type": True,
        "parameter": [
            {"name": "emergency", "use": "in", "min": 1, "max": "1", "type": "id"},
            {"name": "note", "use": "in", "min": 0, "max": "1", "type": "string"},
            {**EMERGENCY, "min": 1, "max": "1"},
        ],
    },
    {
        "id": "Record-access-explain",
        "name": "RecordAccessExplain",
        "code": "access-explain",
        "affectsState": False,
        "resource": ["DocumentReference", "Patient"],
        "instance": True,
        "parameter": [
            {"name": "practitioner", "use": "in", "min": 0, "max": "1", "type": "string"},
            {"name": "role", "use": "in", "min": 0, "max": "1", "type": "string"},
            {"name": "purpose", "use": "in", "min": 0, "max": "1", "type": "code"},
            {"name": "outcome", "use": "out", "min": 1, "max": "1", "type": "code"},
            {"name": "rule", "use": "out", "min": 1, "max": "1", "type": "code"},
            {"name": "reason", "use": "out", "min": 1, "max": "1", "type": "string"},
            {"name": "row", "use": "out", "min": 0, "max": "1", "type": "string"},
            {"name": "matrix", "use": "out", "min": 1, "max": "1", "type": "string"},
        ],
    },
    {
        "id": "Patient-record-choose",
        "name": "RecordChoose",
        "code": "record-choose",
        "affectsState": True,
        "resource": ["Patient"],
        "instance": True,
        "parameter": [CHOICE | {"use": "in", "min": 1}, CHOICE | {"use": "out", "min": 0}],
    },
    {
        "id": "Patient-notice-preferences",
        "name": "NoticePreferences",
        "code": "notice-preferences",
        "affectsState": False,
        "resource": ["Patient"],
        "instance": True,
        "parameter": [PREFERENCE],
    },
    {
        "id": "Patient-notice-prefer",
        "name": "NoticePrefer",
        "code": "notice-prefer",
        "affectsState": True,
        "resource": ["Patient"],
        "instance": True,
        "parameter": [PREFERENCE | {"use": "in"}, PREFERENCE],
    },
    {
        "id": "DocumentReference-generate-metadata",
        "name": "GenerateMetadata",
        "code": "generate-metadata",
        "base": "https://profiles.ihe.net/ITI/MHD/OperationDefinition/generate-metadata",
        "affectsState": True,
        "resource": ["DocumentReference"],
        "type": True,
        "parameter": [
            {"name": "document", "use": "in", "min": 1, "max": "1", "type": "Resource"},
            {"name": "persist", "use": "in", "min": 0, "max": "1", "type": "boolean"},
            {"name": "securityLabel", "use": "in", "min": 0, "max": "*", "type": "code"},
            {"name": "DocumentReference", "use": "out", "min": 0, "max": "1", "type": "Reference"},
            {"name": "return", "use": "out", "min": 0, "max": "1", "type": "DocumentReference"},
        ],
    },
    {
        "id": "DocumentReference-file-cda",
        "name": "FileCda",
        "code": "file-cda",
        "affectsState": True,
        "resource": ["DocumentReference"],
        "type": True,
        "parameter": [
            {"name": "document", "use": "in", "min": 1, "max": "1", "type": "Binary"},
            {"name": "securityLabel", "use": "in", "min": 0, "max": "*", "type": "code"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "DocumentReference"},
        ],
    },
    {
        "id": "DocumentReference-docref",
        "name": "Docref",
        "code": "docref",
        "base": "http://hl7.org/fhir/us/core/OperationDefinition/docref",
        "affectsState": False,
        "resource": ["DocumentReference"],
        "type": True,
        "parameter": [
            {"name": "patient", "use": "in", "min": 1, "max": "1", "type": "id"},
            {"name": "start", "use": "in", "min": 0, "max": "1", "type": "dateTime"},
            {"name": "end", "use": "in", "min": 0, "max": "1", "type": "dateTime"},
            {"name": "type", "use": "in", "min": 0, "max": "*", "type": "string", "searchType": "token"},
            {"name": "on-demand", "use": "in", "min": 0, "max": "1", "type": "boolean"},
            {"name": "profile", "use": "in", "min": 0, "max": "*", "type": "canonical"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Bundle"},
        ],
    },
    {
        "id": "Communication-mark-read",
        "name": "MarkRead",
        "code": "mark-read",
        "affectsState": True,
        "resource": ["Communication"],
        "instance": True,
        "parameter": [{"name": "return", "use": "out", "min": 1, "max": "1", "type": "Communication"}],
    },
    {
        "id": "Communication-end",
        "name": "EndExchange",
        "code": "end",
        "affectsState": True,
        "resource": ["Communication"],
        "instance": True,
        "parameter": [
            {"name": "text", "use": "in", "min": 0, "max": "1", "type": "string"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Communication"},
        ],
    },
    {
        "id": "Communication-save-attachment",
        "name": "SaveAttachment",
        "code": "save-attachment",
        "affectsState": True,
        "resource": ["Communication"],
        "instance": True,
        "parameter": [
            {"name": "payload", "use": "in", "min": 1, "max": "1", "type": "integer"},
            {"name": "type", "use": "in", "min": 1, "max": "1", "type": "code"},
            {"name": "title", "use": "in", "min": 0, "max": "1", "type": "string"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "DocumentReference"},
        ],
    },
    {
        "id": "Patient-unread",
        "name": "Unread",
        "code": "unread",
        "affectsState": False,
        "resource": ["Patient"],
        "instance": True,
        "parameter": [{"name": "count", "use": "out", "min": 1, "max": "1", "type": "integer"}],
    },
    {
        "id": "DocumentReference-show",
        "name": "Show",
        "code": "show",
        "affectsState": False,
        "resource": ["DocumentReference"],
        "instance": True,
        "parameter": [
            {"name": "file", "use": "in", "min": 0, "max": "1", "type": "positiveInt"},
            {"name": "return", "use": "out", "min": 1, "max": "1", "type": "Binary"},
        ],
    },
)


def main(package: Path) -> None:
    """Write every file of the folder."""
    operations = [standard(package, id) for id in STANDARD] + [own(definition) for definition in OWN]
    for operation in operations:
        write(f"OperationDefinition-{operation['id']}.json", operation)
    write("CapabilityStatement.json", statement(operations))


def standard(package: Path, id: str) -> dict[str, Any]:
    """One of the standard's operations, as facts."""
    source = json.loads((package / f"OperationDefinition-{id}.json").read_text())
    found = {key: source[key] for key in KEPT if key in source}
    found["affectsState"] = id in CHANGING
    parameters = [parameter(one) for one in source.get("parameter", [])]
    if id == "Resource-validate":
        # R4 names no level for a resource of any type in a batch; the type level serves it.
        found["instance"] = True
    return {**found, "parameter": parameters}


def parameter(source: dict[str, Any]) -> dict[str, Any]:
    """A parameter, with its parts."""
    found = {key: source[key] for key in PARAMETER if key in source}
    return found | ({"part": [parameter(part) for part in source["part"]]} if "part" in source else {})


def own(definition: dict[str, Any]) -> dict[str, Any]:
    """One of this server's own operations."""
    levels = {level: definition.get(level, False) for level in ("system", "type", "instance")}
    head = {
        "resourceType": "OperationDefinition",
        "id": definition["id"],
        "url": f"{CANONICAL}/OperationDefinition/{definition['id']}",
        "name": definition["name"],
        "status": "active",
        "kind": "operation",
        "affectsState": definition["affectsState"],
        "code": definition["code"],
        **({"base": definition["base"]} if "base" in definition else {}),
    }
    resource = {"resource": definition["resource"]} if "resource" in definition else {}
    return {**head, **resource, **levels, "parameter": [_used(one, one["use"]) for one in definition["parameter"]]}


def _used(source: dict[str, Any], use: str) -> dict[str, Any]:
    """A parameter, its parts used as it is."""
    parts = {"part": [_used(part, use) for part in source["part"]]} if "part" in source else {}
    return {**source, "use": use, **parts}


def statement(operations: list[dict[str, Any]]) -> dict[str, Any]:
    """The CapabilityStatement; `/metadata` adds search parameters, software, date and address."""
    types = json.loads(TYPES.read_text())
    served = sorted(name for name, type in types.items() if type["kind"] == "resource" and not type.get("abstract"))
    rest = {
        "mode": "server",
        "security": {"cors": True, "description": "Open on loopback, or SMART App Launch tokens."},
        "resource": [resource(name, operations) for name in served],
        "interaction": [{"code": code} for code in ("transaction", "batch", "search-system", "history-system")],
        "operation": [reference(o) for o in operations if o.get("system")],
        "compartment": [
            f"http://hl7.org/fhir/CompartmentDefinition/{name}"
            for name in ("patient", "encounter", "practitioner", "relatedPerson", "device")
        ],
    }
    return {
        "resourceType": "CapabilityStatement",
        "id": "fhir-server",
        "url": f"{CANONICAL}/CapabilityStatement/fhir-server",
        "name": "FhirServer",
        "title": "FHIR R4 server",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "instantiates": [f"{PDSM}/CapabilityStatement/PDSm-GestionnaireDePartageDeDocuments"],
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": [
            "application/json-patch+json",
            "application/xml-patch+xml",
            "application/fhir+json",
            "application/fhir+xml",
        ],
        "implementationGuide": [f"{PDSM}/ImplementationGuide/ans.fhir.fr.pdsm"],
        "rest": [rest],
    }


def resource(name: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
    """One row of `rest.resource`."""
    own = [o for o in operations if name in o.get("resource", ()) or "Resource" in o.get("resource", ())]
    return {
        "type": name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        "interaction": [{"code": code} for code in INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": True,
        "conditionalDelete": "single",
        "referencePolicy": ["literal", "logical", "local"],
        "operation": [reference(o) for o in own if o.get("type") or o.get("instance")],
    }


def reference(operation: dict[str, Any]) -> dict[str, Any]:
    """An operation as a statement names it."""
    return {"name": operation["code"], "definition": operation["url"]}


def write(name: str, tree: dict[str, Any]) -> None:
    """One file of the folder, indented for people."""
    (FOLDER / name).write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
