"""Several requests at once, each on its own: one may fail and the others not.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from fhir_server.fhir.outcome import FhirError, Invalid, Issue, Malformed, TooCostly
from fhir_server.interactions.bundles import ahead, entries
from fhir_server.interactions.bundles.names import Names, condition_of
from fhir_server.interactions.exchange import Context, Handler, Request, Response
from fhir_server.interactions.long_requests import part
from fhir_server.work.budget import spend

#: Order of processing, that of a transaction: what is deleted first makes room for what is created.
ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3}
#: Entries of one kind that are under way together; they share the engine's commits.
TOGETHER = 32
#: So many are before it is known how long answers are: those under way should fit into what is left of the answer.
FIRST = 8

#: Up to so many entries a batch is begun on the event loop whatever they ask.
FEW = 16
#: Steps an entry costs besides what it reads and judges.
ENTRY = 100

_PLACE = re.compile(r"Bundle\.entry\[(\d+)\]")


async def batch(bundle: dict[str, Any], context: Context, dispatch: Handler) -> Response:
    """200 with a `batch-response`: an entry for each, in their order, with its own status and outcome.

    Args:
        bundle: the Bundle, parsed.
        context: as preferred; a batch that does not say `return` gets no bodies of what it wrote.
        dispatch: what serves one request.
    """
    waiting, answers = await _read(entries.rows_of(bundle, context), _wrong(bundle, context), context)
    if len(waiting) > FEW:
        spend(len(waiting) * ENTRY)
    left, longest = context.settings.max_answer_bytes, context.settings.max_answer_bytes // FIRST
    for group in _groups(waiting):
        at = 0
        while at < len(group):
            chunk = group[at : at + min(TOGETHER, max(1, left // longest))]
            at += len(chunk)
            for entry, answer in await _answers(chunk, context, dispatch, left):
                answers[entry.number] = answer
            long = [len(answers[entry.number]) for entry in chunk]
            left, longest = left - sum(long), max(long)
    return Response(200, entries.bundle("batch-response", answers))


async def _read(
    rows: list[Any], wrong: dict[int, list[Issue]], context: Context
) -> tuple[list[entries.Entry], list[bytes]]:
    """The entries that can be answered, and an answer for each row: b"" for those, else why it cannot be."""
    answers: list[bytes] = [b""] * len(rows)
    found: list[entries.Entry] = []
    for number, row in enumerate(rows):
        try:
            if number in wrong:
                raise Invalid(issues=wrong[number])
            found.append(entries.read(row, number, context))
        except FhirError as error:
            answers[number] = entries.refused(error, entries.Entry(number, Request("GET", ())))
    names = Names(found, context.base)
    for n, entry in enumerate(found):
        if _is_dependent(entry, names, context):
            answers[entry.number] = entries.refused(Malformed(_DEPENDENT, "http.url", code="not-supported"), entry)
        if n % TOGETHER == TOGETHER - 1:
            await asyncio.sleep(0)
    return [entry for entry in found if not answers[entry.number]], answers


_DEPENDENT = "It names another entry, which only a transaction resolves."


def _is_dependent(entry: entries.Entry, names: Names, context: Context) -> bool:
    """Whether the entry's condition or URL names another: R4 http.html#transaction has each stand for itself."""
    if entry.request.method == "GET" or entry.request.path[-1:] == ("_search",):
        return names.names(entry.request)
    try:
        where = condition_of(entry, context)
    except FhirError:
        return False  # which the entry's own answer says
    return where is not None and bool(names.named(where, entry.full_url))


def preferring(request: Request, context: Context) -> Context:
    """The context of the entries: without `Prefer: return`, the bodies of what was written are left out."""
    said = "return" in request.headers.get("prefer", "") or context.prefer != "representation"
    return context if said else replace(context, prefer="minimal")


async def _answers(
    chunk: Sequence[entries.Entry], context: Context, dispatch: Handler, left: int
) -> Iterable[tuple[entries.Entry, bytes]]:
    """The answers of entries under way together; refusals, once there are no bytes left for answers."""
    if left <= 0:
        return [(entry, entries.refused(full(context), entry)) for entry in chunk]
    with context.repository.together():
        await context.repository.ahead(ahead.named((one for one in chunk if one.request.method == "GET"), context))
        answers = await asyncio.gather(*(_answer(entry, context, dispatch) for entry in chunk))
    return zip(chunk, answers, strict=True)


def full(context: Context) -> TooCostly:
    """What an entry is told for whose answer no bytes are left."""
    most = context.settings.max_answer_bytes
    return TooCostly(f"The answer has its {most} bytes already; nothing was done of this entry: ask again for it.")


async def _answer(entry: entries.Entry, context: Context, dispatch: Handler) -> bytes:
    try:
        if not entry.request.path and entry.request.method == "POST":
            raise Malformed(
                "A Bundle cannot be an entry of a batch.", f"{entry.where}.request.url", code="not-supported"
            )
        return entries.answered(entry, await part(entry.request, context, dispatch), context)
    except FhirError as error:
        return entries.refused(error, entry)


def _wrong(bundle: dict[str, Any], context: Context) -> dict[int, list[Issue]]:
    """What is wrong with each entry beside its resource.

    Raises:
        Invalid: something is wrong with the Bundle beside its entries (422).
    """
    found: dict[int, list[Issue]] = {}
    issues = entries.envelope(bundle, context)
    for issue in issues:
        at = _PLACE.match(issue.expression or "")
        if at is None:
            raise Invalid(issues=issues)
        found.setdefault(int(at[1]), []).append(issue)
    return found


def _groups(waiting: Sequence[entries.Entry]) -> list[list[entries.Entry]]:
    groups: dict[int, list[entries.Entry]] = {}
    for entry in waiting:
        groups.setdefault(ORDER[entry.request.method], []).append(entry)
    return [group for _, group in sorted(groups.items())]
