"""Index rows of messages, beside those of search parameters.

row                             says
Word("thread", "Communication/1")  its thread, of the first message too, which names no other
Word("_draft", side)            that it is a draft, and whose side's
Word("_from", side)             that it was sent, and from which side
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.space.messages.model import message_of
from fhir_server.store.filters import Word

THREAD, DRAFT_OF, FROM, ENDS = "thread", "_draft", "_from", "_ends"


def communications(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The rows of a Communication; one that is no message has them as far as they can be told."""
    message = message_of(tree, base)
    if message.first and message.first == message.id:
        yield Word(THREAD, f"Communication/{message.id}")
    if message.sender and tree.get("status") == "preparation":
        yield Word(DRAFT_OF, message.side)
    if message.sender and message.is_sent:
        yield Word(FROM, message.side)
        if message.ends:
            yield Word(ENDS, "1")
