"""What follows a merge, or its undoing, outside its commit: the account, sessions, tokens, addresses; who is told.

What is to follow is noted before the commit and struck off after it; what is left of an interrupted one the job does.
Nobody sees more until then: a record that is merged is in use for nobody (`accounts.reading_rules`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from fhir_server.access.trees import tree_of
from fhir_server.fhir.outcome import FhirError
from fhir_server.jobs.clock import Job
from fhir_server.smart.people.accounts import Accounts
from fhir_server.smart.people.sessions import Sessions
from fhir_server.smart.tokens.storage import Tokens
from fhir_server.space.accounts.codes import CODE
from fhir_server.space.agenda.calendar import addresses
from fhir_server.space.delegations.following import follow
from fhir_server.space.identities.merging.ledger import Merge, from_basic
from fhir_server.space.notices.telling import Notices
from fhir_server.space.service import Surroundings

#: Kinds of the records: id of a merge → when it was noted, as ISO 8601; id of a merge → the account it closed.
_DUE, _CLOSED = "identity-due", "identity-closed"
#: Whoever has not struck theirs off by then was interrupted.
_INTERRUPTED, _MOST = timedelta(minutes=5), 200


@asynccontextmanager
async def settled(around: Surroundings, id: str, now: datetime) -> AsyncIterator[None]:
    """Have follow what follows of a merge (id) that is done, or undone, inside; of one that was refused, nothing."""
    await around.records.put(_DUE, id, now.isoformat().encode())
    try:
        yield
    except FhirError:
        # What was left of another time is done too: it does no harm again.
        await _settle(around, id, now)
        raise
    await _settle(around, id, now)


async def _settle(around: Surroundings, id: str, now: datetime) -> None:
    merge = from_basic(tree_of(await around.repository().current("Basic", id)))
    if merge is not None and merge.status == "merged":
        await _ended(around, merge, now)
    elif merge is not None:
        await _opened(around, merge, now)
    await around.records.take(_DUE, id)


async def _ended(around: Surroundings, merge: Merge, now: datetime) -> None:
    accounts, tokens = Accounts(around.records), Tokens(around.records)
    account = await accounts.of_subject(f"Patient/{merge.source}")
    if account is not None and account.open:
        # Before it is closed: one that was closed already is not opened by an undoing.
        await around.records.add(_CLOSED, merge.id, account.id.encode())
        await accounts.close(account.id)
    if account is not None:
        await Sessions(around.records).end_all(account.id)
        await tokens.end_where(account=account.id)
    await tokens.end_where(patient=merge.source)
    people = {f"Patient/{merge.source}", *(one.subject for one in await accounts.acting_for(merge.source))}
    for person in sorted(people):
        await addresses.revoke(around.records, person, merge.source)
    await follow(around, merge.source, merge.source, now)
    await around.records.take(CODE, merge.source)
    await _tell(around, merge, now)


async def _opened(around: Surroundings, merge: Merge, now: datetime) -> None:
    closed = await around.records.get(_CLOSED, merge.id)
    if closed is not None:
        await Accounts(around.records).reopen(closed.decode())
        await around.records.take(_CLOSED, merge.id)
    await follow(around, merge.source, merge.source, now)
    await _tell(around, merge, now)


async def _tell(around: Surroundings, merge: Merge, now: datetime) -> None:
    notices: Notices = around.service("notices")
    key = f"identity {merge.id} {merge.status} {merge.at.isoformat()}"
    await notices.tell(merge.target, "access", key, occasion="identity", at=now)


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes: merges that were interrupted are followed to their end."""

    async def run(now: datetime) -> int:
        done = 0
        for id, noted in await around.records.list(_DUE, count=_MOST):
            if datetime.fromisoformat(noted.decode()) + _INTERRUPTED <= now:
                await _settle(around, id, now)
                done += 1
        return done

    return (Job("identities-settled", timedelta(minutes=5), run),)
