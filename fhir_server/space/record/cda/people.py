"""The people, software and organisations of a CDA header as contained resources, each once however often it is named.

HL7 CDA R2 §4.2.2 (participants); PDSm, comprehensive DocumentReference: author, authenticator, custodian and the
patient as the source knew them are contained. Identifiers are national ones (1.2.250.1.71.4.2.1 for people, .2 for
structures); a value with "/" in it is a structure's own number for somebody.
"""

from __future__ import annotations

import json
from typing import Any

from fhir_server.space.record.cda.codes import URI, profession, urn
from fhir_server.space.record.cda.tree import Node

PROFESSIONALS = "1.2.250.1.71.4.2.1"
STRUCTURES = "1.2.250.1.71.4.2.2"
RPPS = "https://rpps.esante.gouv.fr"
_FRENCH = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
_HL7_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_ORGANISATIONS = ("representedOrganization", "receivedOrganization", "scopingOrganization")
#: Of an identifier, the most that is kept of each participant.
_MOST_IDENTIFIERS = 10


class Contained:
    """The contained resources of one resource.

    Attributes:
        resources: in the order in which they were first named.
    """

    def __init__(self) -> None:
        self.resources: list[dict[str, Any]] = []
        self._known: dict[str, str] = {}

    def add(self, tree: dict[str, Any], name: str) -> dict[str, Any]:
        """A reference to a contained resource that says this; it is contained anew when none does yet."""
        said = json.dumps(tree, sort_keys=True)
        if said not in self._known:
            self._known[said] = f"{name}{sum(one['id'].startswith(name) for one in self.resources) + 1}"
            self.resources.append({"resourceType": tree["resourceType"], "id": self._known[said], **tree})
        return {"reference": f"#{self._known[said]}"}

    def type_of(self, reference: dict[str, Any]) -> str:
        """The resource type of what a reference of `add` leads to."""
        id = reference["reference"][1:]
        return next(str(one["resourceType"]) for one in self.resources if one["id"] == id)

    # One participant

    def organisation(self, node: Node | None) -> dict[str, Any] | None:
        """A reference to an organisation; None when it says neither who it is nor its name."""
        if node is None:
            return None
        ids, name = identifiers(node), node.text_of("name")
        said = {**({"identifier": ids} if ids else {}), **({"name": name} if name else {})}
        return self.add({"resourceType": "Organization", **said}, "organization") if said else None

    def participant(self, role: Node) -> dict[str, Any] | None:
        """A reference to who an assigned or intended role is: a Device, a PractitionerRole or an Organization.

        None when nothing is said of them.
        """
        held = next((found for name in _ORGANISATIONS if (found := role.first(name)) is not None), None)
        organisation = self.organisation(held)
        device = role.first("assignedAuthoringDevice")
        if device is not None:
            return self._device(role, device, organisation)
        practitioner = self._practitioner(role)
        if practitioner is None:
            return organisation
        code, specialty = profession(role.first("code"))
        tree: dict[str, Any] = {"resourceType": "PractitionerRole", "practitioner": practitioner}
        for name, value in (("organization", organisation), ("code", code), ("specialty", specialty)):
            if value:
                tree[name] = value
        return self.add(tree, "role")

    def _practitioner(self, role: Node) -> dict[str, Any] | None:
        person = next((found for name in _PERSONS if (found := role.first(name)) is not None), None)
        ids, names = identifiers(role), names_of(person) if person is not None else []
        said = {**({"identifier": ids} if ids else {}), **({"name": names} if names else {})}
        return self.add({"resourceType": "Practitioner", **said}, "practitioner") if said else None

    def _device(self, role: Node, device: Node, organisation: dict[str, Any] | None) -> dict[str, Any]:
        words = (("user-friendly-name", device.text_of("softwareName")),)
        model = device.text_of("manufacturerModelName").strip(". ")
        names = [{"name": name, "type": kind} for kind, name in words if name]
        tree: dict[str, Any] = {"resourceType": "Device", "identifier": identifiers(role), "deviceName": names}
        tree |= {"modelNumber": model} if model else {}
        tree |= {"owner": organisation} if organisation else {}
        return self.add({name: value for name, value in tree.items() if value}, "device")


_PERSONS = ("assignedPerson", "informationRecipient", "associatedPerson")


def identifiers(node: Node) -> list[dict[str, Any]]:
    """The identifiers of a role or organisation; those that name nobody are left out."""
    found = (identifier(one) for one in node.all("id")[:_MOST_IDENTIFIERS])
    return [one for some in found for one in some]


def identifier(id: Node) -> list[dict[str, Any]]:
    """An II as Identifiers: one, two for a professional whose RPPS number is in it, none when it names nobody."""
    try:
        system = urn(id.get("root"))
    except ValueError:
        return []
    value = " ".join(id.get("extension").split())
    if id.get("nullFlavor"):
        return []
    if not value:
        return [{"system": URI, "value": system}]
    kind = _kind(id.get("root"), value)
    found = [{**({"use": "official"} if kind else {}), **kind, "system": system, "value": value}]
    if id.get("root") == PROFESSIONALS and value[:1] == "8" and len(value) == 12 and value.isdigit():
        found.append({"use": "official", **_typed(_FRENCH, "RPPS"), "system": RPPS, "value": value[1:]})
    return found


def _kind(root: str, value: str) -> dict[str, Any]:
    if root == PROFESSIONALS:
        return _typed(_HL7_TYPES, "EI") if "/" in value else _typed(_FRENCH, "IDNPS")
    return _typed(_FRENCH, "IDNST") if root == STRUCTURES else {}


def _typed(system: str, code: str) -> dict[str, Any]:
    return {"type": {"coding": [{"system": system, "code": code}]}}


def names_of(person: Node) -> list[dict[str, Any]]:
    """The names of a person, as HumanNames."""
    found = []
    for name in person.all("name")[:_MOST_IDENTIFIERS]:
        parts = {
            key: [one.text for one in name.all(key) if one.text] for key in ("family", "given", "prefix", "suffix")
        }
        whole: dict[str, Any] = {key: values for key, values in parts.items() if values and key != "family"}
        if parts["family"]:
            whole = {"family": " ".join(parts["family"]), **whole}
        if not whole and name.text:
            whole = {"text": name.text}
        if whole:
            found.append(whole)
    return found
