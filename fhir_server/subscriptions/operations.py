"""$status and $events of Subscriptions: http://hl7.org/fhir/uv/subscriptions-backport, 1.1.0."""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.store.filters import EVERYTHING, Filter, Id, Token, both, either
from fhir_server.store.protocol import Version
from fhir_server.subscriptions import kept, notification
from fhir_server.subscriptions.kept import Queued
from fhir_server.subscriptions.model import CONTENTS, wanted
from fhir_server.subscriptions.sights import shown

#: Subscriptions, and events, of one answer.
_MOST = 1_000
_MOST_BYTES = 20_000_000


async def status(_: Any, call: Invocation, context: Context) -> Response:
    """200 with a searchset of the status of one Subscription, or of those of the caller's that are asked for.

    Raises:
        NotFound, Gone: there is no such Subscription, or it is another's (404, 410).
    """
    if call.id is not None:
        versions: list[Version] = [await call.stored(context)]
    else:
        ids, states = call.inputs.all("id"), call.inputs.all("status")
        where: Filter = both(
            Id(tuple(ids)) if ids else EVERYTHING,
            either([Token("status", one) for one in states]) if states else EVERYTHING,
        )
        context.repository.require("Subscription", "s")
        versions = [*(await context.repository.find({"Subscription": where}, count=_MOST)).versions]
    entries = [await _status(context, one) for one in versions]
    found = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
    return Response(200, serialize({name: one for name, one in found.items() if one != []}))


async def _status(context: Context, version: Version) -> dict[str, Any]:
    of = wanted(version)
    said = notification.status(
        context.base, of.id, of.topic, of.status, "query-status", await _numbered(context, of.id), (), of.error
    )
    return {"fullUrl": f"urn:uuid:{said['id']}", "resource": said, "search": {"mode": "match"}}


async def _numbered(context: Context, id: str) -> int:
    assert context.records is not None
    return (await kept.state(context.records, id)).numbered


async def events(_: Any, call: Invocation, context: Context) -> Response:
    """200 with a notification of the events between two numbers that the caller may still see.

    Raises:
        NotFound, Gone: there is no such Subscription, or it is another's (404, 410).
        InvalidParameter: a number is none, or the content is of no kind (400).
    """
    assert context.records is not None
    version = await call.stored(context)
    of, first, last = wanted(version), _number(call, "eventsSinceNumber"), _number(call, "eventsUntilNumber")
    content = call.inputs.one("content") or of.content or "id-only"
    if content not in CONTENTS:
        raise InvalidParameter("The content is empty, id-only or full-resource.", "http.content")
    found = await kept.events(context.records, of.id, first or 1, last, _MOST)
    may = await shown(context.repository, found)
    seen = [one for one in found if (one.type, one.id, one.version) in may]
    bodies = await _bodies(context, seen) if content == "full-resource" else {}
    numbered = await _numbered(context, of.id)
    told = [(one, content != "empty") for one in seen]
    said = notification.status(context.base, of.id, of.topic, of.status, "query-event", numbered, told, of.error)
    entries = [notification.entry(context.base, one, bodies.get(one.number)) for one in seen]
    whole = notification.bundle(of.id, said, entries if content != "empty" else ())
    return Response(200, serialize(whole))


async def _bodies(context: Context, seen: list[Queued]) -> dict[int, dict[str, Any]]:
    """The resources of events as they were then, by number; of those that are too long together, the first."""
    seen = [one for one in seen if not one.deleted]
    keys = [(one.type, one.id, one.version) for one in seen]
    found = await context.repository.vread_many(keys, _MOST_BYTES)
    return {
        one.number: parse(version.body, 1000)
        for one, version in zip(seen, found, strict=False)
        if version is not None and context.repository.allows(one.type, "r")
    }


def _number(call: Invocation, name: str) -> int | None:
    said = call.inputs.one(name)
    if said is None:
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise InvalidParameter(f"{name} is the number of an event.", f"http.{name}")
    return int(said)
