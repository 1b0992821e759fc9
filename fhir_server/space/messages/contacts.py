"""To whom a patient's side may write first: professionals who wrote and have not ended it, pharmacies that dispensed.

Domain file §2.7. Who comes into question is gathered, and each is judged by the table of rules itself: whom this names
takes a message, and whom it does not name would not, among those who come into question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.messages.dispensing import dispensers
from fhir_server.space.messages.model import communication, message_of
from fhir_server.space.messages.rows import FROM
from fhir_server.space.messages.rules import broken
from fhir_server.space.messages.situation import LATEST, situation
from fhir_server.space.messages.writers import writer_of
from fhir_server.store.filters import Filter, Not, Refers, Token, both
from fhir_server.store.protocol import NEWEST

#: Who come into question of each kind, the latest: each is looked up, and a page shows no more.
MOST = 50


async def contacts(repository: Repository, patient: str, now: datetime | None = None) -> list[str]:
    """References of those to whom the caller may begin to write in the place of a patient ("Patient/1"); latest first.

    Args:
        repository: as the caller sees it.
        patient: for whom they act.
        now: instant at which it would be sent; None for this one.
    """
    at, writer, own = now or datetime.now(UTC), await writer_of(repository, patient), repository.as_server()
    asked = [one async for one in _wrote(own, patient)]
    asked += [one for one in await dispensers(own, patient, at, MOST) if one not in asked]
    found = []
    for one in asked:
        message = message_of(communication(patient, patient, [one], "", []))
        if not [*broken(await situation(repository, message, writer, at))]:
            found.append(one)
    return found


async def _wrote(own: Repository, patient: str) -> AsyncIterator[str]:
    """Senders of messages to a patient, each once, whoever wrote last first."""
    where: Filter = both(Refers("subject", patient), Token(FROM, "professional"))
    for _ in range(MOST):
        page = await own.find({"Communication": where}, [LATEST, *NEWEST], count=1)
        if not page.versions:
            return
        sender = message_of(parse(page.versions[0].body), own.base).sender
        yield sender
        where = both(where, Not(Refers("sender", sender)))
