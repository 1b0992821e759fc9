"""$get-ws-binding-token: http://hl7.org/fhir/uv/subscriptions-backport, 1.1.0."""

from __future__ import annotations

import time
from typing import Any

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import Invalid, NotFound
from fhir_server.interactions.exchange import Context, Response
from fhir_server.interactions.statement import socket_url
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.store.filters import Id, Token, both
from fhir_server.store.protocol import Version
from fhir_server.subscriptions.model import SUBSCRIBER, Wanted, wanted
from fhir_server.subscriptions.owners import owner
from fhir_server.subscriptions.sockets.binding import SECONDS, authority, token_for
from fhir_server.subscriptions.sockets.conversation import MOST_BOUND


async def binding_token(_: Any, call: Invocation, context: Context) -> Response:
    """200 with a token that binds a socket once to one Subscription, or to those of the caller's that are asked for.

    Raises:
        NotFound, Gone: there is no such Subscription of the caller's own, or none by websocket at all (404, 410).
        Invalid: the one asked for is told otherwise, or off; more than a socket is bound to are asked for (422).
    """
    assert context.records is not None
    ids = tuple([await _one(call, context)] if call.id is not None else await _several(call, context))
    by = authority(context.repository.grant)
    token = await token_for(context.records, by, ids)
    rows: list[dict[str, Any]] = [
        {"name": "token", "valueString": token},
        {"name": "expiration", "valueDateTime": instant(int((time.time() + SECONDS) * 1000))},
        *({"name": "subscription", "valueString": id} for id in ids),
        {"name": "websocket-url", "valueUrl": socket_url(context.base)},
    ]
    # RFC 6749 §5.1: what has a token in it is kept by nobody on the way.
    return answered(rows, {"Cache-Control": "no-store"})


async def _one(call: Invocation, context: Context) -> str:
    version = await call.stored(context)
    if not await _mine(context, [version.id]):
        # An administrator sees others', and listens to none.
        raise NotFound("There is no such Subscription of yours.")
    said = wanted(version)
    if said.kind != "websocket":
        raise Invalid("It is not told by websocket.", "Subscription.channel.type", code="business-rule")
    if said.status == "off":
        raise Invalid("It is off.", "Subscription.status", code="business-rule")
    return said.id


async def _several(call: Invocation, context: Context) -> list[str]:
    asked = call.inputs.all("id")
    if len(asked) > MOST_BOUND:
        raise Invalid(f"A socket is bound to {MOST_BOUND} subscriptions at most.", "http.id", code="too-costly")
    context.repository.require("Subscription", "s")
    found = [one.id for one in map(wanted, await _mine(context, asked)) if _may_be(one)]
    if not found or len(found) < len(set(asked)):
        raise NotFound("There is no such subscription by websocket of yours.", "http.id")
    return found


def _may_be(one: Wanted) -> bool:
    return one.kind == "websocket" and one.status != "off"


async def _mine(context: Context, ids: list[str]) -> tuple[Version, ...]:
    mine = Token(SUBSCRIBER, owner(context.repository.grant))
    where = both(mine, Id(tuple(ids))) if ids else both(mine, Token("type", "websocket"))
    return (await context.repository.find({"Subscription": where}, count=MOST_BOUND)).versions
