"""The services of the health space: one row each. A folder beside this file and a row here add one."""

from __future__ import annotations

from fhir_server.space.accesses.service import ACCESSES
from fhir_server.space.accounts.service import ACCOUNTS
from fhir_server.space.agenda.calendar.service import CALENDAR
from fhir_server.space.agenda.service import AGENDA
from fhir_server.space.catalogue.service import CATALOGUE
from fhir_server.space.childhood.service import CHILDHOOD
from fhir_server.space.delegations.service import DELEGATIONS
from fhir_server.space.events.service import EVENTS
from fhir_server.space.guides.service import GUIDES
from fhir_server.space.identities.service import IDENTITIES
from fhir_server.space.indicators.service import INDICATORS
from fhir_server.space.mailboxes.service import MAILBOXES
from fhir_server.space.majority.service import MAJORITY
from fhir_server.space.messages.service import MESSAGES
from fhir_server.space.notices.service import NOTICES
from fhir_server.space.portability.service import PORTABILITY
from fhir_server.space.profile.service import PROFILE
from fhir_server.space.record.service import RECORD
from fhir_server.space.service import Service
from fhir_server.space.subscriptions.service import SUBSCRIPTIONS

#: In the order in which their jobs are done.
SERVICES: tuple[Service, ...] = (
    NOTICES,
    CATALOGUE,
    ACCOUNTS,
    DELEGATIONS,
    MAJORITY,
    IDENTITIES,
    ACCESSES,
    MAILBOXES,
    RECORD,
    MESSAGES,
    AGENDA,
    CALENDAR,
    PORTABILITY,
    EVENTS,
    SUBSCRIPTIONS,
    GUIDES,
    INDICATORS,
    PROFILE,
    CHILDHOOD,
)
