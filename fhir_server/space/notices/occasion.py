"""One thing that people are told of, and its words in each language they are told in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

#: NOTIF_MESSAGE, NOTIF_DOCUMENT, NOTIF_APPOINTMENT, NOTIF_SYNCHRONIZED_SERVICE, NOTIF_DEPISTAGE, and who had access.
Kind = Literal["message", "document", "appointment", "service", "screening", "access"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Language = Literal["fr", "en"]
#: Subject and sentence of a message.
Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Occasion:
    """One thing that people are told of.

    Attributes:
        kind: by which it is turned on and off.
        path: the page where it is seen; "" where there is nothing to see yet.
        own: language → what the person is told of their own space.
        ward: the same of somebody they act for; None where these are not told.
        at_once: told at any hour, on its own, and whatever was chosen: the law has it told.
    """

    kind: Kind
    path: str
    own: Mapping[Language, Words]
    ward: Mapping[Language, Words] | None = None
    at_once: bool = False


def both(french: Words, english: Words) -> Mapping[Language, Words]:
    """Words in French and in English."""
    return {"fr": french, "en": english}
