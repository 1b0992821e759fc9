"""How a search would run: the plan that the database chose, a line a step, with the indexes it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.documents import Document
from fhir_server.store.mongo.search import Search
from fhir_server.store.mongo.sorting import stages
from fhir_server.store.protocol import Scope, Sort


async def explained(stored: Collections, session: Any, scope: Scope, sort: Sequence[Sort]) -> list[str]:
    """Arguments and result as `Store.explain`."""
    found = await Search(stored, session).candidates.matching(scope)
    if found is None:
        return ["nothing can match"]
    pipeline = [{"$match": {"$and": [{"live": True}, found.text]}}, *stages(sort, None)]
    command = {"explain": {"aggregate": stored.res.name, "pipeline": pipeline, "cursor": {}}}
    plan = await stored.res.database.command({**command, "verbosity": "queryPlanner"})
    lines = [*dict.fromkeys(_steps(plan))] or ["the database does not say"]
    return lines if found.exact else [*lines, "what is found is judged, since no query says all of the filter"]


def _steps(plan: Any) -> Iterator[str]:
    """The stages of the winning plans inside an answer, innermost last."""
    if isinstance(plan, list):
        for one in plan:
            yield from _steps(one)
    elif isinstance(plan, dict):
        winning = plan.get("winningPlan")
        if isinstance(winning, dict):
            yield from _stages(winning.get("queryPlan", winning))
            return
        for one in plan.values():
            yield from _steps(one)


def _stages(plan: Document) -> Iterator[str]:
    index = plan.get("indexName")
    yield f"{plan.get('stage', '?')}" + (f" by index {index}" if index else "")
    for one in (plan.get("inputStage"), *plan.get("inputStages", ())):
        if isinstance(one, dict):
            yield from _stages(one)
