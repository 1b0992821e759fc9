"""Notification Bundles of topic-based subscriptions in R4: http://hl7.org/fhir/uv/subscriptions-backport, 1.1.0.

The first entry is the status as Parameters (backport-subscription-status-r4), the others what happened.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fhir_server.fhir.json import instant

if TYPE_CHECKING:
    from fhir_server.subscriptions.kept import Queued

_GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
STATUS = f"{_GUIDE}/backport-subscription-status-r4"
NOTIFICATION = f"{_GUIDE}/backport-subscription-notification-r4"
Kind = Literal["handshake", "heartbeat", "event-notification", "query-status", "query-event"]
Tree = dict[str, Any]


def status(
    base: str,
    id: str,
    topic: str,
    state: str,
    kind: Kind,
    numbered: int,
    told: Sequence[tuple[Queued, bool]] = (),
    error: str = "",
) -> Tree:
    """How a Subscription stands, as Parameters.

    Args:
        base: absolute URL of the FHIR base.
        id: of the Subscription.
        topic: canonical; "" for criteria that are a search.
        state: status of the Subscription.
        kind: why it is said.
        numbered: number of its last event.
        told: the events, each with whether it is said of which resource.
        error: in words.
    """
    rows: list[Tree] = [{"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{id}"}}]
    rows += [{"name": "topic", "valueCanonical": topic}] if topic else []
    rows += [
        {"name": "status", "valueCode": state},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(numbered)},
    ]
    rows += [_event(base, *one) for one in told]
    rows += [{"name": "error", "valueCodeableConcept": {"text": error}}] if error else []
    return {"resourceType": "Parameters", "id": str(uuid.uuid4()), "meta": {"profile": [STATUS]}, "parameter": rows}


def _event(base: str, of: Queued, named: bool) -> Tree:
    part: list[Tree] = [
        {"name": "event-number", "valueString": str(of.number)},
        {"name": "timestamp", "valueInstant": instant(of.at)},
    ]
    part += [{"name": "focus", "valueReference": {"reference": f"{base}/{of.type}/{of.id}"}}] if named else []
    return {"name": "notification-event", "part": part}


def bundle(id: str, said: Tree, entries: Sequence[Tree] = ()) -> Tree:
    """A notification: the status first."""
    first = {
        "fullUrl": f"urn:uuid:{said['id']}",
        "resource": said,
        "request": {"method": "GET", "url": f"Subscription/{id}/$status"},
        "response": {"status": "200"},
    }
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [NOTIFICATION]},
        "type": "history",
        "timestamp": instant_now(),
        "entry": [first, *entries],
    }


def entry(base: str, of: Queued, resource: Mapping[str, Any] | None) -> Tree:
    """What happened to a resource; with it, where it is sent whole. Of a deleted one there is nothing to send."""
    created = of.version == 1
    found: Tree = {"fullUrl": f"{base}/{of.type}/{of.id}"}
    if of.deleted:
        found["request"] = {"method": "DELETE", "url": f"{of.type}/{of.id}"}
        found["response"] = {"status": "204", "lastModified": instant(of.at)}
        return found
    if resource is not None:
        found["resource"] = resource
    method = "POST" if created and of.method == "POST" else "PUT"
    url = of.type if method == "POST" else f"{of.type}/{of.id}"
    found["request"] = {"method": method, "url": url}
    found["response"] = {"status": "201" if created else "200", "lastModified": instant(of.at)}
    return found


def instant_now() -> str:
    """The time it is, as an instant."""
    import time

    return instant(int(time.time() * 1000))
