"""A searchset Bundle, put together from the stored bytes of its resources without reading them.

https://hl7.org/fhir/R4/bundle.html#searchset, https://hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import Issue, outcome

#: (relation, URL): "self", "first", "previous", "next".
Link = tuple[str, str]

_text = msgspec.json.encode
#: Characters that mean nothing in a query and are easier read as they are.
_PLAIN = "/:,$@*!()-._~;"

MATCH = b',"search":{"mode":"match"}}'
INCLUDE = b',"search":{"mode":"include"}}'


def searchset(entries: Sequence[bytes], links: Iterable[Link], total: int | None) -> bytes:
    """The Bundle.

    Args:
        entries: as `entry` and `outcome_entry` make them, matches first.
        links: in the order they are shown.
        total: matches in all; None when it is not said.
    """
    shown = b",".join([b'{"relation":"%s","url":%s}' % (name.encode(), _text(url)) for name, url in links])
    return b"".join(
        (
            b'{"resourceType":"Bundle","id":"',
            str(uuid.uuid4()).encode(),
            b'","meta":{"lastUpdated":"',
            instant(time.time_ns() // 1_000_000).encode(),
            b'"},"type":"searchset"',
            b"" if total is None else b',"total":%d' % total,
            b',"link":[',
            shown,
            # R4: an empty array is not JSON of FHIR.
            b'],"entry":[%s]}' % b",".join(entries) if entries else b"]}",
        )
    )


def entry(base: bytes, type: str, id: str, body: bytes, mode: bytes = MATCH) -> bytes:
    """An entry holding `body`, whose fullUrl is `base`/`type`/`id`; `mode` is `MATCH` or `INCLUDE`."""
    return b'{"fullUrl":"%s/%s/%s","resource":%s%s' % (base, type.encode(), id.encode(), body, mode)


def outcome_entry(issues: Iterable[Issue]) -> bytes:
    """An entry that tells the client something about the search (`search.mode` "outcome")."""
    return b'{"resource":%s,"search":{"mode":"outcome"}}' % _text(outcome(issues))


def url(base: str, path: str, pairs: Iterable[tuple[str, str]]) -> str:
    """`base`/`path`?`pairs` with names and values percent-encoded; without what is empty."""
    query = "&".join([f"{quote(name, safe=_PLAIN)}={quote(value, safe=_PLAIN)}" for name, value in pairs])
    place = f"{base}/{path}" if path else base
    return f"{place}?{query}" if query else place
