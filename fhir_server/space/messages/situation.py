"""What the rules must know of a message that is sent: its thread, its people, and what binds them to one another.

Read as the server sees it, but for the message that is answered: this its writer must see. Hidden and absent are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.fhir.json import parse
from fhir_server.space.acting import minute
from fhir_server.space.messages.dispensing import has_dispensed
from fhir_server.space.messages.model import Message, local, message_of, side
from fhir_server.space.messages.rows import DRAFT_OF, ENDS, FROM, THREAD
from fhir_server.space.messages.writers import Writer
from fhir_server.space.record.choices import in_force
from fhir_server.store.filters import Filter, Missing, Refers, Token, both
from fhir_server.store.protocol import NEWEST, Sort

#: Messages by when they were sent, the latest first.
LATEST = Sort("sent", "span", descending=True)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the rules judge.

    Attributes:
        message: as it would be sent.
        writer: who sends it.
        answered: the message that it answers; None where it answers none, or none that its writer sees.
        first: the first of its thread, likewise.
        ended: whether the thread was ended.
        closed: whether the patient's space is closed, or the patient dead.
        unknown: recipients who are not here, or no longer active.
        others: recipients who are other patients, or act for other patients alone.
        blocked: people of the exchange whom the patient has blocked.
        open: recipients on the professional's side who wrote to the patient, and did not end it with their last word.
        dispensed: recipients that are pharmacies which dispensed to the patient within a year.
        attached: bytes of all files.
    """

    message: Message
    writer: Writer
    answered: Message | None = None
    first: Message | None = None
    ended: bool = False
    closed: bool = False
    unknown: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()
    dispensed: frozenset[str] = frozenset()
    attached: int = 0

    @property
    def is_reply(self) -> bool:
        """Whether it answers a message that its writer sees, of the same patient and thread."""
        return self.answered is not None and self.first is not None

    @property
    def partners(self) -> frozenset[str]:
        """Who takes part in the exchange already."""
        known = [one for one in (self.answered, self.first) if one is not None]
        return frozenset(party for one in known for party in one.parties)


async def situation(repository: Repository, message: Message, writer: Writer, now: datetime) -> Situation:
    """The situation in which the caller would send a message at an instant."""
    own = repository.as_server()
    answered, first = await _thread(repository, message)
    patient = await referred(own, message.patient)
    theirs = [one for one in message.recipients if side(one) == "professional"]
    people = {one: await referred(own, one) for one in dict.fromkeys((*message.recipients, message.sender))}
    reachable = writer.side == "patient"
    return Situation(
        message=message,
        writer=writer,
        answered=answered,
        first=first,
        ended=first is not None and await _is_ended(own, first),
        closed=_is_closed(patient),
        unknown=frozenset(one for one in message.recipients if not _is_there(people[one])),
        others=frozenset(one for one in message.recipients if _is_anothers(one, people[one], message.patient)),
        blocked=await _blocked(own, message, writer, people),
        open=frozenset([one for one in theirs if reachable and await _is_open(own, message.patient, one)]),
        dispensed=frozenset(
            [one for one in theirs if reachable and await has_dispensed(own, message.patient, one, now)]
        ),
        attached=sum(one.size or 0 for one in message.attached),
    )


async def bare(own: Repository, message: Message) -> Situation:
    """What is known of a message whatever the time it is of: in which side's name, and to which other patients.

    Whom it names and who is not here yet, as in an exchange that is restored in any order, is taken for who it says.
    """
    parties = dict.fromkeys(message.parties)
    people = {one: await referred(own, one) for one in parties if one.startswith("RelatedPerson/")}
    others = [
        one for one in parties if people.get(one, True) and _is_anothers(one, people.get(one, {}), message.patient)
    ]
    writer = Writer("patient" if message.side == "patient" else "professional")
    return Situation(message, writer, others=frozenset(others))


