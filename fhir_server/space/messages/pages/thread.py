"""One conversation: read, answered with a file, ended by its professional; its files opened and saved to the record."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import LONGEST_TEXT, Message, communication, message_of, side
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent
from fhir_server.space.messages.pages.inbox import WITH, about, is_unread, of_messages
from fhir_server.space.messages.pages.rows import LARGEST
from fhir_server.space.record.pages import files
from fhir_server.space.record.pages.asking import Found, parameters
from fhir_server.space.record.pages.categories import OWN_TYPES
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

#: Messages of one conversation that its page shows: the latest.
SHOWN = 100
DONE = frozenset({"sent", "ended", "saved"})


async def show(guest: Guest[Surroundings]) -> Response:
    """The messages of a conversation, which are then read."""
    here = correspondent(guest)
    found = None if here is None else await _messages(here, guest.path("thread"))
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
    found = None if here is None else await _messages(here, guest.path("thread"))
    if here is None or found is None:
        return guest.nothing()
    payload = parts(guest)
    if isinstance(payload, str):
        return await _page(guest, here, found, error=payload, status=400)
    last = message_of(found.trees[0])
    theirs = [one for one in dict.fromkeys(last.parties) if side(one) != here.side]
    tree = communication(last.patient, here.name, theirs or [last.patient], last.topic, payload, answers=last)
    try:
        await here.asking.create(tree)
    except FhirError as error:
        return await _page(guest, here, found, tuple(refused(error)), status=error.status)
    return guest.to(f"{here.path}/{last.first}?done=sent")


async def end(guest: Guest[Surroundings]) -> Response:
    """The conversation ended by its professional: nobody answers any more."""
    here = correspondent(guest)
    found = None if here is None else await _messages(here, guest.path("thread"))
    if here is None or found is None:
        return guest.nothing()
    last = message_of(found.trees[0])
    try:
        await here.asking.operate(("Communication", last.id, "$end"), parameters([]))
    except FhirError as error:
        return await _page(guest, here, found, tuple(refused(error)), status=error.status)
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
    found = None if here is None else await _messages(here, guest.path("thread"))
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
        return await _page(guest, here, found, tuple(refused(error)), status=error.status)
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


async def _messages(here: Correspondent, thread: str) -> Found | None:
    pairs = [*of_messages(here), ("thread", f"Communication/{thread}"), ("status", "completed")]
    found = await here.asking.find("Communication", [*pairs, ("_sort", "-sent"), ("_count", str(SHOWN)), *WITH])
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
    done = guest.query("done")
    values = {
        **await about(guest, here),
        "thread": messages[0].first,
        "topic": messages[0].topic,
        "messages": [(one, called(one.sender, found.included), one.side == here.side) for one in reversed(messages)],
        "ended": any(one.ends for one in messages),
        "types": OWN_TYPES,
        "refusals": refusals,
        "error": error,
        "typed": guest.field("text", LONGEST_TEXT),
        "accept": files.ACCEPT,
        "done": done if done in DONE else "",
    }
    return guest.page("messages/thread", values, status)
