"""What a Subscription says, read from its resource: https://hl7.org/fhir/R4/subscription.html."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.fhir.dates import begins
from fhir_server.fhir.json import parse
from fhir_server.store.filters import EVERYTHING, Filter
from fhir_server.store.protocol import Version
from fhir_server.subscriptions.topics import names_topic

#: Systems of the tags that the server sets: whose a Subscription is, and under which name what it needs is kept.
OWNER = "https://fhir-server.example/CodeSystem/subscription-owner"
HOLDER = "https://fhir-server.example/CodeSystem/subscription-holder"
#: Index row: whose a Subscription is.
SUBSCRIBER = "_subscriber"
#: Index row: whose events it is to ("Patient/1"), where it says so.
ABOUT = "_about"
#: The engine's own hand: what it writes of a Subscription is not what a caller asks for.
ENGINE = Grant((Scope("system", "*", VERBS),), reason="subscriptions", traced=False)

#: Of http://hl7.org/fhir/uv/subscriptions-backport: how topic-based Subscriptions say what R4 has no element for.
_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
FILTER, CONTENT = f"{_GUIDE}filter-criteria", f"{_GUIDE}payload-content"
HEARTBEAT, TIMEOUT, MAX_COUNT = (f"{_GUIDE}{name}" for name in ("heartbeat-period", "timeout", "max-count"))
CONTENTS = frozenset({"empty", "id-only", "full-resource"})
#: RFC 6068, of one plain address of RFC 5321 §4.1.2.
_MAILTO = re.compile(
    r"mailto:([A-Za-z0-9!#$&'*+\-/=^_`{|}~]+(?:\.[A-Za-z0-9!#$&'*+\-/=^_`{|}~]+)*@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,})"
).fullmatch
#: Media types of a payload.
JSON, XML = ("application/fhir+json", "application/json"), ("application/fhir+xml", "application/xml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Subscription as the engine goes by it.

    Attributes:
        id, version, at: of the resource; `at` in ms since 1970 UTC.
        status: as it is stored.
        criteria: a search of one type.
        kind: of the channel.
        endpoint, payload: of the channel; "" for none.
        end: when it ends by itself; None for never.
        holder: name under which its rights and headers are kept.
        error: what it says of its last failure.
        topic: its canonical; "" where the criteria are a search.
        filters: searches that narrow the topic.
        content: how much of a resource a notification of a topic has; "" where it does not say.
        heartbeat, timeout: in seconds; 0 where it does not say.
        max_count: events of one notification; 0 likewise.
    """

    id: str
    version: int
    at: int
    status: str
    criteria: str
    kind: str
    endpoint: str
    payload: str
    end: datetime | None
    holder: str
    error: str
    topic: str = ""
    filters: tuple[str, ...] = ()
    content: str = ""
    heartbeat: int = 0
    timeout: int = 0
    max_count: int = 0


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What else a Subscription is held to than what R4 has elements for.

    Attributes:
        where: what it is told of satisfies this too.
        interactions: what makes an event, at most: "create", "update", "delete".
        start: it is told of nothing that was committed before, in ms since 1970.
    """

    where: Filter = EVERYTHING
    interactions: frozenset[str] = frozenset({"create", "update", "delete"})
    start: int = 0


#: Reads it from a stored Subscription, by the base that its owner's rights are for.
Narrow = Callable[[Mapping[str, Any], str], Narrowing]


def as_said(tree: Mapping[str, Any], base: str) -> Narrowing:
    """Of a Subscription of which nothing more is known."""
    return Narrowing()


def wanted(version: Version) -> Wanted:
    """What a stored Subscription says."""
    tree = parse(version.body)
    channel = tree.get("channel") or {}
    return Wanted(
        version.id,
        version.version,
        version.at,
        str(tree.get("status", "")),
        str(tree.get("criteria", "")),
        str(channel.get("type", "")),
        str(channel.get("endpoint", "")),
        media_type(channel.get("payload")),
        ends(tree),
        tag(tree, HOLDER),
        str(tree.get("error", "")),
        topic_of(tree),
        tuple(str(one) for one in extensions(tree.get("_criteria"), FILTER)),
        str(next(iter(extensions(channel.get("_payload"), CONTENT)), "")),
        *(_whole(channel, url) for url in (HEARTBEAT, TIMEOUT, MAX_COUNT)),
    )


def topic_of(tree: Mapping[str, Any]) -> str:
    """The topic that a Subscription names; "" where its criteria are a search."""
    criteria = str(tree.get("criteria", ""))
    return criteria if names_topic(criteria) else ""


def extensions(element: object, url: str) -> list[Any]:
    """The values of the extensions of an element, or beside a primitive, that have a URL."""
    rows = element.get("extension", ()) if isinstance(element, dict) else ()
    return [value for one in rows if one.get("url") == url for name, value in one.items() if name.startswith("value")]


def _whole(channel: Mapping[str, Any], url: str) -> int:
    found = next(iter(extensions(channel, url)), 0)
    return found if isinstance(found, int) else 0


def tag(tree: Mapping[str, Any], system: str) -> str:
    """The code of the first tag of a system; "" without one."""
    tags = (tree.get("meta") or {}).get("tag") or ()
    return next((str(one.get("code", "")) for one in tags if one.get("system") == system), "")


_UTC = ZoneInfo("UTC")


def ends(tree: Mapping[str, Any]) -> datetime | None:
    """When a Subscription ends; None for never, or where that is no instant."""
    said = tree.get("end")
    return begins(said, _UTC) if isinstance(said, str) and "T" in said else None


def mailbox(endpoint: str) -> str | None:
    """The address of a `mailto:` that has one and nothing else; None of any other."""
    found = _MAILTO(endpoint)
    return found[1] if found is not None and len(found[1]) <= 254 else None


def media_type(said: object) -> str:
    """A media type without parameters, in small letters; "" for none."""
    return str(said or "").partition(";")[0].strip().lower()
