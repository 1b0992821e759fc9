"""An MSSanté mailbox: a `telecom` of the directory with what the Annuaire's extension says of it.

https://interop.esante.gouv.fr/ig/fhir/mss (four models), https://interop.esante.gouv.fr/ig/fhir/annuaire
(as-mailbox-mss, as-ext-mailbox-mss-metadata). A mailbox is no resource of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.nos import nos

#: Extension of the ContactPoint that makes it a mailbox.
METADATA = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
#: Extension of the ContactPoint that says which secure mail it is; the guide calls it compulsory.
EMAIL_TYPE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type"
MAILBOX_TYPES = nos("TRE_R257-TypeBAL")
MAIL_TYPES = nos("TRE_R256-TypeMessagerie")
MSSANTE = {"system": MAIL_TYPES, "code": "MSSANTE"}
#: Types of resources that have mailboxes.
HOLDERS = ("Organization", "Practitioner", "PractitionerRole")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox.

    Attributes:
        number: of its ContactPoint among the resource's.
        point: the ContactPoint.
        metadata: the extension that makes it a mailbox.
    """

    number: int
    point: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def address(self) -> str:
        """As it is written; "" where there is none."""
        value = self.point.get("value")
        return value if isinstance(value, str) else ""

    @property
    def name(self) -> str:
        """The address as it is compared."""
        return compared(self.address)

    @property
    def type(self) -> str:
        """PER, ORG, APP or CAB, from a CodeableConcept (the guide's structure) or a code (its patches)."""
        for one in self.attributes("type"):
            codings = one.get("valueCodeableConcept", {}).get("coding", ())
            codes = [coding.get("code") for coding in codings if isinstance(coding, dict)]
            found = next((code for code in [one.get("valueCode"), *codes] if isinstance(code, str)), "")
            if found:
                return found
        return ""

    @property
    def red(self) -> bool:
        """Whether it is on the red list, and not to be published; anything but a plain no is a yes."""
        return any(one.get("valueBoolean") is not False for one in self.attributes("listeRouge"))

    def attributes(self, name: str) -> list[Mapping[str, Any]]:
        """What the extension says of one attribute."""
        return [one for one in _dicts(self.metadata.get("extension")) if one.get("url") == name]

    @property
    def attribute_names(self) -> list[str]:
        """The attributes that the extension has, in its order."""
        return [str(one.get("url", "")) for one in _dicts(self.metadata.get("extension"))]


def mailboxes(tree: Mapping[str, Any]) -> Iterator[Mailbox]:
    """The mailboxes of a resource, in its order."""
    points = tree.get("telecom")
    for number, point in enumerate(points if isinstance(points, list) else ()):
        if isinstance(point, dict) and (metadata := metadata_of(point)) is not None:
            yield Mailbox(number, point, metadata)


def metadata_of(point: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The extension that makes a ContactPoint a mailbox; None where it is none."""
    return next((one for one in _dicts(point.get("extension")) if one.get("url") == METADATA), None)


def compared(address: str) -> str:
    """An address as it is compared: domains have no case, and no mailbox of the network tells names apart by it."""
    return address.strip().casefold()


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
