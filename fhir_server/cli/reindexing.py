"""Walking the whole store and writing each resource's index anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from fhir_server.access.policy import WRITER
from fhir_server.app import House
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse
from fhir_server.search.activation import complete, fingerprint
from fhir_server.search.extract import extract
from fhir_server.store.filters import EVERYTHING, Index
from fhir_server.store.matching import unpack
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
    done = 0
    after: Position | None = None
    while True:
        page = await house.engine.store.walk(types, after, BATCH)
        live = [version for version in page.versions if not version.deleted]
        await house.engine.store.reindex([(version, _index(house, version)) for version in live])
        done += len(live)
        report(done, total)
        after = page.next
        if after is None:
            break
    for url, parameter in pending.items():
        await complete(house.engine.records, url, fingerprint(parameter))
    if pending:
        await house.watch.announce()
    return done


def _index(house: House, version: Version) -> Index:
    """What can be searched of a version; who wrote a Binary is no element of it and is carried over."""
    index = extract(version.type, parse(version.body), house.registry, house.settings.base_url, written=True)
    writers = tuple(word for word in unpack(version.packed).words if word.param == WRITER)
    return msgspec.structs.replace(index, words=(*index.words, *writers)) if writers else index
