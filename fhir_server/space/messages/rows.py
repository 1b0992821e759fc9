"""Index rows of messages, beside those of search parameters.

row                             says
Word("thread", "Communication/1")  its thread, of the first message too, which names no other
Word("_draft", side)            that it is a draft, and whose side's
Word("_from", side)             that it was sent, and from which side
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.space.messages.model import DRAFT, SENT, is_end, local, side, thread_of
from fhir_server.store.filters import Word

THREAD, DRAFT_OF, FROM, ENDS = "thread", "_draft", "_from", "_ends"


def communications(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The rows of a Communication; one that is no message has them as far as they can be told."""
    sender, status = local(tree.get("sender"), base), tree.get("status")
    if tree.get("id") and thread_of(tree, base) == tree["id"]:
        yield Word(THREAD, f"Communication/{tree['id']}")
    if sender and status == DRAFT:
        yield Word(DRAFT_OF, side(sender))
    if sender and status == SENT:
        yield Word(FROM, side(sender))
        if is_end(tree):
            yield Word(ENDS, "1")
