"""People and establishments of a directory, their mailboxes, and who asks for them."""

from __future__ import annotations

from typing import Any

from fhir_server.access.grant import Scope
from fhir_server.space.mailboxes.model import MAILBOX_TYPES, METADATA
from tests.space.record.callers import ALL, OWN, SYSTEM, grant

Tree = dict[str, Any]
RPPS = "urn:oid:1.2.250.1.71.4.2.1"
FINESS = "https://finess.esante.gouv.fr"

OPERATOR = grant(None, SYSTEM)
#: Third parties to a mailbox, and those who are none.
THIRD = {
    "patient": grant("Patient/a", ALL),
    "patient's app": grant("Patient/a", OWN, patient="a"),
    "caregiver": grant("RelatedPerson/carer", ALL, wards=frozenset({"a"})),
    "professional": grant("Practitioner/other", ALL),
    "staff": grant("Person/1", ALL),
    "software that reads": grant(None, Scope("system", "*", frozenset("rs"))),
    "app of the catalogue": grant(None, SYSTEM, referenced=True),
}
CONCERNED = {"operator": OPERATOR, "who has it": grant("Practitioner/p", ALL)}


def mailbox(address: str, type: str = "PER", red: bool | None = False, coded: bool = False, **more: Any) -> Tree:
    """A ContactPoint: the type as the guide's structure has it, or as its patches do."""
    concept = {"coding": [{"system": MAILBOX_TYPES, "code": type}]}
    said = {"url": "type", **({"valueCode": type} if coded else {"valueCodeableConcept": concept})}
    attributes = [*([said] if type else []), *([] if red is None else [{"url": "listeRouge", "valueBoolean": red}])]
    attributes += [{"url": name, "valueString": value} for name, value in more.items()]
    return {
        "extension": [{"url": METADATA, "extension": attributes}],
        "system": "email",
        "value": address,
    }


def reached(*points: Tree) -> Tree:
    return {"telecom": [*points]} if points else {}


def practitioner(id: str, *points: Tree, **more: Any) -> Tree:
    identifier = [{"system": RPPS, "value": f"8{id}"}]
    return {"resourceType": "Practitioner", "id": id, "identifier": identifier, **reached(*points), **more}


def organization(id: str, *points: Tree) -> Tree:
    identifier = [{"system": FINESS, "value": f"9{id}"}]
    return {"resourceType": "Organization", "id": id, "identifier": identifier, "name": "x", **reached(*points)}


def role(id: str, practitioner: str, *points: Tree) -> Tree:
    who = {"reference": f"Practitioner/{practitioner}"}
    identifier = [{"system": "urn:role", "value": f"7{id}"}]
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "identifier": identifier,
        "practitioner": who,
        **reached(*points),
    }


def operation(kind: str, path: str, value: Tree | None = None, index: int | None = None) -> Tree:
    part: list[Tree] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    part += [] if index is None else [{"name": "index", "valueInteger": index}]
    return {"name": "operation", "part": [*part, *([] if value is None else [{"name": "value", **value}])]}


def patch(*operations: Tree) -> Tree:
    return {"resourceType": "Parameters", "parameter": [*operations]}


def attribute(type: str, address: str, name: str) -> str:
    """The guide's path of an attribute of a mailbox."""
    return f"{type}.telecom.where(value = '{address}').extension('{METADATA}').extension('{name}').value"
