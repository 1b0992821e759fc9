"""The AuditEvents of one FHIR exchange: naming the person, the software, one patient each, and what was done.

https://hl7.org/fhir/R4/security.html#audit, https://hl7.org/fhir/R4/auditevent.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.party import Party
from fhir_server.access.touched import Touched
from fhir_server.audit import kinds
from fhir_server.audit.audit_event import Event, Outcome, named, organization, patient, resource, to_audit_event

#: The most objects one event names; a search that lists more says how many it listed.
MOST_OBJECTS = 200
#: Purposes of use by which a record is opened without its holder's leave: breaking the glass, emergency call centres.
EMERGENCIES = frozenset({"BTG", "ETREAT"})
#: Name of the entity by which an emergency's event says what was done.
INTERACTION = "interaction"


def exchange_events(
    grant: Grant,
    touched: Touched,
    interaction: str,
    type: str | None,
    status: int,
    source: str,
    party: Party | None = None,
) -> Iterator[dict[str, Any]]:
    """The AuditEvents of one exchange, each of one patient at most. Arguments as `exchange_event`."""
    for part in touched.apart():
        yield exchange_event(grant, part, interaction, type, status, source, party)


def exchange_event(
    grant: Grant,
    touched: Touched,
    interaction: str,
    type: str | None,
    status: int,
    source: str,
    party: Party | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """The AuditEvent of all that was touched, in one.

    Args:
        grant: the caller.
        touched: what the exchange touched.
        interaction: a code of http://hl7.org/fhir/restful-interaction, or an operation's name with its `$`.
        type: the resource type asked for, when there is one.
        status: the HTTP status that will be answered.
        source: the server's own identity (its FHIR base).
        party: who the caller is, where the directory knows.
        at: when; now without it.
    """
    emergency = grant.purpose in EMERGENCIES
    entities = [resource(reference) for reference in list(touched.objects)[:MOST_OBJECTS]]
    entities += [patient(reference) for reference in touched.patients]
    if type and not touched.objects:
        entities.append(named(type))
    if emergency:
        # Its one subtype says that it was one: what was done is told here.
        entities.append(named(INTERACTION, [interaction]))
    if party is not None and party.organization is not None:
        entities.append(organization(party.organization))
    return to_audit_event(
        Event(
            kinds.interaction(interaction, emergency=emergency),
            source,
            subject=grant.subject,
            party=party,
            client=grant.client,
            role=grant.role,
            purpose=grant.purpose,
            reason=grant.reason,
            outcome=_outcome(status),
            entities=entities,
            at=at,
        )
    )


def _outcome(status: int) -> Outcome:
    return "0" if status < 400 else "4" if status < 500 else "8"
