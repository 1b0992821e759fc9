"""One conversation: read, answered with a file, ended by its professional; its files opened and saved to the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import LONGEST_TEXT, Message, communication, message_of, side
from fhir_server.space.messages.operations import as_whom, to_whom
from fhir_server.space.messages.pages.attached import enclosed
from fhir_server.space.messages.pages.composing import composed, form
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent, people, writer
from fhir_server.space.messages.pages.inbox import WITH, about, is_unread, of_messages
from fhir_server.space.messages.pages.refusals import refused
from fhir_server.space.messages.pages.writing import after, keep
from fhir_server.space.record.choosing import is_minor
from fhir_server.space.record.pages.asking import Found, parameters
from fhir_server.space.record.pages.categories import OWN_TYPES
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.record.pages.sheets import bytes_words
from fhir_server.space.service import Surroundings

#: Messages of one conversation that a page of it shows, the latest first page.
SHOWN = 100
#: The subject of an answer to what has none, which a mail may not have.
NO_SUBJECT = "Sans objet"
DONE = frozenset({"sent", "ended", "saved", "kept"})


async def show(guest: Guest[Surroundings]) -> Response:
    """The messages of a conversation, which are then read; with `suite` earlier ones."""
    here = correspondent(guest)
    try:
        cursor = guest.visit.request.query_params.get("suite", "")
        found = None if here is None else await messages_of(here, guest.path("thread"), cursor)
    except FhirError:
        # A page that is no more: from the latest.
        return guest.to(guest.visit.request.url.path)
    if here is None or found is None:
        return guest.nothing()
    # Before the page is made, whose head tells how many are not read.
    for one in map(message_of, found.trees):
        if is_unread(one, here):
            await _read(here, one)
    return await _page(guest, here, found)


async def answer(guest: Guest[Surroundings]) -> Response:
    """An answer to the latest message of the conversation."""
    here = correspondent(guest)
    found = None if here is None else await messages_of(here, guest.path("thread"))
    if here is None or found is None:
        return guest.nothing()
    last, draft = message_of(found.trees[0]), guest.field("act") == "draft"
    made = await composed(guest, here, topic=last.topic or NO_SUBJECT)
    if made.errors:
        return await _page(guest, here, found, errors=made.errors, status=400)
    sender, to = await _between(guest, here, last)
    tree = communication(last.patient, sender, to, made.topic, made.payload, answers=last, draft=draft)
    try:
        id = await keep(guest, here, tree)
    except FhirError as error:
        return await _page(guest, here, found, refused(error, _ended_by(found)), status=error.status)
    return guest.to(after(here, id, tree))


async def _between(guest: Guest[Surroundings], here: Correspondent, last: Message) -> tuple[str, list[str]]:
    """As whom somebody goes on writing, and to whom: a professional as they were written to, their mailbox's name."""
    if here.side == "professional":
        mine = await writer(guest, here)
        return as_whom(mine, last), to_whom(mine, last)
    theirs = [one for one in dict.fromkeys(last.parties) if side(one) == "professional"]
    return here.name, theirs or [last.patient]


async def end(guest: Guest[Surroundings]) -> Response:
    """The conversation ended by its professional: nobody answers any more."""
    here = correspondent(guest)
    found = None if here is None else await messages_of(here, guest.path("thread"))
    if here is None or found is None:
        return guest.nothing()
    last = message_of(found.trees[0])
    try:
        await here.asking.operate(("Communication", last.id, "$end"), parameters([]))
    except FhirError as error:
        return await _page(guest, here, found, refused(error, _ended_by(found)), status=error.status)
    return guest.to(f"{here.path}/{last.first}?done=ended")


async def content(guest: Guest[Surroundings]) -> Response:
    """A file of a message, as it was sent; a browser keeps it, and shows nothing of it as a page of this server."""
    here, one = await _attached(guest)
    given = None if here is None or one is None else await here.asking.content(one[1].partition("/")[2])
    if given is None:
        return guest.nothing()
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return Response(given.body, 200, headers, media_type=given.media_type)


