"""To whom a patient's side may write first: professionals who wrote and have not ended it, pharmacies that dispensed.

Domain file §2.7. Who comes into question is gathered, and each is judged by the table of rules itself: whom this names
takes a message, and whom it does not name would not, among those who come into question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.space.messages.dispensing import dispensers, has_dispensed
from fhir_server.space.messages.model import communication, message_of
from fhir_server.space.messages.rows import FROM
from fhir_server.space.messages.rules import broken
from fhir_server.space.messages.situation import LATEST, last_word, situation
from fhir_server.space.messages.writers import Writer, writer_of
from fhir_server.store.filters import Filter, Not, Refers, Token, both, either
from fhir_server.store.protocol import NEWEST

#: Who are shown at once, who are judged for that at most, and who come into question at all: pages go no further.
SHOWN, JUDGED, MOST = 50, 200, 2_000
#: Messages that are read at once to find who sent them.
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Contacts:
    """A page of those to whom somebody may begin to write.

    Attributes:
        references: of them, who was heard of last first.
        next: from which place on the next page goes, of those who come into question; None of the last.
    """

    references: Sequence[str]
    next: int | None


async def contacts(repository: Repository, patient: str, start: int = 0, now: datetime | None = None) -> Contacts:
    """Those to whom the caller may begin to write in the place of a patient ("Patient/1"), `SHOWN` at most.

    Args:
        repository: as the caller sees it.
        patient: for whom they act.
        start: from which place on, as `Contacts.next` said.
        now: instant at which it would be sent; None for this one.
    """
    # Each is judged by the same patient and writer: read once.
    with repository.together():
        return await _contacts(repository, patient, max(start, 0), now or datetime.now(UTC))


async def _contacts(repository: Repository, patient: str, start: int, at: datetime) -> Contacts:
    writer, own = await writer_of(repository, patient), repository.as_server()
    until = min(start + JUDGED, MOST)
    # One more than are judged, by whom it is known whether there are others.
    asked = await _wrote(own, patient, until + 1)
    if len(asked) <= until:
        asked += [one for one in await dispensers(own, patient, at, JUDGED) if one not in asked]
    found: list[str] = []
    for place in range(start, min(len(asked), until)):
        if len(found) == SHOWN:
            return Contacts(found, place)
        if await _may(repository, patient, asked[place], writer, at):
            found.append(asked[place])
    return Contacts(found, until if until < min(len(asked), MOST) else None)


async def is_contact(repository: Repository, patient: str, reference: str) -> bool:
    """Whether the caller may begin to write to somebody in the place of a patient, on whichever page they are."""
    own, now = repository.as_server(), datetime.now(UTC)
    if await last_word(own, patient, reference) is None and not await has_dispensed(own, patient, reference, now):
        return False
    return await _may(repository, patient, reference, await writer_of(repository, patient), now)


async def _may(repository: Repository, patient: str, reference: str, writer: Writer, now: datetime) -> bool:
    message = message_of(communication(patient, patient, [reference], "", []))
    return not [*broken(await situation(repository, message, writer, now))]


async def _wrote(own: Repository, patient: str, most: int) -> list[str]:
    """Senders of messages to a patient, each once, whoever wrote last first; `most` at most."""
    everything: Filter = both(Refers("subject", patient), Token(FROM, "professional"))
    found: dict[str, None] = {}
    while len(found) < most:
        # Of whom is known nothing more is read, so that one who wrote thousands hides nobody.
        where = both(everything, Not(either([Refers("sender", one) for one in found]))) if found else everything
        page = await own.find({"Communication": where}, [LATEST, *NEWEST], count=_AT_ONCE)
        found |= dict.fromkeys(message_of(parse(one.body), own.base).sender for one in page.versions)
        if len(page.versions) < _AT_ONCE:
            break
    return [*found][:most]
