"""To whom a patient's side may write first: professionals who wrote and have not ended it, pharmacies that dispensed.

Domain file §2.7. Who comes into question is gathered, and each is judged by the table of rules itself: whom this names
takes a message, and whom it does not name would not, among those who come into question.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.messages.dispensing import dispensers
from fhir_server.space.messages.model import communication, message_of
from fhir_server.space.messages.rows import FROM
from fhir_server.space.messages.rules import broken
from fhir_server.space.messages.situation import LATEST, situation
from fhir_server.space.messages.writers import writer_of
from fhir_server.store.filters import Filter, Not, Refers, Token, both, either
from fhir_server.store.protocol import NEWEST

#: Who come into question of each kind, the latest: each is looked up, and a page shows no more.
MOST = 50
#: Messages that are read at once to find who sent them.
_AT_ONCE = 100


async def contacts(repository: Repository, patient: str, now: datetime | None = None) -> list[str]:
    """References of those to whom the caller may begin to write in the place of a patient ("Patient/1"); latest first.

    Args:
        repository: as the caller sees it.
        patient: for whom they act.
        now: instant at which it would be sent; None for this one.
    """
    at, writer, own = now or datetime.now(UTC), await writer_of(repository, patient), repository.as_server()
    asked = await _wrote(own, patient)
    asked += [one for one in await dispensers(own, patient, at, MOST) if one not in asked]
    found = []
    for one in asked:
        message = message_of(communication(patient, patient, [one], "", []))
        if not [*broken(await situation(repository, message, writer, at))]:
            found.append(one)
    return found


async def _wrote(own: Repository, patient: str) -> list[str]:
    """Senders of messages to a patient, each once, whoever wrote last first; `MOST` at most."""
    everything: Filter = both(Refers("subject", patient), Token(FROM, "professional"))
    found: dict[str, None] = {}
    while len(found) < MOST:
        # Of whom is known nothing more is read, so that one who wrote thousands hides nobody.
        where = both(everything, Not(either([Refers("sender", one) for one in found]))) if found else everything
        page = await own.find({"Communication": where}, [LATEST, *NEWEST], count=_AT_ONCE)
        found |= dict.fromkeys(message_of(parse(one.body), own.base).sender for one in page.versions)
        if len(page.versions) < _AT_ONCE:
            break
    return [*found][:MOST]
