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

from own_operations import OWN

from fhir_server.subscriptions.topics import listed

FOLDER = Path(__file__).parent
TYPES = FOLDER.parent / "profiles" / "hl7.fhir.r4.core" / "types.json"
CANONICAL = "https://fhir-server.example"
#: The national guide of document sharing, whose server this is.
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm"
#: That of event notification.
NDE = "https://interop.esante.gouv.fr/ig/fhir/nde"

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
    "Measure-evaluate-measure",
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
        "url": definition.get("url", f"{CANONICAL}/OperationDefinition/{definition['id']}"),
        "name": definition["name"],
        "status": "active",
        "kind": "operation",
        "affectsState": definition["affectsState"],
        "code": definition["code"],
        **({"base": definition["base"]} if "base" in definition else {}),
    }
    resource = {"resource": definition["resource"]} if "resource" in definition else {}
    parameters = [_used(one, one["use"]) for one in definition["parameter"]]
    # FHIR JSON has no empty array.
    return {**head, **resource, **levels, **({"parameter": parameters} if parameters else {})}


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
        "instantiates": [
            f"{PDSM}/CapabilityStatement/PDSm-GestionnaireDePartageDeDocuments",
            f"{NDE}/CapabilityStatement/NdE-GestionnaireDAbonnements",
            f"{NDE}/CapabilityStatement/NdE-GestionnaireDeNotifications",
        ],
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
        **({"extension": listed()} if name == "Subscription" else {}),
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
