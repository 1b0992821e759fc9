"""The Message-ID of a message: that of the mail which it came as, else one of this server's own made of its id.

RFC 5322 §3.6.4. What goes out needs no name written into it, and an answer to it leads back by the name alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.space.messages.model import MESSAGE_ID, Message
from fhir_server.store.filters import Filter, Id, Token, either

_OF = "message."


def name_of(message: Message, domain: str) -> str:
    """The Message-ID of a message, without angle brackets."""
    return message.message_id or f"{_OF}{message.id}@{domain}"


def named(names: Sequence[str], domain: str) -> Filter:
    """Messages that have one of some Message-IDs."""
    own = tuple(id for one in names if (id := _id(one, domain)))
    tokens = [Token("identifier", one, MESSAGE_ID) for one in names]
    return either([*tokens, *([Id(own)] if own else [])])


def _id(name: str, domain: str) -> str:
    local, _, at = name.rpartition("@")
    return local.removeprefix(_OF) if local.startswith(_OF) and at.lower() == domain.lower() else ""
