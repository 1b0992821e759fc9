"""Versions by their numbers, past ones too: https://hl7.org/fhir/R4/http.html#vread."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fhir_server.store.embedded.batch import METHODS
from fhir_server.store.embedded.search import Search
from fhir_server.store.protocol import Version

#: In the order of the keys: what stands left of a CROSS JOIN is the outer loop.
_NUMBERED = """
SELECT j.key, v.at, v.method, v.size, c.bytes, CASE WHEN v.seq<>r.seq THEN substr(now.bytes, r.size + 1) END
FROM json_each(?) j CROSS JOIN resource r ON r.type = j.value->>0 AND r.id = j.value->>1
CROSS JOIN version v ON v.rid = r.rid AND v.vid = j.value->>2 CROSS JOIN content c ON c.seq = v.seq
CROSS JOIN content now ON now.seq = r.seq"""
#: No resource has as many versions, and JSON holds no greater number exactly everywhere.
_MOST = 2**53


def numbered(search: Search, keys: Sequence[tuple[str, str, int]], most_bytes: int | None) -> list[Version | None]:
    """Arguments and result as `Store.vread_many`."""
    asked = [(search.compiler.type(type), id, number if number < _MOST else 0) for type, id, number in keys]
    versions: list[Version | None] = [None] * len(keys)
    left = most_bytes
    # One by one, so that no more is read than is given.
    for place, at, method, size, blob, now in search.connection.execute(
        _NUMBERED, (msgspec.json.encode(asked).decode(),)
    ):
        if left is not None and (left := left - size) < 0 and place:
            return versions[:place]
        type, id, number = keys[place]
        own = blob[size:]
        past = (own, True, b"") if now is None else (now, False, own)
        versions[place] = Version(type, id, number, at, METHODS[method], blob[:size], *past)
    return versions
