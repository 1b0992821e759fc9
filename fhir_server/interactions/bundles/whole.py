"""A transaction as a whole: steps that judge its entries beside one another are asked before each is judged alone.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions import patch
from fhir_server.interactions.bundles.entries import Entry
from fhir_server.interactions.bundles.plan import Plan, Planned
from fhir_server.interactions.lots import Lot, Part
from fhir_server.interactions.pipeline import Change


async def judge(bundle: dict[str, Any], found: Sequence[Entry], plan: Plan) -> None:
    """Note in the plan what is wrong with the transaction as a whole; nothing where something is wrong already.

    Args:
        bundle: as it was sent.
        found: its entries.
        plan: what they would write, links settled.
    """
    if plan.problems or not plan.context.pipeline.looks_at_lots:
        return
    planned = {one.entry.number: one for one in plan.planned}
    for one in planned.values():
        await _patch(one, plan)
    if plan.problems:
        return
    parts = [Part(entry.number, entry.request, _change(planned.get(entry.number))) for entry in found]
    by_number = {entry.number: entry for entry in found}
    for number, error in await plan.context.pipeline.together(plan.context, Lot(bundle, parts)):
        plan.problems.append((error, by_number[number]))


async def _patch(planned: Planned, plan: Plan) -> None:
    if planned.change is None or planned.before is None:
        return
    try:
        planned.tree = await patch.applied(planned.before, planned.change, plan.context)
    except FhirError as error:
        plan.problems.append((error, planned.entry))


def _change(planned: Planned | None) -> Change | None:
    if planned is None or planned.method is None or (planned.tree is None and not planned.doomed):
        return None
    before = planned.doomed[0] if planned.doomed else planned.before
    return Change(planned.type, planned.id, planned.tree, before, planned.method)
