"""Language tags: well formed, and made of subtags that are registered.

RFC 5646 §2.2.9 ("valid"), https://hl7.org/fhir/R4/valueset-all-languages.html. The registry is IANA's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import msgspec

from fhir_server.fhir.definitions import folder

#: RFC 5646 §2.1; each part bounded, so that matching is linear.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,8})(?P<extlang>(?:-[a-z]{3}){0,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|\d{3}))?"
    r"(?P<variant>(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3})){0,8})(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8}){1,8}){0,8}"
    r"(?:-x(?:-[a-z0-9]{1,8}){1,8})?"
)
_PRIVATE = re.compile(r"x(?:-[a-z0-9]{1,8}){1,8}")
_LONGEST = 255


@lru_cache(maxsize=4096)
def is_language(tag: str) -> bool:
    """Whether a text is a valid language tag; case does not matter (RFC 5646 §2.1.1)."""
    if len(tag) > _LONGEST or not tag.isascii():
        return False
    lower, known = tag.lower(), _registered()
    if lower in known["grandfathered"] or _PRIVATE.fullmatch(lower):
        return True
    found = _TAG.fullmatch(lower)
    if found is None:
        return False
    parts = {kind: (found[kind] or "").strip("-") for kind in ("language", "extlang", "script", "region", "variant")}
    return all(one in known[kind] for kind, said in parts.items() if said for one in said.split("-"))


@cache
def _registered() -> Mapping[str, frozenset[str]]:
    body = (folder("profiles") / "iana" / "language-subtags.json").read_bytes()
    rows = msgspec.json.decode(body, type=dict[str, str])
    return {kind: frozenset(one for row in said.split() for one in _spread(row)) for kind, said in rows.items()}


def _spread(row: str) -> Iterator[str]:
    """A subtag, or all of a range such as `qaa..qtz`."""
    first, _, last = row.partition("..")
    one = first
    while last and one < last:
        yield one
        one = _next(one)
    yield one


def _next(text: str) -> str:
    """The text after another of the same length, by letters."""
    head, end = text[:-1], text[-1]
    return head + chr(ord(end) + 1) if end != "z" else _next(head) + "a"
