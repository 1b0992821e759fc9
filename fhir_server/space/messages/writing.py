"""What the server says of a message that is written, and what it refuses: drafts, sending, reading, and no more.

A draft is its author's, until it is sent: then nothing of it changes but that it was received, which a recipient says
once. When it was sent and received, and who wrote it in the patient's place, is the server's to say. What an
administrator's software writes (a restored export) is the administrator's, as far as any message could be so
(`whoever`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, Invalid, Issue, MethodNotAllowed
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.messages import attachments, bounds, lines, whoever
from fhir_server.space.messages.model import (
    DRAFT,
    MESSAGE_ID,
    PROFILE,
    SENT,
    WRITTEN_BY,
    Message,
    local,
    message_id,
    message_of,
)
from fhir_server.space.messages.rules import broken
from fhir_server.space.messages.situation import situation
from fhir_server.space.messages.writers import Writer, acts_for, writer_of
from fhir_server.space.record.writing import changes

#: Each is looked up.
MOST_RECIPIENTS = 50
#: Of a message that was sent, what may change.
_RECEIVED = "received"
_NOT_DELETED = "A message that was sent is not deleted."
_FINAL = "A message that was sent does not change: another message says what is otherwise."


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """What people write is a message of our profile, which it says."""
    if not people(context.repository.grant) or PROFILE in profiles or not whoever.unclaimed(tree):
        return []
    words = f"A message says that it conforms to {PROFILE}."
    return [Issue("error", "required", words, "Communication.meta.profile", "message-profile")]


async def arrange(context: Context, change: Change) -> Change:
    """A message as it is stored: its id, its instants, who wrote it, its files beside it, its name claimed.

    Raises:
        Invalid: a file is not what it says (422).
    """
    assert change.tree is not None
    tree = {**change.tree, "id": change.id}
    before = _before(change)
    if people(context.repository.grant) and not change.as_server:
        tree = await _said(context, tree, before)
        change = await attachments.stored(context, change.arranged(tree))
    else:
        change = change if tree == change.tree else change.arranged(tree)
        change = change if change.as_server else await whoever.completed(context, change)
    return _claiming(change)


def _claiming(change: Change) -> Change:
    """The change with the Message-ID that it alone of its sender's has: nobody takes one away from others."""
    assert change.tree is not None
    name = message_id(change.tree)
    if name is None:
        return change if change.before is None else replace(change, claims=frozenset())
    return replace(change, claims=frozenset({f"{MESSAGE_ID}|{name}|{local(change.tree.get('sender'))}"}))


async def _said(context: Context, tree: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    if before is not None and before.get("status") == SENT:
        # Only that it was received is new, judged below: in the server's words, and nobody's beside them.
        left = {name: one for name, one in tree.items() if name != f"_{_RECEIVED}" or name in before}
        return left | {_RECEIVED: now} if _RECEIVED in left and _RECEIVED not in before else left
    made = {name: one for name, one in tree.items() if name not in ("sent", "_sent")}
    if made.get("status") == SENT:
        made["sent"] = now
    writer = await writer_of(context.repository, local(made.get("subject"), context.base))
    others = [one for one in tree.get("extension", ()) if one.get("url") != WRITTEN_BY]
    if writer.stands_in:
        others.append({"url": WRITTEN_BY, "valueReference": {"reference": writer.person}})
    made.pop("extension", None)
    return made | ({"extension": others} if others else {})


async def judge(context: Context, change: Change) -> None:
    """Refuse what is not this caller's to write.

    Raises:
        MethodNotAllowed: a message that was sent is deleted (405).
        Forbidden: who reads a message that was sent to others says that it was received (403).
        Invalid: a rule of exchanges is broken, or a message that was sent would change (422).
    """
    if change.as_server:
        return
    if not people(context.repository.grant):
        if change.tree is not None:
            await whoever.judge(context, change.tree)
        return
    before = _before(change)
    if before is not None and before.get("status") != DRAFT:
        await _require_received(context, before, change.tree)
    elif change.tree is not None:
        await _require_allowed(context, change.tree)


async def _require_allowed(context: Context, tree: dict[str, Any]) -> None:
    if tree.get("status") not in (DRAFT, SENT):
        raise _refused("A message is a draft, or sent.", "status", "message-status")
    if _RECEIVED in tree:
        raise _refused("A message that is not sent yet was received by nobody.", _RECEIVED, "message-received")
    message = message_of(tree, context.base)
    if len(message.recipients) > MOST_RECIPIENTS:
        words = f"A message has {MOST_RECIPIENTS} recipients at most."
        raise _refused(words, "recipient", "message-recipients")
    if found := [*bounds.beyond(tree), *attachments.misnamed(tree, context.base), *lines.astray(tree)]:
        raise Invalid(issues=found)
    # Before the rules: by these a stranger would learn who writes to whom.
    if not acts_for(context.repository.grant, message.patient):
        raise Forbidden("This Communication is not of the token's patient.", "Communication.subject")
    writer = await writer_of(context.repository, message.patient)
    found = [*broken(await situation(context.repository, message, writer, datetime.now(UTC)))]
    if found:
        raise Invalid(issues=found)


async def _require_received(context: Context, before: dict[str, Any], after: dict[str, Any] | None) -> None:
    if after is None:
        raise MethodNotAllowed(_NOT_DELETED, "Communication", headers={"Allow": "GET, HEAD, PATCH"})
    changed = changes(before, after)
    for name in sorted(changed - {_RECEIVED}):
        raise _refused(_FINAL, name, "message-final")
    if _RECEIVED in before and changed:
        raise _refused("It was received already.", _RECEIVED, "message-received")
    message = message_of(before, context.base)
    writer = await writer_of(context.repository, message.patient)
    if changed and not receives(writer, message):
        words = "Who a message is to says that it was received."
        raise Forbidden(words, "Communication.received", key="message-received")


def receives(writer: Writer, message: Message) -> bool:
    """Whether a message is to somebody, or to whom they act for."""
    if writer.side == "patient":
        return message.side == "professional"
    return bool(writer.names & {*message.recipients}) and message.sender not in writer.names


def _before(change: Change) -> dict[str, Any] | None:
    return parse(change.before.body) if change.before is not None and not change.before.deleted else None


def _refused(words: str, element: str, key: str) -> Invalid:
    return Invalid(words, f"Communication.{element}", code="business-rule", key=key)
