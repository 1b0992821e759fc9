"""SMART scopes: read from what an app asks, met with what it may have, and turned into what the policy judges by.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html: v2 (`patient/Observation.rs?category=…`) and v1
(`patient/*.read`). A scope that is not understood is not granted; RFC 6749 §3.3 lets the answer say what was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from fhir_server.access.grant import VERBS, Scope
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.asking.query import Place, condition
from fhir_server.store.filters import EVERYTHING

Level = Literal["patient", "user", "system"]

_PATTERN = re.compile(
    r"(patient|user|system)/(\*|[A-Z][A-Za-z]{2,40})\.(read|write|\*|c?r?u?d?s?)(?:\?([!-~]{3,1000}))?"
)
#: v1 words and the letters they stand for: scopes-and-launch-context.html#scopes-for-requesting-fhir-resources.
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_ORDER = "cruds"
#: Parameters that mean the same for every type, so that `*` can be constrained by them.
_ANY_TYPE = frozenset({"_tag", "_security", "_profile", "_source", "_lastUpdated"})
#: A constraint must be judged on the resource itself: it may not lead elsewhere.
_LEADING = ("_has", "_filter", "_content", "_text", "_query")
#: The longest scope parameter: a token would not carry more.
LONGEST = 8_000

#: What is not about resources: identity, refresh, launch context.
SPECIAL = frozenset(
    {"openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access"}
)

#: Of these, those that mean a refresh token.
REFRESHED = frozenset({"offline_access", "online_access"})


@dataclass(frozen=True, slots=True)
class Resources:
    """A scope about resources.

    Attributes:
        text: as it was asked.
        level: whose data.
        type: a resource type or "*".
        verbs: letters of `cruds`.
        query: the constraint of a granular scope, "" without one.
    """

    text: str
    level: Level
    type: str
    verbs: frozenset[str]
    query: str = ""


def read(text: str) -> Resources | None:
    """The scope about resources that `text` is; None when it is something else or malformed."""
    found = _PATTERN.fullmatch(text)
    if found is None or not found[3] or (found[2] != "*" and found[2] not in resource_types()):
        return None
    query = found[4] or ""
    names = [pair.partition("=")[0].partition(":")[0] for pair in query.split("&")] if query else []
    if any("." in name or name in _LEADING for name in names):
        return None
    if found[2] == "*" and not _ANY_TYPE.issuperset(names):
        return None
    letters = frozenset(_V1.get(found[3], found[3]))
    return Resources(text, cast(Level, found[1]), found[2], letters & VERBS, query)


def split(text: str | None) -> list[str]:
    """The scopes of a `scope` parameter, each once, in order; nothing of one that is too long."""
    return list(dict.fromkeys((text or "").split())) if len(text or "") <= LONGEST else []


def meet(asked: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """What is both asked and allowed, in the words of the one who asked where it is granted whole."""
    limits = [one for one in map(read, allowed) if one is not None]
    special = set(allowed) & SPECIAL
    granted: dict[str, None] = {}
    for text in asked:
        if text in special:
            granted[text] = None
        elif (wanted := read(text)) is not None:
            parts = [common for limit in limits if (common := _common(wanted, limit)) is not None]
            whole = next((part for part in parts if part == text), None)
            granted.update(dict.fromkeys([whole] if whole else parts))
    return list(granted)


def of_levels(texts: Iterable[str], *levels: Level) -> list[str]:
    """Those about resources whose level is one of `levels`."""
    return [text for text in texts if (one := read(text)) is not None and one.level in levels]


def compiled(texts: Iterable[str], place: Place) -> tuple[Scope, ...]:
    """What the policy judges by. A constraint that is not understood grants nothing."""
    scopes = []
    for text in texts:
        one = read(text)
        if one is None:
            continue
        try:
            where = condition("Basic" if one.type == "*" else one.type, one.query, place) if one.query else EVERYTHING
        except FhirError:
            continue
        scopes.append(Scope(one.level, one.type, one.verbs, where))
    return tuple(scopes)


def understood(texts: Iterable[str], place: Place) -> list[str]:
    """`texts` without the constraints that this server cannot judge."""
    return [text for text in texts if read(text) is None or compiled([text], place)]


def _common(wanted: Resources, limit: Resources) -> str | None:
    verbs = wanted.verbs & limit.verbs
    if wanted.level != limit.level or not verbs or (limit.type not in ("*", wanted.type) and wanted.type != "*"):
        return None
    type = limit.type if wanted.type == "*" else wanted.type
    query = "&".join(dict.fromkeys(part for part in (wanted.query, limit.query) if part))
    if (verbs, type, query) == (wanted.verbs, wanted.type, wanted.query):
        return wanted.text
    letters = "".join(letter for letter in _ORDER if letter in verbs)
    return f"{wanted.level}/{type}.{letters}" + (f"?{query}" if query else "")
