"""Whose a resource is, asked of the resource itself and of the store: what a write is judged by, before and after.

https://hl7.org/fhir/R4/references.html#logical: an identifier beside a literal reference says the same of the same one.
Searches find by it (`subject:identifier`), so that of another patient it would put a resource into another's record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from fhir_server.access.readings import Readings
from fhir_server.access.record_owner import WHOSE, Named, Owner, owner
from fhir_server.fhir import definitions
from fhir_server.fhir.json import parse
from fhir_server.store.filters import Index, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Version


async def said_of(readings: Readings, version: Version, base: str) -> Owner:
    """Whose a stored version says it is, by its references; of a deletion, whose what it ended was."""
    body = version.body
    if version.deleted:
        (ended,) = await readings.vread_many([(version.type, version.id, version.version - 1)])
        body = ended.body if ended is not None else b""
    return owner(version.type, parse(body), base) if body else Owner(None, version.type)


async def owner_of(readings: Readings, version: Version, base: str) -> Owner:
    """Whose a stored version is: nobody's where an identifier beside a reference is another's."""
    found = await said_of(readings, version, base)
    for named, version_named in await _named(readings, found.named):
        if not _holds(named, version_named):
            return replace(found, patient=None, element=named.element)
    return found


async def misnamed(
    readings: Readings,
    found: Owner,
    before: Owner | None,
    sees: Callable[[Version], Awaitable[bool]],
    subject: str | None,
) -> Named | None:
    """The first identifier of what is to be written that is not of whom it is said of; None when there is none.

    Of whom the caller could not read nothing is looked up, since the refusal would tell whether it is theirs: what the
    version before said may stay, anything else is refused whether it is so or not.

    Args:
        readings: of those who are named.
        found: what the resource says, whose owner the caller may write for.
        before: what the version before said; None for a new resource.
        sees: whether the caller may read a version.
        subject: the caller, as a reference.
    """
    past = [replace(one, element="") for one in before.named] if before is not None else []
    new = [named for named in found.named if replace(named, element="") not in past]
    for named, version in await _named(readings, new):
        known = version is not None and (named.reference in (found.patient, subject) or await sees(version))
        if not _holds(named, version if known else None):
            return named
    return None


def with_owner(index: Index, found: Owner) -> Index:
    """The index with the row that rules of writes ask for; it is never stored."""
    if found.patient is None:
        return index
    return Index((*index.words, Word(WHOSE, found.patient)), index.spans, index.narrative, index.content)


def elsewhere(type: str, index: Index, before: Version | None, allowed: Iterable[str | None]) -> str | None:
    """The search parameter by which a write would put a resource into a compartment of another patient; None for none.

    A compartment is what professionals look through, whatever a resource says of whose it is. Where it stood before,
    put there by others, it may stay.

    Args:
        type: resource type.
        index: of what is to be written.
        before: the version it follows.
        allowed: "Patient/1" of those whose compartments it may stand in.
    """
    known = _compartments(type, unpack(before.packed)) if before is not None and not before.deleted else {}
    new = _compartments(type, index).keys() - known.keys() - {*allowed}
    return next((param for patient, param in _compartments(type, index).items() if patient in new), None)


def _compartments(type: str, index: Index) -> dict[str, str]:
    """Each patient in whose compartment a resource stands, and a search parameter that puts it there."""
    params = definitions.compartments()["Patient"].get(type) or ()
    return {w.value: w.param for w in index.words if w.param in params and w.value.startswith("Patient/")}


async def _named(readings: Readings, all_named: Sequence[Named]) -> list[tuple[Named, Version | None]]:
    """Each with what it is said of; None where that is not here."""
    keys = [(type, id) for type, _, id in (named.reference.partition("/") for named in all_named)]
    there = [key for key in keys if key[1]]
    found = dict(zip(there, await readings.read_many(there), strict=True)) if there else {}
    return [(named, found.get(key)) for named, key in zip(all_named, keys, strict=True)]


def _holds(named: Named, version: Version | None) -> bool:
    """Whether what an identifier is said of has it. What is not here has none that could be known."""
    if version is None or version.deleted:
        return False
    own = parse(version.body).get("identifier")
    return any(
        str(one.get("system", "")) == named.system and str(one.get("value", "")) == named.value
        for one in (own if isinstance(own, list) else [own])
        if isinstance(one, dict)
    )
