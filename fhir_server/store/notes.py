"""Changes of records, noted beside those of resources, so that one look tells a worker all that others did.

Records are many and mostly of use once; only kinds that somebody remembers are noted, by name and without value.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.store.changes import Changed
from fhir_server.store.protocol import Position

#: Kinds of records whose every change is noted, by whatever process it is made. Who remembers another adds it here.
NOTED = frozenset(
    {"access", "account", "agenda-reminder", "client", "family", "job", "search-parameter", "subscription-socket"}
)
#: How long notes are kept at least, in seconds: whoever was away for longer is told that there was more.
NOTES_SECONDS = 3_600.0


@dataclass(frozen=True, slots=True)
class Noted:
    """A record that was kept or dropped, named without its value. What expires by itself is not noted.

    Attributes:
        kind, key: which.
        new: whether nothing was there before: who remembers only what is there can pass it over.
    """

    kind: str
    key: str
    new: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """Some of what was committed, of resources and of records.

    Attributes:
        versions: in the order of commits.
        records: likewise.
        position: where to ask from next; given back even when there is nothing.
        more: whether there is more already.
        whole: False where notes between were thrown away: anything may have changed of records.
    """

    versions: tuple[Changed, ...]
    records: tuple[Noted, ...]
    position: Position
    more: bool = False
    whole: bool = True
