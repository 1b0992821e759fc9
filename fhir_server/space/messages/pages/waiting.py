"""How many messages wait unread for somebody, as the head of every page tells.

One count for all whom they act for, of what they may read: as many as `Patient/$unread` of each of them says.
"""

from __future__ import annotations

from fhir_server.access.grant import Grant, Scope
from fhir_server.site.signed_in import Guest
from fhir_server.site.visit import MANY
from fhir_server.space.messages.rows import FROM
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Filter, Missing, Refers, Token, both, either

_READS = (Scope("user", "Communication", frozenset("rs")),)


async def unread(guest: Guest[Surroundings]) -> int:
    """How many messages to their side nobody received yet; counting stops at `MANY`."""
    account = guest.account
    role = guest.session.role or next(iter(account.roles), None)
    grant = Grant(_READS, subject=account.subject, role=role, client=SITE, wards=frozenset(account.wards))
    seen = await guest.service.seen_by(grant)
    if account.professional:
        # What a patient sent and they may read was sent to them.
        where: Filter = Token(FROM, "patient")
    else:
        theirs = either([Refers("subject", f"Patient/{id}") for id in account.patients])
        where = both(theirs, Token(FROM, "professional"))
    return await seen.count({"Communication": both(where, Missing("received"))}, MANY)
