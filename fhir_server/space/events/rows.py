"""Index rows by which events, and subscriptions to them, are found and judged.

    type                  row                            says
    CommunicationRequest  Word("_event", kind)           that it is a "declaration" or a "request"
                          Word("_author", X), Word("_authorOrg", X)   who declared it, as documents say who wrote them
                          Word("_authorName", X)         the name of who declared it, where no identifier says it
    Subscription          Word("_about", "Patient/1")    whose events it is to

And a declaration is found by the person whom the server found its contained Patient to be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.smart.people.matching import normalized
from fhir_server.space.events.model import RECORD, follows_events, kind, record, referred, said, subject
from fhir_server.space.record.rows import authors
from fhir_server.store.filters import Word
from fhir_server.subscriptions.model import ABOUT

EVENT, DECLARED_BY_NAME = "_event", "_authorName"


def requests(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The rows of a CommunicationRequest that has to do with an event."""
    found = kind(tree)
    if found is not None:
        yield Word(EVENT, found)
        yield from declared(tree, tree.get("requester"), base)


def subscriptions(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The row of a Subscription to somebody's events."""
    about = record(tree, base) if follows_events(tree) else ""
    if about:
        yield Word(ABOUT, about)


def declared(tree: dict[str, Any], reference: object, base: str) -> Iterator[Word]:
    """The rows of who declares, by a Reference of a resource: by identifier, and only else by name."""
    if not isinstance(reference, dict):
        return
    words = [*authors(tree, [reference], base)]
    yield from words
    if not words:
        name = named(referred(tree, reference, base))
        yield from [Word(DECLARED_BY_NAME, name)] if name else []


def named(who: dict[str, Any] | str) -> str:
    """The name of an Organization or a person that is contained, as names are compared; "" without one."""
    name = who.get("name") if isinstance(who, dict) else None
    first = name[0] if isinstance(name, list) and name else name
    if isinstance(first, dict):
        parts = [*(first.get("given") or ()), first.get("family") or ""]
        return normalized(" ".join(map(str, parts)))
    return normalized(first) if isinstance(first, str) else ""


def found(tree: dict[str, Any]) -> dict[str, Any]:
    """A CommunicationRequest with whom its subject was found to be in place of whom it contains."""
    # Of an event alone: of any other request who sends it says whose it is, and is held to that.
    here = said(subject(tree), RECORD) if kind(tree) is not None and isinstance(tree.get("subject"), dict) else None
    return {**tree, "subject": here} if isinstance(here, dict) else tree
