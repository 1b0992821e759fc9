"""What the server says of a message that is written, and what it refuses."""

from __future__ import annotations

from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change


async def arrange(context: Context, change: Change) -> Change:
    """A message with its id, by which the first of a thread is found as part of it."""
    assert change.tree is not None
    return change if change.tree.get("id") == change.id else change.arranged({**change.tree, "id": change.id})
