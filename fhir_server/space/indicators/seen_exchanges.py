"""What counts of messages, appointments, consents, apps and people's own measures, which are few beside traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.space.catalogue.apps import KIND as APP
from fhir_server.space.catalogue.apps import from_device
from fhir_server.space.catalogue.consent_resource import KIND as PURPOSES
from fhir_server.space.catalogue.consent_resource import from_consent
from fhir_server.space.delegations.delegation import from_consent as delegation_of
from fhir_server.space.indicators.calendar import month
from fhir_server.space.messages.model import is_message, message_of

Tree = Mapping[str, Any]
#: What is counted of one: its key, and whom.
Found = tuple[tuple[str, ...], tuple[str, ...]] | None


def message(tree: Tree) -> Found:
    """A message that was sent: from which side, or that it ends the exchange; once for each exchange."""
    if not is_message(tree):
        return None
    one = message_of(tree)
    if not one.is_sent or one.sent is None:
        return None
    return ("Communication", month(one.sent), "end" if one.ends else one.side), (f"Communication/{one.first}",)


def appointment(tree: Tree) -> Found:
    """An appointment, by when it begins and what has become of it."""
    return ("Appointment", month(str(tree.get("start", ""))), str(tree.get("status", ""))), ()


def consent(tree: Tree) -> Found:
    """That somebody cares for somebody else, or that an app was given a purpose by somebody; while it holds."""
    if tree.get("status") != "active":
        return None
    bond = delegation_of(tree)
    if bond is not None:
        return ("Consent", "bond", bond.kind), ()
    coded = [coding for one in tree.get("category", ()) for coding in one.get("coding", ())]
    if not any(one.get("system") == PURPOSES for one in coded):
        return None
    app, purpose, _ = from_consent(tree)
    patient = str(tree.get("patient", {}).get("reference", ""))
    return ("Consent", "purpose", purpose), (patient,) if app and patient else ()


def app(tree: Tree) -> Found:
    """A referenced app, by its status."""
    if not any(one.get("system") == APP for one in tree.get("type", {}).get("coding", ())):
        return None
    return ("Device", from_device(tree).status), ()


def measure(tree: Tree) -> Found:
    """A measure that somebody took of themself, or who is close to them."""
    by = next((str(one.get("reference", "")) for one in tree.get("performer", ())), "")
    if by.partition("/")[0] not in ("Patient", "RelatedPerson") or tree.get("status") == "entered-in-error":
        return None
    subject = str(tree.get("subject", {}).get("reference", ""))
    return ("Observation", month(str(tree.get("effectiveDateTime", "")))), (subject,) if subject else ()
