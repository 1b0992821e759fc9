"""That an exchange which is ended stays so, whoever writes in it at the same instant or in the same transaction.

A message is judged before its commit; the end may be committed in between. So each commit of a message holds to the
condition that its exchange has no end yet: one that does not hold any more is judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.lots import Lot
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.messages.model import SENT, Message, message_of
from fhir_server.space.messages.situation import ended_by
from fhir_server.store.protocol import Guard

_WORDS = "With the end of an exchange nothing else is written in it."


async def together(context: Context, lot: Lot) -> list[tuple[int, FhirError]]:
    """What a transaction sends in exchanges that it ends: its entries have no order, so none is before the end."""
    if not people(context.repository.grant):
        return []
    sent = [(part.number, made) for part in lot.parts if (made := sent_now(context, part.change)) is not None]
    many = Counter(made.first for _, made in sent)
    ended = {made.first for _, made in sent if made.ends and many[made.first] > 1}
    refusal = Invalid(_WORDS, "Communication.inResponseTo", code="business-rule", key="message-ended")
    return [(number, refusal) for number, made in sent if made.first in ended]


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """The condition that nobody has ended the exchange of a message meanwhile."""
    if not people(context.repository.grant):
        return Extra()
    linked = [one for one in changes if one.tree is not None and "partOf" in one.tree]
    sent = [made for one in linked if (made := sent_now(context, one)) is not None and made.first != made.id]
    threads = dict.fromkeys(one.first for one in sent)
    return Extra(guards=[Guard("Communication", ended_by(first), frozenset()) for first in threads])


def sent_now(context: Context, change: Change | None) -> Message | None:
    """The message that a change sends; None of one that is a draft still, or was sent before."""
    if change is None or change.type != "Communication" or change.tree is None or change.as_server:
        return None
    before = change.before
    if change.tree.get("status") != SENT:
        return None
    if before is not None and not before.deleted and parse(before.body).get("status") == SENT:
        return None
    return message_of({**change.tree, "id": change.id}, context.base)
