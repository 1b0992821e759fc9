"""Index rows that are written after the commit of their resource: those of traces, of which every read makes one.

Each row by value falls on a page of its own, and a commit writes whole pages: a trace with its rows is sixty of them,
without them ten. Rows of many traces share most of their pages, so they are written together, soon after. Whatever
looks through what they are of has them written first, and takes no notice of what was committed since: a resource
without rows would satisfy every `Not`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import apsw
import msgspec

from fhir_server.store.chain import CHAINED
from fhir_server.store.embedded.held_filters import OfHeld
from fhir_server.store.filters import And, Filter, Index, Linked, LinkedFrom, Not, Or, Together
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Scope

#: The type whose new resources are indexed later. Its bodies and packed indexes are there at once, for reads by id.
DEFERRED = CHAINED

_ANY = "SELECT EXISTS(SELECT 1 FROM unindexed)"
#: One row for all, as `batch` reads: apsw lets go of Python's lock around each.
_ALL = """
SELECT json_group_array(json_array(u.rid, u.narrative, u.content, hex(substr(c.bytes, r.size + 1))))
FROM unindexed u CROSS JOIN resource r ON r.rid = u.rid CROSS JOIN content c ON c.seq = r.seq"""
_DONE = "DELETE FROM unindexed"


def any_outstanding(connection: apsw.Connection) -> bool:
    """Whether rows of something are still to be written."""
    return bool(connection.execute(_ANY).get)


def taken(connection: apsw.Connection) -> Iterator[tuple[int, Index]]:
    """The number and the index of each resource whose rows are to be written, which then are not outstanding."""
    for rid, narrative, content, packed in msgspec.json.decode(connection.execute(_ALL).get):
        rows = unpack(bytes.fromhex(packed))
        yield rid, Index(rows.words, rows.spans, narrative, content)
    connection.execute(_DONE)


def asks(scope: Scope) -> bool:
    """Whether what a scope finds may hang on rows that are written later."""
    return DEFERRED in scope or any(map(leads, scope.values()))


def leads(where: Filter) -> bool:
    """Whether a link of a filter leads to the type whose rows are written later."""
    match where:
        case And() | Or() | Together():
            return _any(where.parts)
        case Not():
            return _leads_of_not(where)
        case Linked() | LinkedFrom():
            return where.type == DEFERRED or leads(where.where)
        case _:
            return False


_leads_of_not = OfHeld[bool](lambda where: leads(where.part))  # type: ignore[union-attr]


def _any(parts: Iterable[Filter]) -> bool:
    return any([leads(part) for part in parts])
