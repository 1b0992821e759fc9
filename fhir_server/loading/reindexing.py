"""Walking the whole store and writing each resource's index anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.app import House
from fhir_server.fhir.definitions import resource_types
from fhir_server.search.activation.reindex import indexed_anew, reindexed
from fhir_server.search.activation.watch import complete, fingerprint
from fhir_server.store.filters import EVERYTHING, Index
from fhir_server.store.protocol import Position, Version

#: Resources re-indexed in one step.
BATCH = 500
#: What a parameter of every type is defined on.
ABSTRACT = frozenset(("Resource", "DomainResource"))


async def reindex_all(house: House, types: Sequence[str], report: Callable[[int, int], None]) -> int:
    """Index every current resource of `types`; parameters added at run time that this completes become usable.

    Args:
        house: the opened server.
        types: resource types.
        report: called after each step with how many are done and how many there are.

    Returns:
        How many resources were indexed.
    """
    covered = set(types) | (ABSTRACT if len(types) == len(resource_types()) else frozenset())
    pending = {url: one for url, one in house.watch.pending().items() if set(one.base) <= covered}
    total = await house.repository().count(dict.fromkeys(types, EVERYTHING))

    async def anew(versions: Sequence[Version]) -> list[Index]:
        return [indexed_anew(version, house.registry, house.settings.base_url) for version in versions]

    done = 0
    after: Position | None = None
    while True:
        page = await house.engine.store.walk(dict.fromkeys(types, EVERYTHING), after, BATCH)
        await reindexed(house.engine.store, page.versions, anew)
        done += sum(not version.deleted for version in page.versions)
        report(done, total)
        after = page.next
        if after is None:
            break
    for url, parameter in pending.items():
        await complete(house.engine.records, url, fingerprint(parameter))
    if pending:
        await house.follow()
    return done
