"""The feed of changes: in the order of commits, resumable, without gap or repetition.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Delete
from tests.store.making import OPEN, a_put, stored


async def named(engine: Engine, after: Any, *types: str, count: int = 1000) -> tuple[list[str], Any]:
    found = await engine.store.changes(after, types, count)
    return [f"{one.type}/{one.id}/{one.version}/{one.method}" for one in found.changed], found.position


async def test_changes_come_in_the_order_of_commits_from_a_place_on(engine: Engine) -> None:
    await stored(engine, "Patient", {"before": OPEN})
    seen, start = await named(engine, None)
    assert seen == []
    await stored(engine, "Patient", {"a": OPEN, "b": OPEN})
    await engine.store.transact([a_put("Observation", "o", 0, OPEN, "POST"), Delete("Patient", "a", 1)])
    seen, end = await named(engine, start)
    assert seen == ["Patient/a/1/PUT", "Patient/b/1/PUT", "Observation/o/1/POST", "Patient/a/2/DELETE"]
    assert await named(engine, end) == ([], end)


async def test_changes_of_some_types_pass_the_others_over_for_good(engine: Engine) -> None:
    _, start = await named(engine, None)
    await stored(engine, "Patient", {"a": OPEN})
    await stored(engine, "Observation", {"o": OPEN})
    seen, place = await named(engine, start, "Observation", "Unheard")
    assert seen == ["Observation/o/1/PUT"]
    assert await named(engine, place) == ([], place)
    seen, place = await named(engine, start, "Unheard")
    assert seen == [] and await named(engine, place) == ([], place)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_changes_are_paged_without_gap_or_repetition_while_others_write(engine: Engine, size: int) -> None:
    _, place = await named(engine, None)
    wanted, met = [], []
    for n in range(6):
        await stored(engine, "Patient", {f"p{n}": OPEN})
        await stored(engine, "Basic", {f"b{n}": OPEN})
        wanted.append(f"Patient/p{n}/1/PUT")
        seen, place = await named(engine, place, "Patient", count=size)
        met += seen
    while True:
        seen, place = await named(engine, place, "Patient", count=size)
        met += seen
        if not seen:
            break
    assert met == wanted


async def test_whoever_follows_while_many_write_meets_every_version_once_and_in_order(engine: Engine) -> None:
    _, place = await named(engine, None)
    met: list[str] = []
    writing = [asyncio.create_task(stored(engine, "Patient", {f"p{n}-{m}": OPEN for m in range(3)})) for n in range(40)]
    while not all(task.done() for task in writing):
        seen, place = await named(engine, place, count=7)
        met += seen
        await asyncio.sleep(0)
    # The last look may have been taken before the last commit, and answered after it.
    seen = ["once more"]
    while seen:
        seen, place = await named(engine, place, count=7)
        met += seen
    assert len(met) == len(set(met)) == 120
    page = await engine.store.history({"Patient": EVERYTHING}, count=1000)
    assert met == [f"Patient/{version.id}/1/PUT" for version in reversed(page.versions)]


@pytest.mark.parametrize("after", [(), ("x",), (1, 2), (-1,), (10**40,), (10**9,), (None,)])
async def test_a_place_of_no_feed_of_this_store_is_refused(engine: Engine, after: tuple[object, ...]) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    with pytest.raises(FhirError) as refused:
        await engine.store.changes(after)  # type: ignore[arg-type]
    assert refused.value.status == 400
