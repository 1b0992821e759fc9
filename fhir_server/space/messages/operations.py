"""What is asked of messages beside reading and writing them: receipts, the end of an exchange, how many are unread.

OperationDefinitions Communication-mark-read, Communication-end and Patient-unread. Each does what a client could do
with plain FHIR, by the same way and under the same rules.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Forbidden, Invalid, PreconditionFailed
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import dispatch
from fhir_server.interactions.writing import written
from fhir_server.operations.invocation import Invocation, returned
from fhir_server.space.messages.model import Message, communication, message_of, side
from fhir_server.space.messages.reading_rules import received_by
from fhir_server.space.messages.rows import FROM
from fhir_server.space.messages.writers import Writer, writer_of
from fhir_server.store.filters import NOTHING, Filter, Missing, Refers, Token, both

#: What ends an exchange where nothing else is said with it.
ENDING = "L’échange est terminé. Il n’est plus possible d’y répondre."
_PATCH = "application/json-patch+json"
#: How often somebody who is overtaken looks again.
_ATTEMPTS = 20


async def mark_read(_: Any, call: Invocation, context: Context) -> Response:
    """200 with the message, which says when it was received; one that says so already stays as it is.

    So it is for each of several who say so at once: one of them is the first, and nobody is refused for being later.

    Raises:
        NotFound: no such message, or not for this caller (404).
        Forbidden: it is not to the caller (403).
        Invalid: it was not sent (422).
    """
    for last in (*[False] * _ATTEMPTS, True):
        version = await call.stored(context)
        if message_of(parse(version.body), context.base).received is not None:
            return written(version, 200, context)
        # Said by who is held to no rule too: an administrator's software.
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        patch = json.dumps([{"op": "add", "path": "/received", "value": now}]).encode()
        # Of the version that was looked at: of two within a millisecond the later would say the same once more.
        headers = {"if-match": f'W/"{version.version}"'}
        request = Request("PATCH", ("Communication", call.id or ""), (), patch, _PATCH, headers=headers)
        try:
            return await dispatch(request, context)
        except (Conflict, Invalid, PreconditionFailed):
            now_there = await call.stored(context)
            if last or now_there.version == version.version:
                raise
    raise AssertionError("the last attempt returns or raises")


async def end(_: Any, call: Invocation, context: Context) -> Response:
    """201 with the message by which a professional ends the exchange that a message (of the call) is of.

    Raises:
        NotFound: no such message, or not for this caller (404).
        Forbidden: the caller is no professional (403).
        Invalid: it was ended before, or a rule of exchanges is broken (422).
    """
    version = await call.stored(context)
    message = message_of(parse(version.body), context.base)
    writer = await writer_of(context.repository, message.patient)
    if writer.side == "patient":
        raise Forbidden("Only a professional ends an exchange.", "Communication", key="message-end")
    text = call.inputs.one("text") or ENDING
    tree = communication(
        message.patient,
        as_whom(writer, message),
        to_whom(writer, message),
        message.topic,
        [{"contentString": text}],
        answers=message,
        ends=True,
    )
    return await dispatch(Request("POST", ("Communication",), body=serialize(tree), resource=tree), context)


def as_whom(writer: Writer, message: Message) -> str:
    """As whom a professional goes on in an exchange: as they wrote, or were written to."""
    return next((one for one in message.parties if one in writer.names), writer.person)


def to_whom(writer: Writer, message: Message) -> list[str]:
    """To whom a professional goes on writing: everybody else of the exchange, the patient among them."""
    others = [one for one in dict.fromkeys(message.parties) if one not in writer.names]
    return others if any(side(one) == "patient" for one in others) else [message.patient, *others]


async def unread(_: Any, call: Invocation, context: Context) -> Response:
    """200 with Parameters: how many messages about a patient are to the caller's side, and were received by nobody yet.

    Of a patient who is hidden, or not there, there are none.

    Raises:
        Forbidden: no scope to search messages (403).
    """
    context.repository.require("Communication", "s")
    patient = f"Patient/{call.id}"
    writer = await writer_of(context.repository, patient)
    where = both(Refers("subject", patient), Missing("received"), _to_side(writer))
    counted = 0 if where == NOTHING else await context.repository.count({"Communication": where})
    return returned("count", "valueInteger", counted)


def _to_side(writer: Writer) -> Filter:
    if writer.side == "patient":
        return Token(FROM, "professional")
    return both(received_by(writer.names), Token(FROM, "patient"))
