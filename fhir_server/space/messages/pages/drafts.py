"""Messages that are kept and not sent: listed, gone on with, sent or thrown away.

A draft is its author's side's alone. It is written over the version that its form showed: of two that change it at once
the later is told.
"""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import DRAFT, SENT, Message, message_of
from fhir_server.space.messages.pages.composing import Composed, composed, form
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent, people
from fhir_server.space.messages.pages.inbox import WITH, about, of_messages
from fhir_server.space.messages.pages.refusals import refused
from fhir_server.space.messages.pages.writing import NOBODY, after, reached, reaches
from fhir_server.space.record.pages.asking import Tree
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings

#: Drafts that the page lists, the latest.
SHOWN = 100
DONE = frozenset({"kept", "gone"})


async def show(guest: Guest[Surroundings]) -> Response:
    """The drafts of somebody."""
    here = correspondent(guest)
    if here is None:
        return guest.nothing()
    pairs = [*of_messages(here), ("status", DRAFT), ("_sort", "-_lastUpdated"), ("_count", str(SHOWN)), *WITH]
    found = await here.asking.find("Communication", pairs)
    messages = [message_of(tree) for tree in found.trees]
    changed = {one["id"]: one["meta"]["lastUpdated"] for one in found.trees}
    drafts = [(one, _to(one, found.included), changed[one.id]) for one in messages]
    done = guest.query("done")
    values = {**await about(guest, here), "drafts": drafts, "done": done if done in DONE else ""}
    return guest.page("messages/drafts", values)


async def edit(guest: Guest[Surroundings]) -> Response:
    """The form of one draft."""
    here = correspondent(guest)
    tree = None if here is None else await _draft(here, guest.path("message"))
    return guest.nothing() if here is None or tree is None else await _page(guest, here, tree)


async def change(guest: Guest[Surroundings]) -> Response:
    """A draft sent, kept as it is now, or thrown away."""
    here, id = correspondent(guest), guest.path("message")
    tree = None if here is None else await _read(here, id)
    if here is None or tree is None:
        return guest.nothing()
    if tree["status"] == SENT:
        # The same form a second time: what it sent is sent.
        return guest.to(after(here, id, tree))
    if guest.field("act") == "discard":
        return await _discarded(guest, here, tree)
    answers = message_of(tree).answers is not None
    made = await composed(guest, here, tree.get("payload", ()), _topic(tree) if answers else "")
    wrong = dict(made.errors)
    if here.side == "patient" and not answers:
        to = guest.field("to")
        wrong |= {} if await reaches(guest, here, to) else {"to": "to"}
        tree = {**tree, "recipient": [{"reference": to}]}
    if wrong:
        return await _page(guest, here, tree, made, wrong, status=400)
    version = guest.field("version", 64) or tree["meta"]["versionId"]
    status = DRAFT if guest.field("act") == "draft" else SENT
    said = {"status": status, "topic": {"text": made.topic}, "payload": made.payload}
    next = {**tree, **said, "meta": {**tree["meta"], "versionId": version}}
    try:
        await here.asking.update(next)
    except FhirError as error:
        return await _page(guest, here, tree, made, {}, refused(error), error.status)
    return guest.to(after(here, id, next))


async def _discarded(guest: Guest[Surroundings], here: Correspondent, tree: Tree) -> Response:
    try:
        await here.asking.delete("Communication", tree["id"])
    except FhirError as error:
        return await _page(guest, here, tree, None, {}, refused(error), error.status)
    return guest.to(f"{here.path}/brouillons?done=gone")


async def _read(here: Correspondent, id: str) -> Tree | None:
    """A message that the page's own conversations have."""
    found = await here.asking.find("Communication", [*of_messages(here), ("_id", id)])
    return next(iter(found.trees), None)


async def _draft(here: Correspondent, id: str) -> Tree | None:
    tree = await _read(here, id)
    return tree if tree is not None and tree.get("status") == DRAFT else None


def _topic(tree: Tree) -> str:
    return message_of(tree).topic


def _to(message: Message, known: Any) -> str:
    return ", ".join(filter(None, (called(one, known) for one in message.recipients)))


async def _page(
    guest: Guest[Surroundings],
    here: Correspondent,
    tree: Tree,
    made: Composed | None = None,
    errors: dict[str, str] | None = None,
    refusals: tuple[Refusal, ...] = (),
    status: int = 200,
) -> Response:
    message, done = message_of(tree), guest.query("done")
    known = await people(here, message.recipients)
    begins = here.side == "patient" and message.answers is None
    to = guest.field("to") or next(iter(message.recipients), "")
    shown = made or Composed(message.topic, message.text, [], {})
    values = {
        **await about(guest, here),
        **await form(guest, here, shown),
        "draft": message,
        "version": tree["meta"]["versionId"],
        "whom_to": _to(message, known),
        **(await reached(guest, here, to) if begins else NOBODY),
        "to": to,
        "begins": begins,
        "kept": [(one.place, one.title, one.size or 0) for one in message.attached],
        "errors": errors or {},
        "refusals": refusals,
        "done": done if done in DONE else "",
    }
    return guest.page("messages/draft", values, status)
