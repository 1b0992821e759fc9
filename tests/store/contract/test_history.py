"""History: versions newest first, by page, by instant, judged as they were and as they are.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Token
from fhir_server.store.protocol import Delete
from tests.store.making import MASKED, OPEN, a_put, history_of, stored, versions_apart


async def test_history_is_newest_first_with_deletions(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    await stored(engine, "Patient", {"b": OPEN})
    await engine.store.transact([Delete("Patient", "a", 1)])
    await stored(engine, "Observation", {"o": OPEN})
    assert await history_of(engine, {"Patient": EVERYTHING}) == [("a", 2), ("b", 1), ("a", 1)]
    assert await history_of(engine, {"Patient": EVERYTHING}, "a") == [("a", 2), ("a", 1)]
    both = {"Patient": EVERYTHING, "Observation": EVERYTHING, "Unheard": EVERYTHING}
    assert await history_of(engine, both) == [("o", 1), ("a", 2), ("b", 1), ("a", 1)]
    assert await engine.store.history_count(both) == 4
    many = {f"T{n}": EVERYTHING for n in range(20)} | {"Patient": EVERYTHING}
    assert await history_of(engine, many) == [("a", 2), ("b", 1), ("a", 1)]


async def test_history_is_judged_by_the_current_index_and_by_each_versions_own(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN, "b": OPEN})
    await engine.store.transact([a_put("Patient", "a", 1, MASKED)])
    await engine.store.transact([Delete("Patient", "b", 1)])
    assert await history_of(engine, {"Patient": Token("security", "N")}) == [("b", 2), ("b", 1)]
    assert await history_of(engine, {"Patient": Token("security", "R")}, "a") == [("a", 2)]
    assert await engine.store.history_count({"Patient": Token("security", "R")}, "a") == 1
    assert await history_of(engine, {"Patient": Token("security")}, "a") == [("a", 2), ("a", 1)]
    assert await engine.store.history_count({"Patient": Token("security", "R")}, "b") == 0


async def test_history_is_paged_without_gap_or_repetition_while_others_write(engine: Engine) -> None:
    for n in range(7):
        await stored(engine, "Patient", {f"p{n}": OPEN})
    after, seen = None, []
    while True:
        page = await engine.store.history({"Patient": EVERYTHING}, after=after, count=2)
        seen += [version.id for version in page.versions]
        await stored(engine, "Patient", {f"later{len(seen)}": OPEN})
        if page.next is None:
            break
        after = page.next
    assert seen == [f"p{n}" for n in reversed(range(7))]


async def test_since_gives_versions_made_then_or_later(engine: Engine) -> None:
    ats = await versions_apart(engine)
    scope = {"Patient": EVERYTHING}
    assert await history_of(engine, scope, since=ats[1]) == [("a", 3), ("a", 2)]
    assert await history_of(engine, scope, since=ats[1] + 1) == [("a", 3)]
    assert await history_of(engine, scope, since=ats[2] + 1) == []
    assert await history_of(engine, scope, since=0) == [("a", 3), ("a", 2), ("a", 1)]
    assert await engine.store.history_count(scope, since=ats[1]) == 2


async def test_at_gives_versions_that_were_current_in_the_interval(engine: Engine) -> None:
    one, two, three = await versions_apart(engine)
    scope = {"Patient": EVERYTHING}
    assert await history_of(engine, scope, at=(one, one)) == [("a", 1)]
    assert await history_of(engine, scope, at=(one + 1, one + 1)) == [("a", 1)]
    assert await history_of(engine, scope, at=(two, two)) == [("a", 2)]
    assert await history_of(engine, scope, at=(two - 1, two)) == [("a", 2), ("a", 1)]
    assert await history_of(engine, scope, at=(three + 9, three + 10)) == [("a", 3)]
    assert await history_of(engine, scope, at=(0, one - 1)) == []
    assert await engine.store.history_count(scope, "a", at=(two - 1, two)) == 2
