"""The trace of what is decided about access: who signed in or out, what was granted or refused, to whom and on whom.

https://hl7.org/fhir/R4/auditevent.html (types and subtypes of DICOM, http://dicom.nema.org/resources/ontology/DCM),
CSP R1111-43, RFC 9700 §4.14.2. A trace names people, software and scopes; never a secret, nor a login that nobody
has: what was typed there may have been a password. Verifying a token leaves none: what is done with it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_server.access.audit import DCM, who
from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.repository import Repository
from fhir_server.store.protocol import Records

#: Own code system of what DICOM has no subtype for.
EVENTS = "https://fhir-server.example/CodeSystem/ens-access-event"
_ENTITIES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_NETWORK_ADDRESS = "2"

#: Seconds between two traces of the same thing that costs whoever does it nothing.
SELDOM = 60

Kind = Literal[
    "sign-in",
    "sign-out",
    "authorization-granted",
    "authorization-refused",
    "token-refused",
    "refresh-reuse",
    "code-reuse",
    "revocation",
    "launch",
    "registration",
    "registration-update",
    "registration-removal",
]
_LOGIN = ("110114", "User Authentication")
_ALERT = ("110113", "Security Alert")
#: Kind → (type, subtype's system, code and display, action).
KINDS: dict[Kind, tuple[tuple[str, str], tuple[str, str, str], str]] = {
    "sign-in": (_LOGIN, (DCM, "110122", "Login"), "E"),
    "sign-out": (_LOGIN, (DCM, "110123", "Logout"), "E"),
    "authorization-granted": (_LOGIN, (EVENTS, "authorization-granted", "Authorization granted"), "C"),
    "authorization-refused": (_LOGIN, (EVENTS, "authorization-refused", "Authorization refused"), "C"),
    "token-refused": (_ALERT, (EVENTS, "token-refused", "Token refused"), "E"),
    "refresh-reuse": (_ALERT, (EVENTS, "refresh-reuse", "Refresh token used a second time"), "E"),
    "code-reuse": (_ALERT, (EVENTS, "code-reuse", "Authorization code used a second time"), "E"),
    "revocation": (_LOGIN, (EVENTS, "revocation", "Access revoked"), "D"),
    "launch": (_LOGIN, (EVENTS, "launch", "App launched"), "E"),
    "registration": (_LOGIN, (EVENTS, "registration", "App registered"), "C"),
    "registration-update": (_LOGIN, (EVENTS, "registration-update", "Registration of an app changed"), "U"),
    "registration-removal": (_LOGIN, (EVENTS, "registration-removal", "Registration of an app removed"), "D"),
}


@dataclass(frozen=True, slots=True)
class Trace:
    """What is traced.

    Attributes:
        kind: of event.
        subject: who, "Patient/1"; None when nobody is known.
        client: through which software, its client id.
        patient: id of the patient it is about.
        scopes: granted or refused.
        role: PractitionerRole the person acts in.
        purpose: of use; reason: why, in words.
        address: network address it came from, "" when it is not known.
        failed: whether it was refused; why: in words that hold no secret.
    """

    kind: Kind
    subject: str | None = None
    client: str | None = None
    patient: str | None = None
    scopes: Iterable[str] = ()
    role: str | None = None
    purpose: str | None = None
    reason: str | None = None
    address: str = ""
    failed: bool = False
    why: str = ""


class AccessTraces:
    """Leaves traces; the answer they are about leaves after them."""

    def __init__(self, repository: Callable[[Grant, str], Repository] | None, kept: bool, records: Records) -> None:
        """`repository` is the store as a grant sees it from a base; nothing is kept without one, or when not `kept`."""
        self._repository = repository if kept else None
        self._records = records

    async def once(self, trace: Trace, base: str) -> None:
        """Keep a trace of what anyone may repeat without being known: one a minute for each client."""
        if self._repository is None:
            return
        if await self._records.add("traced", f"{trace.kind}:{trace.client}", b"", SELDOM):
            await self.leave(trace, base)

    async def leave(self, trace: Trace, base: str) -> None:
        """Keep a trace; `base` is the FHIR base it happened at."""
        if self._repository is None:
            return
        server = self._repository(OPEN, base)
        tree = event(trace, base)
        await server.transact([await server.witness(tree)])


def event(trace: Trace, source: str) -> dict[str, Any]:
    """The AuditEvent of a trace; `source` is the server's own identity (its FHIR base)."""
    (type, type_display), (system, code, display), action = KINDS[trace.kind]
    entities = list(_entities(trace))
    return {
        "resourceType": "AuditEvent",
        "type": {"system": DCM, "code": type, "display": type_display},
        "subtype": [{"system": system, "code": code, "display": display}],
        "action": action,
        "recorded": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "outcome": "4" if trace.failed else "0",
        **({"outcomeDesc": trace.why} if trace.why else {}),
        **({"purposeOfEvent": [_purpose(trace)]} if trace.purpose else {}),
        "agent": _agents(trace),
        "source": {"observer": {"display": source}},
        **({"entity": entities} if entities else {}),
    }


def _agents(trace: Trace) -> list[dict[str, Any]]:
    network = {"network": {"address": trace.address, "type": _NETWORK_ADDRESS}} if trace.address else {}
    role = {"role": [{"text": trace.role}]} if trace.role else {}
    agents: list[dict[str, Any]] = []
    if trace.subject:
        agents.append({**role, "who": who(trace.subject), "requestor": True, **network})
    if trace.client:
        own = {} if agents else network
        agents.append({"who": {"identifier": {"value": trace.client}}, "requestor": not agents, **own})
    return agents or [{"who": {"display": "unknown"}, "requestor": True, **network}]


def _entities(trace: Trace) -> Iterable[dict[str, Any]]:
    if trace.patient:
        yield {
            "what": {"reference": f"Patient/{trace.patient}"},
            "type": {"system": _ENTITIES, "code": "1"},
            "role": {"system": _ROLES, "code": "1", "display": "Patient"},
        }
    scopes = " ".join(trace.scopes)
    if scopes:
        kind = {"type": {"system": _ENTITIES, "code": "2"}}
        yield {**kind, "name": "scope", "detail": [{"type": "scope", "valueString": scopes}]}


def _purpose(trace: Trace) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    coded: dict[str, Any] = {"coding": [{"system": system, "code": trace.purpose}]}
    return {**coded, "text": trace.reason} if trace.reason else coded
