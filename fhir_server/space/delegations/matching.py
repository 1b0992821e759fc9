"""Somebody is named before they are invited: who they are is kept under a word that says nothing of it.

Domain file §4: identities are matched first, and the answer is the same for nobody. What became of it is said when that
word is used, by one code for all reasons; how many may be named in a while is bounded.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fhir_server.fhir.outcome import TooManyRequests
from fhir_server.smart.secret import digest, made
from fhir_server.space.delegations import people
from fhir_server.space.delegations.people import Identity
from fhir_server.space.service import Surroundings

#: Kind of the records: key = patient (id), a line break, the digest of the word; value = id of a Patient, or nothing.
_MATCH = "delegation-match"
#: How long a word can be used, and how many a patient may have at once.
LASTS, MOST = timedelta(minutes=15), 5


async def match(around: Surroundings, patient: str, said: Identity, now: datetime) -> tuple[str, datetime]:
    """A word for whoever the identity is, and until when it can be used; a patient's (id) own.

    Raises:
        TooManyRequests: too many were named in a while (429).
    """
    if len(await around.records.list(_MATCH, f"{patient}\n", count=MOST)) >= MOST:
        seconds = str(int(LASTS.total_seconds()))
        raise TooManyRequests("Too many people were named in a while; wait.", headers={"Retry-After": seconds})
    found = await people.matched(around.repository(), said, now)
    word = made()
    value = found.encode() if found is not None and found != patient else b""
    await around.records.put(_MATCH, _key(patient, word), value, LASTS.total_seconds())
    return word, now + LASTS


async def named(around: Surroundings, patient: str, word: str) -> str | None:
    """Id of the Patient whom a patient (id) named with a word; None for nobody, or a word of somebody else."""
    value = await around.records.get(_MATCH, _key(patient, word))
    return value.decode() if value else None


def _key(patient: str, word: str) -> str:
    return f"{patient}\n{digest(word)}"
