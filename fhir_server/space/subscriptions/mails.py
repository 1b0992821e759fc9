"""Who may have mails sent by a Subscription: administrators' software, and who follows events, at an own address.

The address of a subscription to events is judged by what the server knows of its subscriber (`space/events`).
"""

from __future__ import annotations

from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.events.model import follows_events
from fhir_server.subscriptions import writing


async def judge(context: Context, change: Change) -> None:
    """Refuse to have others written to.

    Raises:
        Forbidden: to a caller who answers for no address (403).
    """
    if change.tree is None or not follows_events(change.tree):
        writing.require_mails(context, change)
