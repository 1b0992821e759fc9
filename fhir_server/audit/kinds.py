"""Every kind of AuditEvent as data: its type, subtype and action.

https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/valueset-audit-event-type.html; types and subtypes of
DICOM: http://dicom.nema.org/resources/ontology/DCM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

DCM = "http://dicom.nema.org/resources/ontology/DCM"
#: Own code system of what DICOM has no subtype for.
OWN = "https://fhir-server.example/CodeSystem/ens-access-event"
_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"

#: http://hl7.org/fhir/ValueSet/audit-event-action: create, read, update, delete, execute.
Action = Literal["C", "R", "U", "D", "E"]


class Code(NamedTuple):
    """A coding; `display` is "" where its system gives none."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class EventKind:
    """What all AuditEvents of a kind say alike. One subtype: TDE 2.0.0 takes no more."""

    type: Code
    subtype: Code
    action: Action


#: Type of what happens to an app on its way through the catalogue, and of the like.
ACTIVITY = Code(DCM, "110100", "Application Activity")
#: Subtype of what is opened in an emergency, by which it is found.
OVERRIDE = Code(DCM, "110127", "Emergency Override Started")
_REST = Code(_TYPES, "rest", "RESTful Operation")
_LOGIN = Code(DCM, "110114", "User Authentication")
_ALERT = Code(DCM, "110113", "Security Alert")
_LOG_USED = Code(DCM, "110101", "Audit Log Used")

#: What is decided about access.
AccessKind = Literal[
    "sign-in",
    "sign-out",
    "authorization-granted",
    "authorization-refused",
    "token-refused",
    "refresh-reuse",
    "code-reuse",
    "revocation",
    "launch",
    "accesses-shown",
    "registration",
    "registration-update",
    "registration-removal",
]
#: Kind → type, subtype, action.
ACCESS: Mapping[AccessKind, tuple[Code, Code, Action]] = {
    "sign-in": (_LOGIN, Code(DCM, "110122", "Login"), "E"),
    "sign-out": (_LOGIN, Code(DCM, "110123", "Logout"), "E"),
    "authorization-granted": (_LOGIN, Code(OWN, "authorization-granted", "Authorization granted"), "C"),
    "authorization-refused": (_LOGIN, Code(OWN, "authorization-refused", "Authorization refused"), "C"),
    "token-refused": (_ALERT, Code(OWN, "token-refused", "Token refused"), "E"),
    "refresh-reuse": (_ALERT, Code(OWN, "refresh-reuse", "Refresh token used a second time"), "E"),
    "code-reuse": (_ALERT, Code(OWN, "code-reuse", "Authorization code used a second time"), "E"),
    "revocation": (_LOGIN, Code(OWN, "revocation", "Access revoked"), "D"),
    "launch": (_LOGIN, Code(OWN, "launch", "App launched"), "E"),
    "accesses-shown": (_LOG_USED, Code(_INTERACTIONS, "search-type"), "R"),
    "registration": (_LOGIN, Code(OWN, "registration", "App registered"), "C"),
    "registration-update": (_LOGIN, Code(OWN, "registration-update", "Registration of an app changed"), "U"),
    "registration-removal": (_LOGIN, Code(OWN, "registration-removal", "Registration of an app removed"), "D"),
}
#: Code of http://hl7.org/fhir/restful-interaction → action; all others execute.
_ACTIONS: Mapping[str, Action] = {"create": "C", "read": "R", "vread": "R", "update": "U", "patch": "U", "delete": "D"}


def access(kind: AccessKind) -> EventKind:
    """The kind of a decision about access."""
    type, subtype, action = ACCESS[kind]
    return EventKind(type, subtype, action)


def interaction(code: str, emergency: bool) -> EventKind:
    """The kind of a FHIR exchange; `code` is the interaction's, or an operation's name with its `$`."""
    return EventKind(_REST, OVERRIDE if emergency else Code(_INTERACTIONS, code), _ACTIONS.get(code, "E"))
