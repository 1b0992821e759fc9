"""Index rows by which the jobs and pages of accounts find spaces.

type    row                              says
Basic   Word("_space", state)            in which state a space is
        Span("_spaceNext", µs, µs)       when time acts on it by itself
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.search.parameters.codes import spelling
from fhir_server.space.accounts.life import CODES, from_basic
from fhir_server.space.accounts.states import State
from fhir_server.store.filters import Filter, Range, Span, Token, Word

STATE, NEXT = "_space", "_spaceNext"
#: A Basic that is the life of somebody's space.
LIFE = Token("code", spelling("space", CODES), CODES)


def lives(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of a Basic; none where it is about something else."""
    life = from_basic(tree)
    if life is None:
        return
    yield Word(STATE, life.state)
    if life.next is not None:
        at = round(life.next.timestamp() * 1_000_000)
        yield Span(NEXT, at, at)


def in_state(state: State) -> Filter:
    """Spaces in a state."""
    return Token(STATE, state)


def due(micros: int) -> Filter:
    """Spaces on which time acts by an instant, in µs since 1970."""
    return Range(NEXT, low_to=micros)
