"""The conversations of somebody, a page of messages at a time: what is not read yet first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.at_hand import at_hand
from fhir_server.space.messages.model import Message, message_of
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent
from fhir_server.space.record.pages.documents import whose
from fhir_server.space.record.pages.people import named
from fhir_server.space.service import Surroundings

#: Messages that one page goes through.
SHOWN = 20
WITH = (
    ("_include", "Communication:sender"),
    ("_include", "Communication:recipient"),
    ("_include:iterate", "PractitionerRole:practitioner"),
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread by its latest message.

    Attributes:
        last: the latest message that the page found.
        others: names of those on the other side.
        unread: how many of its messages on the page are not read.
    """

    last: Message
    others: tuple[str, ...]
    unread: int


async def choose(guest: Guest[Surroundings]) -> Response:
    """Whose messages; or at once those of the one patient there is."""
    return await whose(guest, "/mes-messages")


async def show(guest: Guest[Surroundings]) -> Response:
    """The conversations."""
    here = correspondent(guest)
    if here is None:
        return guest.nothing()
    cursor = guest.query("suite")
    pairs = [*of_messages(here), ("status", "completed"), ("_sort", "-sent"), ("_count", str(SHOWN)), *WITH]
    try:
        found = await here.asking.find("Communication", [*pairs, *([("_cursor", cursor)] if cursor else [])])
    except FhirError:
        return guest.to(here.path)
    hand = (await at_hand(guest)).patient if here.side == "professional" else None
    values = {
        **await about(guest, here),
        # Of whom a record is open: to them a professional may write first.
        "hand": hand or "",
        "hand_name": (await named(guest, hand))[0] if hand else "",
        "conversations": _conversations([message_of(tree) for tree in found.trees], here, found.included),
        "next": found.next,
        "first": not cursor,
    }
    return guest.page("messages/inbox", values)


def of_messages(here: Correspondent) -> list[tuple[str, str]]:
    """The criteria of somebody's messages; a professional's grant reaches theirs alone."""
    own = [("subject", here.name)] if here.side == "patient" else []
    return [("category", "https://fhir-server.example/CodeSystem/ens-communication-category|message"), *own]


async def about(guest: Guest[Surroundings], here: Correspondent) -> dict[str, Any]:
    """What every page of messages says: whose they are."""
    patient = here.name.partition("/")[2] if here.side == "patient" else ""
    whom = (await named(guest, patient))[0] if patient else ""
    own = here.side == "professional" or guest.account.subject == here.name
    return {"path": here.path, "side": here.side, "whom": whom, "own": own, "patient": patient}


def is_unread(message: Message, here: Correspondent) -> bool:
    """Whether a message is to the reader's side, and not read."""
    return message.received is None and message.side != here.side


def _conversations(
    messages: list[Message], here: Correspondent, known: Mapping[str, Mapping[str, Any]]
) -> list[Conversation]:
    threads: dict[str, list[Message]] = {}
    for one in messages:
        threads.setdefault(one.first, []).append(one)
    found = [
        Conversation(some[0], others(some[0], here, known), sum(is_unread(one, here) for one in some))
        for some in threads.values()
    ]
    return sorted(found, key=lambda one: one.unread == 0)


def others(message: Message, here: Correspondent, known: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of who is on the other side of a message."""
    people = [one for one in message.parties if one != here.name]
    return tuple(dict.fromkeys(name for one in people if (name := called(one, known))))
