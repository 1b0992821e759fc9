"""What writes owe to the lives of spaces: each is one Basic, with an id of its own."""

from __future__ import annotations

from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.accounts.life import from_basic


async def one_id(context: Context, change: Change) -> None:
    """Refuse the life of a space under another id than its own: there would be two of them, and one looked at.

    Raises:
        Invalid: naming the id (422).
    """
    # Others write none at all.
    life = from_basic(change.tree) if change.tree is not None and context.repository.grant.own else None
    if life is not None and change.id != life.id:
        raise Invalid("The life of a space has the id that Patient/$space-move gives it.", "Basic.id")
