"""The conversations of somebody: what is not read yet first, of all there is, then all of them, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.search.parameters.text import fold, words
from fhir_server.site.signed_in import Guest
from fhir_server.space.at_hand import at_hand
from fhir_server.space.messages.model import Message, message_of
from fhir_server.space.messages.pages.correspondents import Correspondent, called, correspondent, writer
from fhir_server.space.record.pages import searches
from fhir_server.space.record.pages.asking import Found
from fhir_server.space.record.pages.documents import whose
from fhir_server.space.record.pages.people import named
from fhir_server.space.service import Surroundings

#: Messages that one page goes through, and unread ones that the first page does.
SHOWN, UNREAD = 20, 100
WITH = (
    ("_include", "Communication:sender"),
    ("_include", "Communication:recipient"),
    ("_include:iterate", "PractitionerRole:practitioner"),
)
#: People who act for one patient.
_ACTING = 50


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


async def look(guest: Guest[Surroundings]) -> Response:
    """What a form looks for: kept, and shown at an address that has none of its words."""
    here = correspondent(guest)
    if here is None:
        return guest.nothing()
    text = guest.field("text", 100)
    if not fold(text):
        return guest.to(here.path)
    return guest.to(f"{here.path}?recherche={await searches.keep(guest, searches.Search(text))}")


async def show(guest: Guest[Surroundings]) -> Response:
    """The conversations; with words that are looked for, those of the messages that have them."""
    here = correspondent(guest)
    if here is None:
        return guest.nothing()
    cursor, asked = guest.visit.request.query_params.get("suite", ""), (await searches.kept(guest)).text
    try:
        new = [] if cursor or asked else await _unread(guest, here)
        found = await _page_of(here, cursor, asked)
    except FhirError:
        # A page of another search, or one that is no more: from the beginning.
        return guest.to(here.path)
    hand = (await at_hand(guest)).patient if here.side == "professional" else None
    messages = [message_of(tree) for tree in found.trees]
    shown = [one for one in messages if _says(one, asked)]
    told = {one.last.first for one in new}
    values = {
        **await about(guest, here),
        # Of whom a record is open: to them a professional may write first.
        "hand": hand or "",
        "hand_name": (await named(guest, hand))[0] if hand else "",
        "unread": new,
        "count": sum(one.unread for one in new),
        "many": sum(one.unread for one in new) >= UNREAD,
        "conversations": [one for one in conversations(shown, here, found.included) if one.last.first not in told],
        "drafts": await _has_drafts(here),
        "asked": asked,
        "query": searches.address(guest),
        "next": found.next,
        "first": not cursor,
    }
    return guest.page("messages/inbox", values)


async def _has_drafts(here: Correspondent) -> bool:
    found = await here.asking.find("Communication", [*of_messages(here), ("status", "preparation"), ("_count", "1")])
    return bool(found.trees)


async def _page_of(here: Correspondent, cursor: str, asked: str) -> Found:
    pairs = [*of_messages(here), ("status", "completed"), ("_sort", "-sent"), ("_count", str(SHOWN)), *WITH]
    pairs += [("_content", fold(asked))] if asked else []
    return await here.asking.find("Communication", [*pairs, *([("_cursor", cursor)] if cursor else [])])


def _says(message: Message, asked: str) -> bool:
    """Whether the subject or text of a message has all words: `_content` finds those of anything in it."""
    return not asked or {*words(asked)} <= {*words(f"{message.topic}\n{message.text}")}


async def _unread(guest: Guest[Surroundings], here: Correspondent) -> list[Conversation]:
    """What nobody of the reader's side has read, of all that there is."""
    if here.side == "professional":
        mine = [*(await writer(guest, here)).names]
    else:
        acting = [("patient", here.name), ("_count", str(_ACTING)), ("_elements", "id")]
        found = await here.asking.find("RelatedPerson", acting)
        mine = [here.name, *(f"RelatedPerson/{tree['id']}" for tree in found.trees)]
    if not mine:
        return []
    pairs = [("status", "completed"), ("received:missing", "true"), ("recipient", ",".join(sorted(mine)))]
    order = (("_sort", "-sent"), ("_count", str(UNREAD)))
    some = await here.asking.find("Communication", [*of_messages(here), *pairs, *order, *WITH])
    return conversations([one for one in map(message_of, some.trees) if is_unread(one, here)], here, some.included)


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


def conversations(
    messages: Sequence[Message], here: Correspondent, known: Mapping[str, Mapping[str, Any]]
) -> list[Conversation]:
    """The threads of messages that come newest first, in this order."""
    threads: dict[str, list[Message]] = {}
    for one in messages:
        threads.setdefault(one.first, []).append(one)
    return [
        Conversation(some[0], others(some[0], here, known), sum(is_unread(one, here) for one in some))
        for some in threads.values()
    ]


def others(message: Message, here: Correspondent, known: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of who is on the other side of a message."""
    people = [one for one in message.parties if one != here.name]
    return tuple(dict.fromkeys(name for one in people if (name := called(one, known))))
