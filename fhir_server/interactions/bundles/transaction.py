"""Several requests at once, all done or none: what is written goes to the engine in one piece.

https://hl7.org/fhir/R4/http.html#trules
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid, Malformed
from fhir_server.interactions.bundles import ahead, entries, links, whole
from fhir_server.interactions.bundles.batch import ENTRY, ORDER, full
from fhir_server.interactions.bundles.plan import Plan, Planned
from fhir_server.interactions.exchange import Context, Handler, Request, Response
from fhir_server.interactions.parameters import shaped
from fhir_server.interactions.pipeline import Commit
from fhir_server.interactions.writing import as_readable, retried, written
from fhir_server.store.protocol import Version
from fhir_server.validation.reference_targets import Around
from fhir_server.work.budget import spend

#: Entries judged before others get their turn on the event loop.
TURN = 16


async def transaction(bundle: dict[str, Any], request: Request, context: Context, dispatch: Handler) -> Response:
    """200 with a `transaction-response`: an entry for each, in their order.

    Args:
        bundle: the Bundle, parsed; its resources are changed in place.
        request: whose body is read anew when the transaction was overtaken and is judged again.
        context: as preferred; a transaction that does not say `return` gets no bodies of what it wrote.
        dispatch: what serves one request.

    Raises:
        FhirError: with the issues of every entry that cannot be done; its status is that of the first.
    """
    given: list[dict[str, Any]] = [bundle]

    async def attempt() -> Response:
        tree = given.pop() if given else parse(request.body, context.settings.max_depth)
        return await _attempt(tree, request.body, context, dispatch)

    return await retried(context, attempt)


async def _attempt(bundle: dict[str, Any], body: bytes, context: Context, dispatch: Handler) -> Response:
    plan = Plan(context)
    found = _entries(bundle, plan)
    _judge_envelope(bundle, plan)
    spend(len(found) * ENTRY)
    reads = [entry for entry in found if _is_read(entry)]
    writing = [entry for entry in found if not _is_read(entry)]
    await plan.resolve(sorted(writing, key=lambda entry: ORDER[entry.request.method]))
    plan.require_distinct()
    await plan.link(links.BY_CRITERIA.search(body) is not None)
    await plan.require_conditions()
    await whole.judge(bundle, found, plan)
    await plan.look_ahead()
    for n, planned in enumerate(plan.planned):
        await plan.judge(planned)
        if n % TURN == TURN - 1:
            await asyncio.sleep(0)
    reads = [plan.read_of(entry) for entry in reads]
    for n, entry in enumerate(reads):
        if n % TURN == 0:
            await context.repository.ahead(ahead.named(reads[n : n + TURN], context))
        await _rehearse(entry, plan, dispatch)
    if plan.problems:
        raise entries.together(plan.problems)
    # What others the bodies name that are hidden is looked up where these are given to somebody: of lots hardly any.
    bodies = context.prefer == "representation"
    versions = await context.pipeline.commit(context, Commit(plan.writes, plan.extra, plan.guards, bodies))
    answers = await _answers(plan, versions)
    left = context.settings.max_answer_bytes - sum(map(len, answers.values()))
    for n, entry in enumerate(reads):
        if n % TURN == 0 and left > 0:
            await context.repository.ahead(ahead.named(reads[n : n + TURN], context))
        read = await _read(entry, context, dispatch) if left > 0 else entries.refused(full(context), entry)
        answers[entry.number] = read
        left -= len(read)
    return Response(200, entries.bundle("transaction-response", [answers[n] for n in sorted(answers)]))


def _entries(bundle: dict[str, Any], plan: Plan) -> list[entries.Entry]:
    found = []
    for number, row in enumerate(entries.rows_of(bundle, plan.context)):
        try:
            found.append(entries.read(row, number, plan.context))
        except FhirError as error:
            plan.problems.append((error, _entry(number)))
    return found


def _judge_envelope(bundle: dict[str, Any], plan: Plan) -> None:
    """Note what is wrong with the Bundle; what its profiles find faultless is judged by no entry's own again."""
    around, context = Around(bundle), plan.context
    plan.problems += [(Invalid(issues=[issue]), _entry(-1)) for issue in entries.envelope(bundle, context, around)]
    if context.validator is not None:
        plan.context = replace(context, validator=context.validator.having_judged(around))


def _entry(number: int) -> entries.Entry:
    return entries.Entry(number, Request("GET", ()))


def _is_read(entry: entries.Entry) -> bool:
    path = entry.request.path
    return entry.request.method == "GET" or path[-1:] == ("_search",) or any(step.startswith("$") for step in path)


async def _rehearse(entry: entries.Entry, plan: Plan, dispatch: Handler) -> None:
    """Find out before anything is written whether a read would fail: afterwards it is too late to fail them all."""
    try:
        if entry.request.method != "GET" and entry.request.path[-1] != "_search":
            # An operation that writes could not be undone when another entry fails.
            raise Malformed("An operation in a transaction is a GET.", f"{entry.where}.request", code="not-supported")
        target = "/".join(entry.request.path[:2])
        if target in plan.ended and len(entry.request.path) == 2:
            raise Malformed(
                "The transaction deletes what this entry reads.", f"{entry.where}.request.url", code="conflict"
            )
        if target not in plan.present:
            with plan.context.repository.touched.rehearsing():
                await dispatch(entry.request, plan.context)
    except FhirError as error:
        plan.problems.append((error, entry))


async def _read(entry: entries.Entry, context: Context, dispatch: Handler) -> bytes:
    try:
        return entries.answered(entry, await dispatch(entry.request, context), context)
    except FhirError as error:
        return entries.refused(error, entry)


async def _answers(plan: Plan, versions: Sequence[Version]) -> dict[int, bytes]:
    made = iter(versions)
    answers: dict[int, bytes] = {}
    for planned in plan.planned:
        done = [next(made) for _ in planned.writes]
        planned.found = done[0] if len(done) == 1 else planned.found
        if planned.twin is not None:
            planned.found = planned.twin.found
        context = plan.context
        if planned.change is not None and planned.found is not None:
            context = await as_readable(planned.found, context, planned.before)
        answers[planned.entry.number] = entries.answered(planned.entry, _answer(planned, context), context)
    return answers


def _answer(planned: Planned, context: Context) -> Response:
    version = planned.found
    if planned.entry.request.method == "DELETE":
        return Response(204) if version is None else Response(204, version=version.version, at=version.at)
    assert version is not None
    return shaped(planned.entry.request, written(version, planned.status, context, planned.issues), context)
