"""The first message of an exchange: a professional's to a patient of theirs, a patient's to whom they may write.

Sent, or kept as a draft. A form has a number: sent twice it makes one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.smart import lifetimes
from fhir_server.smart.secret import digest
from fhir_server.space.messages.contacts import contacts, is_contact
from fhir_server.space.messages.model import DRAFT, communication, message_of
from fhir_server.space.messages.pages.composing import Composed, composed, form, number
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent, mailboxes, people
from fhir_server.space.messages.pages.inbox import about
from fhir_server.space.messages.pages.refusals import refused
from fhir_server.space.record.choosing import is_minor
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.openings import found
from fhir_server.space.record.pages.people import named
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings

#: Kind of record: what a form made.
_FORM = "message-form"

#: Which page of those who may be written to a form shows: a parameter of its address, and a field.
PLACE = "depuis"
Choices = list[tuple[str, str]]
#: As `reached`, on the form of who does not choose to whom they write.
NOBODY: Mapping[str, Any] = {"contacts": [], "place": "", "next_contacts": None}


async def show(guest: Guest[Surroundings]) -> Response:
    """The form; a professional writes to nobody whose record is not open: an address alone opens nothing."""
    here = correspondent(guest)
    if here is not None and here.side == "professional" and await found(guest) is None:
        return guest.to("/patients")
    return guest.nothing() if here is None else await _page(guest, here)


async def send(guest: Guest[Surroundings]) -> Response:
    """The first message of a conversation, sent or kept."""
    here = correspondent(guest)
    if here is None or (here.side == "professional" and await found(guest) is None):
        return guest.nothing()
    draft = guest.field("act") == "draft"
    made = await composed(guest, here, record=await _record(guest, here))
    patient = f"Patient/{guest.path('patient')}"
    sender, to, wrong = await _between(guest, here, patient)
    errors = {**made.errors, **wrong}
    if errors:
        return await _page(guest, here, made, errors, status=400)
    tree = communication(patient, sender, [to], made.topic, made.payload, draft=draft)
    try:
        id = await keep(guest, here, tree)
    except FhirError as error:
        return await _page(guest, here, made, {}, refused(error), error.status)
    return guest.to(after(here, id, tree))


async def _record(guest: Guest[Surroundings], here: Correspondent) -> Asking | None:
    """The record that a professional has open."""
    opened = await found(guest) if here.side == "professional" else None
    return None if opened is None else opened[1]


async def keep(guest: Guest[Surroundings], here: Correspondent, tree: dict[str, Any]) -> str:
    """Id of the message that a form makes: of the one that it made before, "" while it does, where it is sent again.

    Raises:
        FhirError: it is refused, with every reason.
    """
    records, key = guest.service.records, digest(f"{guest.visit.cookie or ''}\n{number(guest)}")
    if not await records.add(_FORM, key, b"", lifetimes.SESSION):
        return (await records.get(_FORM, key) or b"").decode()
    try:
        id = str((await here.asking.create(tree))["id"])
    except BaseException:
        await records.take(_FORM, key)
        raise
    await records.put(_FORM, key, id.encode(), lifetimes.SESSION)
    return id


def after(here: Correspondent, id: str, tree: dict[str, Any]) -> str:
    """Where a message leads that was sent, or kept as a draft."""
    if not id:
        return here.path
    if tree["status"] == DRAFT:
        return f"{here.path}/brouillons/{id}?done=kept"
    return f"{here.path}/{message_of({**tree, 'id': id}).first}?done=sent"


async def _between(guest: Guest[Surroundings], here: Correspondent, patient: str) -> tuple[str, str, dict[str, str]]:
    """From whom and to whom; and what is wrong with the choice."""
    if here.side == "patient":
        to = guest.field("to")
        return here.name, to, {} if await reaches(guest, here, to) else {"to": "to"}
    mine = dict(await mailboxes(guest, here))
    sender = guest.field("sender") or here.name
    return sender, patient, {} if sender in mine else {"sender": "sender"}


async def reached(guest: Guest[Surroundings], here: Correspondent, chosen: str = "") -> dict[str, Any]:
    """What a form shows of those to whom a patient may begin to write: a page of them, and where the next begins.

    Args:
        guest: whose form it is.
        here: the same.
        chosen: who is chosen already: stands there on whichever page.
    """
    repository = await guest.service.seen_by(here.asking.grant, here.asking.base)
    said = guest.query(PLACE) or guest.field(PLACE, 6)
    start = int(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0
    found = await contacts(repository, here.name, start)
    some = list(found.references)
    if chosen and chosen not in some and await is_contact(repository, here.name, chosen):
        some = [chosen, *some]
    known = await people(here, some)
    choices: Choices = [(one, called(one, known) or one) for one in some]
    return {"contacts": choices, "place": start or "", "next_contacts": found.next}


async def reaches(guest: Guest[Surroundings], here: Correspondent, reference: str) -> bool:
    """Whether somebody chosen may be written to."""
    repository = await guest.service.seen_by(here.asking.grant, here.asking.base)
    return "/" in reference and await is_contact(repository, here.name, reference)


async def _page(
    guest: Guest[Surroundings],
    here: Correspondent,
    made: Composed | None = None,
    errors: dict[str, str] | None = None,
    refusals: tuple[Refusal, ...] = (),
    status: int = 200,
) -> Response:
    patient, theirs = guest.path("patient"), here.side == "patient"
    whom, born = await named(guest, patient)
    values = {
        **await about(guest, here),
        **await form(guest, here, made, await _record(guest, here)),
        "patient": patient,
        "whom": whom,
        "minor": not theirs and is_minor(born),
        **(await reached(guest, here, guest.field("to")) if theirs else NOBODY),
        "to": guest.field("to"),
        "mailboxes": [] if theirs else await mailboxes(guest, here),
        "sender": guest.field("sender") or here.name,
        "action": f"{here.path}/ecrire" if theirs else f"{here.path}/ecrire/{patient}",
        "errors": errors or {},
        "refusals": refusals,
    }
    return guest.page("messages/writing", values, status)