async def save(guest: Guest[Surroundings]) -> Response:
    """A file of a message filed in the patient's record, under the type that is chosen."""
    here, one = await _attached(guest)
    found = None if here is None else await messages_of(here, guest.path("thread"))
    if here is None or one is None or found is None:
        return guest.nothing()
    kind = guest.field("type")
    if kind not in dict(OWN_TYPES):
        return await _page(guest, here, found, errors={"type": "type"}, status=400)
    said: list[dict[str, Any]] = [
        {"name": "payload", "valueInteger": int(guest.path("place"))},
        {"name": "type", "valueCode": kind},
    ]
    try:
        await here.asking.operate(("Communication", one[0].id, "$save-attachment"), parameters(said))
    except FhirError as error:
        return await _page(guest, here, found, refused(error), status=error.status)
    return guest.to(f"{here.path}/{guest.path('thread')}?done=saved")


async def messages_of(here: Correspondent, thread: str, cursor: str = "") -> Found | None:
    """The latest messages of a conversation (id of its first), newest first; None where there are none for the reader.

    Raises:
        FhirError: there is no such page (400).
    """
    pairs = [*of_messages(here), ("thread", f"Communication/{thread}"), ("status", "completed")]
    after = [("_cursor", cursor)] if cursor else []
    order = (("_sort", "-sent"), ("_count", str(SHOWN)))
    found = await here.asking.find("Communication", [*pairs, *order, *WITH, *after])
    return found if found.trees else None


async def _attached(guest: Guest[Surroundings]) -> tuple[Correspondent | None, tuple[Message, str] | None]:
    here = correspondent(guest)
    tree = None if here is None else await here.asking.read("Communication", guest.path("message"))
    if tree is None:
        return here, None
    message = message_of(tree)
    named = {str(one.place): one.reference for one in message.attached if one.reference.startswith("Binary/")}
    reference = named.get(guest.path("place"))
    return here, None if reference is None else (message, reference)


async def _read(here: Correspondent, message: Message) -> None:
    try:
        await here.asking.operate(("Communication", message.id, "$mark-read"), parameters([]))
    except FhirError:
        # Who sees a message that is not to them, a colleague's say, does not read it in their place.
        return


async def _page(
    guest: Guest[Surroundings],
    here: Correspondent,
    found: Found,
    refusals: tuple[Refusal, ...] = (),
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    messages = [message_of(tree) for tree in found.trees]
    done, first = guest.query("done"), "suite" not in guest.visit.request.query_params
    stood_in = await people(here, (one.written_by for one in messages if one.written_by))
    known, open = {**stood_in, **found.included}, first and not any(one.ends for one in messages)
    values = {
        **await about(guest, here),
        **(await form(guest, here) if open else {"typed": guest.field("text", LONGEST_TEXT)}),
        "thread": messages[0].first,
        "topic": messages[0].topic,
        "messages": [(one, called(one.sender, known), one.side == here.side) for one in reversed(messages)],
        "to": {one.id: _names(one.recipients, known) for one in messages},
        "stood_in": {one.id: called(one.written_by or "", known) for one in messages},
        "person": guest.account.subject,
        "enclosed": await enclosed(here, messages),
        "ended": next((one for one in messages if one.ends), None),
        "ended_by": _ended_by(found),
        "next": found.next,
        "first": first,
        "types": OWN_TYPES,
        "refusals": refusals,
        "errors": errors or {},
        "done": done if done in DONE else "",
        "mailbox": await _mailbox(guest, here, messages[0]),
        "minor": here.side == "professional" and is_minor(known.get(messages[0].patient, {}).get("birthDate", "")),
        "bytes_words": bytes_words,
    }
    return guest.page("messages/thread", values, status)


async def _mailbox(guest: Guest[Surroundings], here: Correspondent, last: Message) -> str:
    """As whom a professional answers, where that is not themself; "" else."""
    if here.side == "patient":
        return ""
    sender = as_whom(await writer(guest, here), last)
    return "" if sender == here.name else called(sender, await people(here, [sender]))


def _ended_by(found: Found) -> str:
    """Who ended the conversation, by name; "" where nobody did, or they are not known to the reader."""
    end = next((one for one in map(message_of, found.trees) if one.ends), None)
    return "" if end is None else called(end.sender, found.included)


def _names(some: tuple[str, ...], known: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(filter(None, (called(one, known) for one in some)))
