"""What every message is, whoever writes it: an administrator's software restores exchanges of any time, and no others.

It says when a message was sent and read, and by whom; who may write to whom now is not asked of it. But what it says
is a message is one: pages, notices and mails are made of it as of any other. Each row is asked of what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import begins, ends
from fhir_server.fhir.json import instant, parse
from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.messages import attachments, bounds, lines
from fhir_server.space.messages.model import DRAFT, PROFILE, SENT, Message, is_message, message_of
from fhir_server.space.messages.rules import impossible
from fhir_server.space.messages.situation import bare
from fhir_server.space.paris import PARIS

Tree = Mapping[str, Any]


def unclaimed(tree: Tree) -> bool:
    """Whether a Communication does not say that it is of our profile, by which messages are judged."""
    meta = tree.get("meta")
    said = meta.get("profile") if isinstance(meta, dict) else None
    return not (isinstance(said, list) and any(str(one).partition("|")[0] == PROFILE for one in said))


async def completed(context: Context, change: Change) -> Change:
    """A message of an administrator's software as it is stored: its files beside it, and when it was sent.

    Raises:
        Invalid: a file is not what it says (422).
    """
    assert change.tree is not None
    if not is_message(change.tree):
        return change
    made = dict(change.tree)
    if made.get("status") == SENT and "sent" not in made:
        made["sent"] = _since(change)
    return await attachments.stored(context, change if made == change.tree else change.arranged(made))


def _since(change: Change) -> str:
    """Since when a message that does not say so is sent: as it was stored before, else now."""
    before = change.before
    if before is not None and not before.deleted and parse(before.body).get("status") == SENT:
        return instant(before.at)
    return datetime.now(UTC).isoformat(timespec="milliseconds")


async def judge(context: Context, tree: Tree) -> None:
    """Refuse what is said to be a message, and could be none of any time.

    Raises:
        Invalid: naming each element (422).
    """
    if not is_message(tree):
        return
    message = message_of(tree, context.base)
    found = [*_wrong(tree, message), *bounds.beyond(tree), *attachments.misnamed(tree, context.base)]
    found += [*lines.astray(tree), *await _impossible(context.repository.as_server(), message)]
    if found:
        raise Invalid(issues=found)


async def _impossible(own: Repository, message: Message) -> list[Issue]:
    return [*impossible(await bare(own, message))]


def _wrong(tree: Tree, message: Message) -> Iterator[Issue]:
    for element, code, words, breaks in _RULES:
        if breaks(tree, message):
            yield Issue("error", "business-rule", words, f"Communication.{element}", code)


def _is_read_early(_: Tree, message: Message) -> bool:
    sent, received = begins(message.sent, PARIS), ends(message.received, PARIS)
    return sent is not None and received is not None and received < sent


def _is_draft(tree: Tree) -> bool:
    return tree.get("status") == DRAFT


#: Element, rule, what is told, whether a message breaks it.
_RULES: tuple[tuple[str, str, str, Callable[[Tree, Message], bool]], ...] = (
    ("meta.profile", "message-profile", f"A message says that it conforms to {PROFILE}.",
     lambda tree, _: unclaimed(tree)),
    ("subject", "message-subject", "A message is about a patient of this server.", lambda _, one: not one.patient),
    ("sender", "message-sender", "A sender is somebody of this server.", lambda _, one: not one.sender),
    ("recipient", "message-recipient", "A recipient is somebody of this server.",
     lambda _, one: not all(one.recipients)),
    ("sent", "message-sent", "A draft was not sent yet.", lambda tree, one: _is_draft(tree) and one.sent is not None),
    ("received", "message-received", "A message that is not sent yet was received by nobody.",
     lambda tree, one: _is_draft(tree) and one.received is not None),
    ("received", "message-received", "A message is received after it is sent.", _is_read_early),
)  # fmt: skip
