"""That what let a message be sent holds when it is committed: nobody blocked, closed or ended it in between.

A message is judged before its commit. So its commit holds to the conditions that the patient is as they were judged,
that nobody of the exchange was blocked meanwhile, and that a professional to whom a patient writes anew did not end it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.access.write_rules import people
from fhir_server.fhir.dates import interval
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.messages.dispensing import has_dispensed
from fhir_server.space.messages.ending import sent_now
from fhir_server.space.messages.model import Message, side
from fhir_server.space.messages.rows import ENDS
from fhir_server.space.messages.situation import blocks, last_word, words_of
from fhir_server.space.messages.writers import Writer, writer_of
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Filter, Id, Range, Token, both
from fhir_server.store.protocol import Guard


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """The conditions of the messages that are sent."""
    if not people(context.repository.grant):
        return Extra()
    guards: list[Guard] = []
    for change in changes:
        if (message := sent_now(context, change)) is not None:
            writer = await writer_of(context.repository, message.patient)
            guards += [one async for one in _conditions(context.repository.as_server(), message, writer, among)]
    return Extra(guards=guards)


async def _conditions(own: Repository, message: Message, writer: Writer, among: Among) -> AsyncIterator[Guard]:
    patient = await own.current("Patient", message.patient.rpartition("/")[2])
    if patient is not None and message.patient not in among.present:
        now = Range("_lastUpdated", low_from=patient.at * 1000, high_to=patient.at * 1000)
        yield Guard("Patient", both(Id((patient.id,)), now), frozenset({patient.id}))
    parties = {one: await referred(own, one) for one in dict.fromkeys((*message.recipients, message.sender))}
    for _, blocked in blocks(message, writer, parties):
        yield Guard("Consent", blocked, frozenset())
    for one in message.recipients if writer.side == "patient" and message.answers is None else ():
        if side(one) == "professional" and (where := await _ended_since(own, message.patient, one)) is not None:
            yield Guard("Communication", where, frozenset())


async def _ended_since(own: Repository, patient: str, professional: str) -> Filter | None:
    """Ends that somebody wrote a patient after the last that they wrote; None where these do not matter."""
    last = await last_word(own, patient, professional)
    if last is None or last.sent is None or await has_dispensed(own, patient, professional, datetime.now(UTC)):
        return None
    first, until = interval(last.sent, PARIS)
    # It may be an end that came since the message was judged: then the condition does not hold.
    later = Range("sent", low_from=first if last.ends else until + 1)
    return both(words_of(patient, professional), Token(ENDS, "1"), later)
