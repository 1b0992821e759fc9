"""Keeps the AuditEvents that the server itself makes, with a mark by which they are told from what anyone wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import begun
from fhir_server.search.indexing.parts import by_parts
from fhir_server.store.filters import Id, Index, Word
from fhir_server.store.protocol import Put

#: Index row of an event that the server itself made; no caller can write it, whatever their resource says.
WITNESSED = "_witnessed"
_MADE_HERE = Word(WITNESSED, "1")


def witnessed(repository: Repository, tree: dict[str, Any], id: str = "") -> Put:
    """The write of an AuditEvent of the server's own, for a commit of `repository`; under a new id without one."""
    marked = made_here(by_parts("AuditEvent", tree, repository.registry, repository.base))
    id = id or repository.new_id("AuditEvent")
    body, stamp = begun(tree, id)
    return Put("AuditEvent", id, 0, body, stamp, marked, "POST")


def made_here(index: Index) -> Index:
    """The index of an event that the server itself made."""
    return Index((*index.words, _MADE_HERE), index.spans, index.narrative, index.content)


async def record(repository: Repository, trees: Iterable[dict[str, Any]]) -> None:
    """Keep AuditEvents, durable when this returns."""
    await repository.append([witnessed(repository, tree) for tree in trees])


async def record_named(repository: Repository, named: Sequence[tuple[str, dict[str, Any]]]) -> int:
    """Keep AuditEvents under ids of their own, those that are there already left out; how many were kept."""
    page = await repository.find({"AuditEvent": Id(tuple(id for id, _ in named))}, count=len(named), want="head")
    there = {version.id for version in page.versions}
    puts = [witnessed(repository, tree, id) for id, tree in named if id not in there]
    await repository.append(puts)
    return len(puts)
