"""Which patients a Binary is about: those of the resource it names, since its own index names nobody.

https://hl7.org/fhir/R4/binary.html#security
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from fhir_server.access import binaries
from fhir_server.access.readings import Key, Readings
from fhir_server.access.touched import About, owners
from fhir_server.store.filters import Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Put, Version, Write

_ALONE: Mapping[Key, Put] = MappingProxyType({})


async def of_versions(readings: Readings, versions: Sequence[Version]) -> About:
    """The patients of each Binary among `versions`."""
    found = {(v.type, v.id): unpack(v.own) for v in versions if v.type == "Binary"}
    return await _of(readings, found, _ALONE) if found else {}


async def of_writes(readings: Readings, writes: Sequence[Write]) -> About:
    """The patients of each Binary among `writes`, which may be written together with what it names."""
    puts = {(write.type, write.id): write for write in writes if isinstance(write, Put)}
    found = {key: put.index for key, put in puts.items() if put.type == "Binary"}
    return await _of(readings, found, puts) if found else {}


async def _of(readings: Readings, indexes: Mapping[Key, Index], beside: Mapping[Key, Put]) -> About:
    named = {key: tuple(binaries.contexts(index)) for key, index in indexes.items()}
    stored = list(dict.fromkeys(key for keys in named.values() for key in keys if key not in beside))
    found: dict[Key, Index | bytes] = {
        key: beside[key].index for keys in named.values() for key in keys if key in beside
    }
    for key, version in zip(stored, await readings.read_many(stored), strict=True):
        if version is not None:
            found[key] = version.packed
    return {
        key: tuple(one for type, id in keys if (type, id) in found for one in owners(type, id, found[type, id]))
        for key, keys in named.items()
    }
