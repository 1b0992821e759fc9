"""What a Subscription to events is told of: declarations of that person, type and declarant, and requests based on it.

https://interop.esante.gouv.fr/ig/fhir/nde, flows 1, 3 and 4. Once each, when it is declared: what is corrected later is
no other event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.fhir.dates import interval
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.events.model import DECLARANT, EVENT_TYPE, START, event_types, follows_events, record, said
from fhir_server.space.events.rows import EVENT, declared
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import NOTHING, Filter, Refers, Token, both, either
from fhir_server.subscriptions.model import Narrowing

_PARAMETER = EVENT_TYPE.rpartition("/")[2]
_ONCE = frozenset({"create"})


def narrowed(tree: Mapping[str, Any], base: str) -> Narrowing:
    """What a stored Subscription is held to; nothing more where it is not one to events."""
    if not follows_events(tree):
        return Narrowing()
    about = record(tree, base)
    types = either([Token(_PARAMETER, spelling(code, system), system or None) for system, code in event_types(tree)])
    mine = Refers("subject", about) if about else NOTHING
    declaration = both(Token(EVENT, "declaration"), _declared(tree, base))
    request = both(Token(EVENT, "request"), Refers("based-on", f"Subscription/{tree['id']}"))
    where = both(mine, types, Token("status", "active"), either([declaration, request]))
    return Narrowing(where, _ONCE, start(tree))


def start(tree: Mapping[str, Any]) -> int:
    """When a Subscription to events begins, in ms since 1970; 0 where it does not say."""
    value = said(tree, START)
    return interval(value, PARIS)[0] // 1000 if isinstance(value, str) else 0


def _declared(tree: Mapping[str, Any], base: str) -> Filter:
    """By who it says will declare: by any identifier of theirs, or by name where they have none."""
    words = [*declared(dict(tree), said(tree, DECLARANT), base)]
    return either([Token(one.param, one.value) for one in words]) if words else NOTHING