def in_thread(first: str) -> Filter:
    """Messages of the thread that begins with one (id)."""
    return Refers(THREAD, f"Communication/{first}")


def ended_by(first: str) -> Filter:
    """What ended the thread that begins with a message (id)."""
    return both(in_thread(first), Token(ENDS, "1"))


async def thread_ended(own: Repository, first: str) -> bool:
    """Whether a professional ended the thread that begins with a message (id)."""
    page = await own.find({"Communication": ended_by(first)}, count=1, want="head")
    return bool(page.versions)


async def _thread(repository: Repository, message: Message) -> tuple[Message | None, Message | None]:
    """The message answered and the first of the thread, where the caller sees both and they belong together."""
    if message.answers is None or message.first in ("", message.id):
        return None, None
    answered = await _seen(repository, message.answers)
    first = await _seen(repository, message.first)
    if answered is None or first is None or answered.first != first.id or first.answers is not None:
        return None, None
    same = answered.patient == message.patient == first.patient
    return (answered, first) if same and answered.is_sent and first.is_sent else (None, None)


async def _seen(repository: Repository, id: str) -> Message | None:
    version = await repository.current("Communication", id) if repository.allows("Communication", "r") else None
    return None if version is None or version.deleted else message_of(parse(version.body), repository.base)


async def _is_ended(own: Repository, first: Message) -> bool:
    return first.ends or await thread_ended(own, first.id)


def _is_closed(patient: dict[str, Any]) -> bool:
    dead = patient.get("deceasedBoolean") is True or "deceasedDateTime" in patient
    return not patient or patient.get("active") is False or dead


def _is_there(tree: dict[str, Any]) -> bool:
    return bool(tree) and tree.get("active") is not False


def _is_anothers(reference: str, tree: dict[str, Any], patient: str) -> bool:
    if reference.startswith("Patient/"):
        return reference != patient
    return reference.startswith("RelatedPerson/") and local(tree.get("patient")) != patient


async def _blocked(
    own: Repository, message: Message, writer: Writer, people: dict[str, dict[str, Any]]
) -> frozenset[str]:
    found = set()
    for reference, where in blocks(message, writer, people):
        page = await own.find({"Consent": where}, count=1, want="head")
        found |= {reference} if page.versions else set()
    return frozenset(found)


def blocks(message: Message, writer: Writer, people: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, Filter]]:
    """The exchange's professionals, by themselves or in the role they have, and by which Consents they are blocked.

    Args:
        message: whose exchange it is.
        writer: of it.
        people: who takes part (reference → resource).
    """
    concerned = {one: _practitioner(one, tree) for one, tree in people.items() if side(one) == "professional"}
    if writer.side == "professional":
        concerned[message.sender] = concerned.get(message.sender) or writer.person
    kept = Refers("patient", message.patient)
    for reference, practitioner in concerned.items():
        if practitioner.startswith("Practitioner/"):
            yield reference, both(kept, in_force("blocked", minute(), practitioner))


def _practitioner(reference: str, tree: dict[str, Any]) -> str:
    return reference if reference.startswith("Practitioner/") else local(tree.get("practitioner"))


async def _is_open(own: Repository, patient: str, professional: str) -> bool:
    """Whether somebody wrote to a patient, and did not end it with the last that they wrote."""
    last = await last_word(own, patient, professional)
    return last is not None and not last.ends


async def last_word(own: Repository, patient: str, professional: str) -> Message | None:
    """The last message that somebody on the professional's side sent a patient; None where they sent none."""
    page = await own.find({"Communication": words_of(patient, professional)}, sort=[LATEST, *NEWEST], count=1)
    return message_of(parse(page.versions[0].body), own.base) if page.versions else None


def words_of(patient: str, professional: str) -> Filter:
    """Messages that somebody on the professional's side sent a patient."""
    return both(
        Refers("subject", patient), Refers("sender", professional), Token(FROM, "professional"), Missing(DRAFT_OF)
    )
