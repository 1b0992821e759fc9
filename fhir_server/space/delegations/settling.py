"""What follows a change of a delegation, outside its commit: accounts, attestations. None is lost where a process dies.

What is to follow is noted before the change and struck off after it; what is left of an interrupted one the job does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from fhir_server.access.trees import tree_of
from fhir_server.fhir.outcome import FhirError
from fhir_server.space.delegations.attesting import attest
from fhir_server.space.delegations.delegation import from_consent
from fhir_server.space.delegations.following import follow
from fhir_server.space.service import Surroundings

#: Kind of the records: key = id of the delegation, a blank and who changes it; value = when it was noted, as ISO 8601.
_DUE = "delegation-due"
#: Whoever has not struck theirs off by then was interrupted.
_INTERRUPTED, _MOST = timedelta(minutes=5), 200


@asynccontextmanager
async def settled(around: Surroundings, id: str, person: str, now: datetime) -> AsyncIterator[None]:
    """Have follow what follows of a change of a delegation (id), by somebody (id); of one that was refused, nothing."""
    key = f"{id} {person}"
    await around.records.put(_DUE, key, now.isoformat().encode())
    try:
        yield
    except FhirError:
        await around.records.take(_DUE, key)
        raise
    await settle(around, id, now)
    await around.records.take(_DUE, key)


async def settle(around: Surroundings, id: str, now: datetime) -> None:
    """Have follow what follows of how a delegation (id) stands; done again it does no harm."""
    own = around.repository()
    one = from_consent(tree_of(await own.current("Consent", id)))
    related = tree_of(await own.current("RelatedPerson", id))
    ward = str(related.get("patient", {}).get("reference", "")).removeprefix("Patient/")
    await follow(around, one.patient if one is not None else ward, one.delegate if one is not None else "", now)
    if one is not None and one.status == "active" and one.kind == "caregiving":
        await attest(around, one)


async def left(around: Surroundings, now: datetime) -> int:
    """Have follow what was interrupted; how many."""
    done = 0
    for key, noted in await around.records.list(_DUE, count=_MOST):
        if datetime.fromisoformat(noted.decode()) + _INTERRUPTED <= now:
            await settle(around, key.partition(" ")[0], now)
            await around.records.take(_DUE, key)
            done += 1
    return done
