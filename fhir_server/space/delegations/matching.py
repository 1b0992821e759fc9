"""Somebody is named before they are invited: who they are is kept under a word that says nothing of it.

Domain file §4: identities are matched first, and the answer is the same for nobody. What became of it is said when that
word is used, by one code for all reasons; how many may be named in a while is bounded.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from fhir_server.fhir.outcome import TooManyRequests
from fhir_server.smart.secret import digest, made
from fhir_server.space.delegations import people
from fhir_server.space.delegations.people import Identity
from fhir_server.space.service import Surroundings

#: Kind of the records: key = patient (id), a line break, a number below `MOST`; value = the digest of the word, a line
#: break, and the id of a Patient, or nothing. That a number is taken is the bound: of several at once none passes it.
_MATCH = "delegation-match"
#: How long a word can be used, and how many a patient may have at once.
LASTS, MOST = timedelta(minutes=15), 5


async def match(around: Surroundings, patient: str, said: Identity, now: datetime) -> tuple[str, datetime]:
    """A word for whoever the identity is, and until when it can be used; a patient's (id) own.

    Raises:
        TooManyRequests: too many were named in a while (429).
    """
    found = await people.matched(around.repository(), said, now)
    word, seconds = made(), LASTS.total_seconds()
    whom = found if found is not None and found != patient else ""
    for number in range(MOST):
        value = f"{digest(word)}\n{whom}".encode()
        if await around.records.add(_MATCH, f"{patient}\n{number}", value, seconds):
            return word, now + LASTS
    raise TooManyRequests("Too many people were named in a while; wait.", headers={"Retry-After": str(int(seconds))})


async def named(around: Surroundings, patient: str, word: str) -> str | None:
    """Id of the Patient whom a patient (id) named with a word; None for nobody, or a word of somebody else."""
    for _, value in await around.records.list(_MATCH, f"{patient}\n", count=MOST):
        kept, _, whom = value.decode().partition("\n")
        if hmac.compare_digest(kept, digest(word)):
            return whom or None
    return None
