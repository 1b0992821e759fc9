"""Whose a resource is, asked of the resource itself and of the store: what a write is judged by, before and after.

https://hl7.org/fhir/R4/references.html#logical: an identifier beside a literal reference says the same of the same one.
Searches find by it (`subject:identifier`), so that of another patient it would put a resource into another's record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.whose import WHOSE, Named, Owner, owner
from fhir_server.fhir.json import parse
from fhir_server.store.filters import Index, Word
from fhir_server.store.protocol import Store, Version


async def owned(store: Store, grant: Grant, type: str, tree: dict[str, Any], base: str) -> Owner:
    """Whose a resource is, for a caller: nobody's where it names other patients as parties, or by their identifiers."""
    found = owner(type, tree, base)
    if found.patient is None:
        return found
    if found.others - {found.patient, grant.subject}:
        return replace(found, patient=None, element=type)
    for named in found.named:
        if not await _holds(store, named):
            return replace(found, patient=None, element=named.element)
    return found


async def owner_of(store: Store, grant: Grant, version: Version, base: str) -> Owner:
    """Whose a stored version is; of a deletion, whose what it ended was."""
    body = version.body
    if version.deleted:
        ended = await store.vread(version.type, version.id, version.version - 1)
        body = ended.body if ended is not None else b""
    return await owned(store, grant, version.type, parse(body), base) if body else Owner(None, version.type)


def with_owner(index: Index, found: Owner) -> Index:
    """The index with the row that rules of writes ask for; it is never stored."""
    if found.patient is None:
        return index
    return Index((*index.words, Word(WHOSE, found.patient)), index.spans, index.narrative, index.content)


async def _holds(store: Store, named: Named) -> bool:
    """Whether what an identifier is said of has it. What is not here has none that could be known."""
    type, _, id = named.reference.partition("/")
    version = await store.read(type, id) if id else None
    if version is None or version.deleted:
        return False
    own = parse(version.body).get("identifier")
    return any(
        str(one.get("system", "")) == named.system and str(one.get("value", "")) == named.value
        for one in (own if isinstance(own, list) else [own])
        if isinstance(one, dict)
    )
