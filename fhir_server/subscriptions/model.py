"""What a Subscription says, read from its resource: https://hl7.org/fhir/R4/subscription.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.store.protocol import Version

#: Systems of the tags that the server sets: whose a Subscription is, and under which name what it needs is kept.
OWNER = "https://fhir-server.example/CodeSystem/subscription-owner"
HOLDER = "https://fhir-server.example/CodeSystem/subscription-holder"
#: Index row: whose a Subscription is.
SUBSCRIBER = "_subscriber"
#: The engine's own hand: what it writes of a Subscription is not what a caller asks for.
ENGINE = Grant((Scope("system", "*", VERBS),), reason="subscriptions", traced=False)

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
    )


def tag(tree: Mapping[str, Any], system: str) -> str:
    """The code of the first tag of a system; "" without one."""
    tags = (tree.get("meta") or {}).get("tag") or ()
    return next((str(one.get("code", "")) for one in tags if one.get("system") == system), "")


def ends(tree: Mapping[str, Any]) -> datetime | None:
    """When a Subscription ends; None for never, or where that is no instant."""
    try:
        found = datetime.fromisoformat(str(tree["end"]))
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def media_type(said: object) -> str:
    """A media type without parameters, in small letters; "" for none."""
    return str(said or "").partition(";")[0].strip().lower()
