"""What the guide of event notification says in which element: https://interop.esante.gouv.fr/ig/fhir/nde (3.0.0).

A CommunicationRequest is a declaration (flow 3) or a request to notify (flow 4), of one type and at one address: told
apart by the profile that it claims, and where it claims neither by `basedOn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from fhir_server.fhir.nos import nos
from fhir_server.fhir.references import parse

_GUIDE = "https://interop.esante.gouv.fr/ig/fhir/nde/StructureDefinition/"
SUBSCRIPTION, DECLARATION, REQUEST = (
    f"{_GUIDE}nde-{name}" for name in ("subscription", "eventdeclaration", "notificationrequest")
)
START, SUBJECT, DECLARANT, EVENT_TYPE, SUBSCRIBER, SUBSCRIBED, HAPPENED, ENDPOINT = (
    _GUIDE + name
    for name in (
        "start",
        "subject",
        "declarant",
        "event-type",
        "subscriber",
        "subscription-date",
        "event-time",
        "recipient-endpoint",
    )
)
#: Of a Reference to a patient who is contained: who of this server that is. The server says it.
RECORD = "https://fhir-server.example/StructureDefinition/ens-record"
#: How somebody is notified: the code for mail.
CHANNELS, MAIL = nos("TRE_R200-CanalCommunication"), "3"
Kind = Literal["declaration", "request"]
Tree = Mapping[str, Any]


def kind(tree: Tree) -> Kind | None:
    """What a CommunicationRequest is; None where it has nothing to do with events."""
    claimed = _claimed(tree)
    if REQUEST in claimed:
        return "request"
    if DECLARATION in claimed:
        return "declaration"
    if not values(tree, EVENT_TYPE):
        return None
    return "request" if tree.get("basedOn") else "declaration"


def follows_events(tree: Tree) -> bool:
    """Whether a Subscription is one to the events of a person: it claims the profile, or names the person."""
    return SUBSCRIPTION in _claimed(tree) or bool(values(tree, SUBJECT))


def said(tree: Tree, url: str) -> Any:
    """The value of the first extension of a resource, or an element, with a URL; None without one."""
    return next(iter(values(tree, url)), None)


def values(tree: object, url: str) -> list[Any]:
    """The values of the extensions with a URL; of what is not as its type says, those that are."""
    rows = [one for one in dicts(tree.get("extension")) if one.get("url") == url] if isinstance(tree, dict) else []
    return [value for one in rows for name, value in one.items() if name.startswith("value")]


def event_types(tree: Tree) -> list[tuple[str, str]]:
    """(system, code) of each coding of the type of event."""
    concept = said(tree, EVENT_TYPE)
    codings = concept.get("coding") if isinstance(concept, dict) else None
    found = [one for one in dicts(codings) if one.get("code")]
    return [(str(one.get("system", "")), str(one["code"])) for one in found]


def subject(tree: Tree) -> dict[str, Any]:
    """The Reference to whose events: of a Subscription by its extension; {} without one."""
    found = said(tree, SUBJECT) if tree.get("resourceType") == "Subscription" else tree.get("subject")
    return found if isinstance(found, dict) else {}


def record(tree: Tree, base: str) -> str:
    """Whose events, as the server found it or as a literal reference says: "Patient/1"; "" where nobody here is."""
    reference = subject(tree)
    found = said(reference, RECORD)
    literal = local(found if isinstance(found, dict) else reference, base)
    return literal if literal.startswith("Patient/") else ""


def referred(tree: Tree, reference: object, base: str) -> dict[str, Any] | str:
    """What a Reference of a resource names: what is contained, "Patient/1" of this server, or {} for nothing here."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    if isinstance(text, str) and text.startswith("#"):
        return next((one for one in dicts(tree.get("contained")) if one.get("id") == text[1:]), {})
    return local(reference, base) or {}


def local(reference: object, base: str) -> str:
    """ "Patient/1" of a literal reference to what is here; "" of any other."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    found = parse(text, base) if isinstance(text, str) else None
    return found.target if found is not None and found.local and not found.fragment else ""


def dicts(value: object) -> Iterator[dict[str, Any]]:
    """The objects of a list; none of what is no list."""
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))


def _claimed(tree: Tree) -> set[str]:
    meta = tree.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    return {str(one).partition("|")[0] for one in (profiles if isinstance(profiles, list) else ())}
