"""Index rows of the agenda, beside those of search parameters.

row                          says
Word("_notebook", "1")       that the patient's side made it for itself
Word("_software", client)    that other software made it, and which
Span("_taken", µs, µs)       from when until when a Slot lasts; both are inside it
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.space.agenda.model import AUTHOR, PATIENT, SOFTWARE, tags, times
from fhir_server.store.filters import Span, Word

NOTEBOOK, MADE_BY, LASTS = "_notebook", "_software", "_taken"


def made(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of an Appointment or a Schedule."""
    if PATIENT in tags(tree, AUTHOR):
        yield Word(NOTEBOOK, "1")
    else:
        yield from (Word(MADE_BY, one) for one in tags(tree, SOFTWARE))


def slots(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of a Slot; without a time where its instants make none."""
    yield from made(tree, base)
    when = times(tree)
    if when.start is not None and when.end is not None and when.start < when.end:
        yield Span(LASTS, when.start, when.end - 1)
