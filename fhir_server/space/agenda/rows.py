"""Index rows of the agenda, beside those of search parameters.

row                          says
Word("_notebook", "1")       that the patient's side made it for itself
Word("_software", client)    that other software made it, and which
Word("_maker", reference)    the professional who made it by that software
Span("_taken", µs, µs)       from when until when a Slot that is filled lasts; both are inside it
Word("_day", "Schedule/1@n")  a day (days since 1970, UTC) on which a filled Slot of that schedule is
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.fhir.dates import DAY
from fhir_server.space.agenda.model import AUTHOR, FILLED, MAKER, PATIENT, SOFTWARE, Times, local, tags, times
from fhir_server.store.filters import Span, Word

NOTEBOOK, MADE_BY, MADE_FOR, LASTS, ON_DAY = "_notebook", "_software", "_maker", "_taken", "_day"
#: Days that a slot lasts at most: each is a row.
MOST_DAYS = 366


def made(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of an Appointment or a Schedule."""
    if PATIENT in tags(tree, AUTHOR):
        yield Word(NOTEBOOK, "1")
    else:
        yield from (Word(MADE_BY, one) for one in tags(tree, SOFTWARE))
        yield from (Word(MADE_FOR, one) for one in tags(tree, MAKER))


def slots(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The rows of a Slot; when it is only of one that is filled, and whose instants make a time."""
    yield from made(tree, base)
    when = times(tree)
    if tree.get("status") in FILLED and when.start is not None and when.end is not None and when.start < when.end:
        yield Span(LASTS, when.start, when.end - 1)
        yield from (Word(ON_DAY, one) for one in days(local(tree.get("schedule"), base), when))


def days(schedule: str, when: Times) -> list[str]:
    """The days of a schedule ("Schedule/1") on which something is, as rows name them; none of what is no time."""
    if when.start is None or when.end is None or when.start >= when.end:
        return []
    first, last = when.start // DAY, (when.end - 1) // DAY
    return [f"{schedule}@{day}" for day in range(first, min(last, first + MOST_DAYS) + 1)]
