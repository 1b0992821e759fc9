"""What is refused of the availability that a Schedule says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.outcome import Issue
from fhir_server.interactions.exchange import Context
from fhir_server.space.agenda.availability.reading import said


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """What is wrong with each period: a recurrence that never ends, an end before its start, a zone nobody knows."""
    return list(said(tree).issues)
