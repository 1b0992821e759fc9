"""One conversation: read, answered with a file, ended by its professional; its files opened and saved to the record."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import LONGEST_TEXT, Message, communication, message_of, side
from fhir_server.space.messages.operations import as_whom, to_whom
from fhir_server.space.messages.pages.attached import enclosed
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent, writer
from fhir_server.space.messages.pages.inbox import WITH, about, is_unread, of_messages
from fhir_server.space.messages.pages.refusals import refused
from fhir_server.space.messages.pages.rows import LARGEST
from fhir_server.space.record.pages import files
from fhir_server.space.record.pages.asking import Found, parameters
from fhir_server.space.record.pages.categories import OWN_TYPES
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.record.pages.sheets import bytes_words
from fhir_server.space.service import Surroundings

#: Messages of one conversation that a page of it shows, the latest first page.
SHOWN = 100
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
    page = await _page(guest, here, found)
    for one in map(message_of, found.trees):
        if is_unread(one, here):
            await _read(here, one)
    return page


async def answer(guest: Guest[Surroundings]) -> Response:
    """An answer to the latest message of the conversation."""
    here = correspondent(guest)
    found = None if here is None else await messages_of(here, guest.path("thread"))
    if here is None or found is None:
        return guest.nothing()
    payload = parts(guest)
    if isinstance(payload, str):
        return await _page(guest, here, found, error=payload, status=400)
    last = message_of(found.trees[0])
    sender, to = await _between(guest, here, last)
    try:
        await here.asking.create(communication(last.patient, sender, to, last.topic, payload, answers=last))
    except FhirError as error:
        return await _page(guest, here, found, refused(error, _ended_by(found)), status=error.status)
    return guest.to(f"{here.path}/{last.first}?done=sent")


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
        return await _page(guest, here, found, error="type", status=400)
    said: list[dict[str, Any]] = [
        {"name": "payload", "valueInteger": int(guest.path("place"))},
        {"name": "type", "valueCode": kind},
    ]
    try:
        await here.asking.operate(("Communication", one[0].id, "$save-attachment"), parameters(said))
    except FhirError as error:
        return await _page(guest, here, found, refused(error), status=error.status)
    return guest.to(f"{here.path}/{guest.path('thread')}?done=saved")


def parts(guest: Guest[Surroundings]) -> list[dict[str, Any]] | str:
    """The payload that a form says; a key of the page's words where it is wrong."""
    text, (name, body) = guest.field("text", LONGEST_TEXT + 1), guest.files.get("file", ("", b""))
    if not text or len(text) > LONGEST_TEXT:
        return "text" if not text else "long"
    if not body:
        return [{"contentString": text}]
    kind = files.media_type(body)
    if len(body) > LARGEST or kind is None:
        return "large" if len(body) > LARGEST else "format"
    file = {"contentType": kind, "title": name[:50] or "Document", "data": b64encode(body).decode()}
    return [{"contentString": text}, {"contentAttachment": file}]


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
    error: str = "",
    status: int = 200,
) -> Response:
    messages = [message_of(tree) for tree in found.trees]
    done, first = guest.query("done"), "suite" not in guest.visit.request.query_params
    known = found.included
    values = {
        **await about(guest, here),
        "thread": messages[0].first,
        "topic": messages[0].topic,
        "messages": [(one, called(one.sender, known), one.side == here.side) for one in reversed(messages)],
        "to": {one.id: _names(one.recipients, known) for one in messages},
        "stood_in": {one.id: called(one.written_by or "", known) for one in messages},
        "enclosed": await enclosed(here, messages),
        "ended": next((one for one in messages if one.ends), None),
        "ended_by": _ended_by(found),
        "next": found.next,
        "first": first,
        "types": OWN_TYPES,
        "refusals": refusals,
        "error": error,
        "typed": guest.field("text", LONGEST_TEXT),
        "accept": files.ACCEPT,
        "done": done if done in DONE else "",
        "bytes_words": bytes_words,
    }
    return guest.page("messages/thread", values, status)


def _ended_by(found: Found) -> str:
    """Who ended the conversation, by name; "" where nobody did, or they are not known to the reader."""
    end = next((one for one in map(message_of, found.trees) if one.ends), None)
    return "" if end is None else called(end.sender, found.included)


def _names(some: tuple[str, ...], known: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(filter(None, (called(one, known) for one in some)))
