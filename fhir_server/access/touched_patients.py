"""Which patients a Binary is about: those of the resource it names, since its own index names nobody.

https://hl7.org/fhir/R4/binary.html#security
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fhir_server.access import binaries
from fhir_server.access.touched import About, owners
from fhir_server.store.filters import Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Put, Store, Version, Write

_ALONE: Mapping[tuple[str, str], Put] = MappingProxyType({})


async def of_versions(store: Store, versions: Sequence[Version]) -> About:
    """The patients of each Binary among `versions`."""
    named = {(v.type, v.id): unpack(v.own) for v in versions if v.type == "Binary"}
    return {key: await _of(store, index, _ALONE) for key, index in named.items()}


async def of_writes(store: Store, writes: Sequence[Write]) -> About:
    """The patients of each Binary among `writes`, which may be written together with what it names."""
    puts = {(write.type, write.id): write for write in writes if isinstance(write, Put)}
    return {key: await _of(store, put.index, puts) for key, put in puts.items() if put.type == "Binary"}


async def _of(store: Store, index: Index, beside: Mapping[tuple[str, str], Put]) -> tuple[str, ...]:
    found: list[str] = []
    for type, id in binaries.contexts(index):
        here = beside.get((type, id))
        if here is not None:
            found += owners(type, id, here.index)
        elif (version := await store.read(type, id)) is not None:
            found += owners(type, id, version.packed)
    return tuple(found)
