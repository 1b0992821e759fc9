"""AuditEvents of what is decided about access: who signed in or out, what was granted or refused, to whom and on whom.

https://hl7.org/fhir/R4/auditevent.html, CSP R1111-43, RFC 9700 §4.14.2. An event names people, software and scopes;
never a secret, nor a login that nobody has: what was typed there may have been a password. Verifying a token leaves
none: what is done with it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.party import Party
from fhir_server.access.repository import Repository
from fhir_server.audit import kinds
from fhir_server.audit.audit_event import Event, named, organization, patient, to_audit_event
from fhir_server.audit.kinds import AccessKind
from fhir_server.audit.parties import acting
from fhir_server.audit.recording import record, witnessed
from fhir_server.store.protocol import Put, Records

if TYPE_CHECKING:
    from fhir_server.changes.cache import Cache

#: Seconds between two events of the same thing that costs whoever does it nothing.
SELDOM = 60


@dataclass(frozen=True, slots=True)
class AccessEvent:
    """What is decided.

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

    kind: AccessKind
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


class AccessAudit:
    """Records such events; the answer they are about leaves after them."""

    def __init__(
        self,
        repository: Callable[[Grant, str], Repository] | None,
        kept: bool,
        records: Records,
        cache: Cache,
    ) -> None:
        """`repository` is the store as a grant sees it from a base; nothing is kept without one, or when not `kept`.

        `cache` is what this worker remembers, such as who professionals are.
        """
        self._repository = repository if kept else None
        self._records = records
        self._cache = cache

    async def record_seldom(self, event: AccessEvent, base: str) -> None:
        """As `record`, of what anyone may repeat without being known: one a minute for each client."""
        if self._repository is None:
            return
        if await self._records.add("traced", f"{event.kind}:{event.client}", b"", SELDOM):
            await self.record(event, base)

    async def record(self, event: AccessEvent, base: str) -> None:
        """Keep an event, durable when this returns; `base` is the FHIR base it happened at."""
        if self._repository is not None:
            own = self._repository(OPEN, base)
            await record(own, [access_event(event, base, await self._party(event, own))])

    async def written(self, event: AccessEvent, base: str) -> list[Put]:
        """The write of an event, for the commit that decides it (`Records.apply`); none where none are kept."""
        if self._repository is None:
            return []
        own = self._repository(OPEN, base)
        return [witnessed(own, access_event(event, base, await self._party(event, own)))]

    async def _party(self, event: AccessEvent, own: Repository) -> Party | None:
        return await acting(event.subject, event.role, lambda: own, self._cache)


def access_event(event: AccessEvent, source: str, party: Party | None = None) -> dict[str, Any]:
    """The AuditEvent of a decision.

    Args:
        event: what was decided.
        source: the server's own identity (its FHIR base).
        party: who did it, by name and national identifier, where the directory knows.
    """
    return to_audit_event(
        Event(
            kinds.access(event.kind),
            source,
            subject=event.subject,
            party=party,
            client=event.client,
            role=event.role,
            address=event.address,
            purpose=event.purpose,
            reason=event.reason,
            outcome="4" if event.failed else "0",
            described=event.why,
            entities=list(_entities(event, party)),
        )
    )


def _entities(event: AccessEvent, party: Party | None) -> Iterator[dict[str, Any]]:
    if event.patient:
        yield patient(f"Patient/{event.patient}")
    scopes = " ".join(event.scopes)
    if scopes:
        yield named("scope", [scopes])
    if party is not None and party.organization is not None:
        yield organization(party.organization)
