"""What somebody decides on a page happens as if their software had asked: by the operation, judged and traced alike."""

from __future__ import annotations

from typing import Any

from fhir_server.space.accounts.states import Event
from fhir_server.space.record.pages.asking import Asking


async def moved(asking: Asking, event: Event, reason: str = "") -> None:
    """Have an event happen to the space of the patient in context.

    Raises:
        FhirError: as `Patient/$space-move`.
    """
    rows: list[dict[str, Any]] = [{"name": "event", "valueCode": event}]
    rows += [{"name": "reason", "valueString": reason}] if reason else []
    given = {"resourceType": "Parameters", "parameter": rows}
    await asking.operate(("Patient", str(asking.grant.patient), "$space-move"), given)
