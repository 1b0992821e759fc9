"""MSSanté mailboxes of invented professionals and establishments, in a domain that reaches nobody.

https://interop.esante.gouv.fr/ig/fhir/mss; top level domain `example`: RFC 2606 §2.
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.nos import nos
from fhir_server.population.world import plain

_METADATA = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition/as-ext-mailbox-mss-metadata"
_EMAIL_TYPE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type"
_DOMAIN = "mssante.example"
#: One professional in so many is on the red list; no figure is published.
_RED = 33


def of_professional(given: str, family: str, rpps: str) -> dict[str, Any]:
    """Somebody's own mailbox; of some professionals it is on the red list."""
    address = f"{plain(given)}.{plain(family)}.{rpps}@pro.{_DOMAIN}"
    return _mailbox(address, "PER", int(rpps) % _RED == 0)


def of_structure(kind: str, finess: str) -> list[dict[str, Any]]:
    """An establishment's mailboxes: its own, and its software's where it sends results by itself."""
    found = [_mailbox(f"accueil.{finess}@{kind}.{_DOMAIN}", "ORG", False, "Accueil de la structure")]
    if kind in ("hospital", "laboratory"):
        found.append(_mailbox(f"resultats.{finess}@{kind}.{_DOMAIN}", "APP", False, "Envoi des comptes rendus"))
    return found


def _mailbox(address: str, type: str, red: bool, description: str | None = None) -> dict[str, Any]:
    coding = {"system": nos("TRE_R257-TypeBAL"), "code": type}
    said: list[dict[str, Any]] = [{"url": "type", "valueCodeableConcept": {"coding": [coding]}}]
    said += [{"url": "description", "valueString": description}] if description else []
    said.append({"url": "listeRouge", "valueBoolean": red})
    mail = {"system": nos("TRE_R256-TypeMessagerie"), "code": "MSSANTE"}
    return {
        "extension": [{"url": _EMAIL_TYPE, "valueCoding": mail}, {"url": _METADATA, "extension": said}],
        "system": "email",
        "value": address,
        "use": "work",
    }
