"""Walking through everything, and writing indexes anew.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

import msgspec
import pytest

from fhir_server.fhir.outcome import FhirError
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Id, Refers, Span, Token, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Delete
from tests.store.making import MASKED, OPEN, a_put, an_index, defects, found, stored, vread, walked


async def test_walking_meets_everything_once_deletions_included(engine: Engine) -> None:
    await stored(engine, "Patient", {f"p{n}": OPEN for n in range(5)})
    await stored(engine, "Observation", {"o": OPEN})
    await engine.store.transact([Delete("Patient", "p3", 1)])
    after, seen = None, []
    while True:
        page = await engine.store.walk({"Patient": EVERYTHING, "Unheard": EVERYTHING}, after, 2)
        seen += [(version.id, version.deleted) for version in page.versions]
        if page.next is None:
            break
        after = page.next
    assert seen == [("p0", False), ("p1", False), ("p2", False), ("p3", True), ("p4", False)]


async def test_reindexing_replaces_the_index_of_what_is_still_current(engine: Engine) -> None:
    versions = await stored(engine, "Patient", {"a": OPEN, "b": OPEN})
    await engine.store.transact([a_put("Patient", "b", 1, OPEN)])
    new = an_index(Word("new", "1", "http://s.example"), Span("d", 1, 2))
    assert await engine.store.reindex([(version, new) for version in versions]) == 1
    assert await found(engine, "Patient", Token("new", "1", "http://s.example")) == ["a"]
    version = await engine.store.read("Patient", "a")
    assert version is not None
    assert (unpack(version.packed), version.body, version.version) == (new, versions[0].body, 1)
    # A past version has its own index replaced, by which its history is judged, and no rows.
    past = await vread(engine.store, "Patient", "b", 1)
    assert past is not None
    assert (unpack(past.own), unpack(past.packed)) == (new, OPEN)
    assert await defects(engine) == []


async def test_walking_meets_what_satisfies_the_filter_of_its_type(engine: Engine) -> None:
    one, two = an_index(Word("subject", "Patient/1")), an_index(Word("subject", "Patient/2"))
    await stored(engine, "Observation", {f"o{n}": two if n % 3 else one for n in range(9)})
    await stored(engine, "Condition", {f"c{n}": one if n % 2 else two for n in range(4)})
    await stored(engine, "Patient", {"1": OPEN})
    await engine.store.transact([Delete("Observation", "o3", 1), Delete("Observation", "o4", 1)])
    await engine.store.transact([a_put("Condition", "c1", 1, two)])
    of_one = Refers("subject", "Patient/1")
    scope = {"Observation": of_one, "Condition": of_one, "Patient": Id(("1",)), "Unheard": of_one}
    expected = [("o0", False), ("o3", True), ("o6", False), ("c3", False), ("1", False)]
    for count in (1, 2, 3, 100):
        met = await walked(engine, scope, count)
        assert [(version.id, version.deleted) for version in met] == expected
        assert all(version.body or version.deleted for version in met)
    assert [version.id for version in await walked(engine, {"Observation": EVERYTHING, "Condition": of_one})] == [
        *(f"o{n}" for n in range(9)), "c3",
    ]  # fmt: skip
    assert await walked(engine, {"Observation": Token("code", "none")}) == []
    assert await walked(engine, {}) == []


async def test_what_is_walked_through_is_met_once_while_others_write(engine: Engine) -> None:
    await stored(engine, "Patient", {f"p{n}": OPEN for n in range(9)})
    after, met, rounds = None, [], 0
    while True:
        page = await engine.store.walk({"Patient": Token("security", "N")}, after, 2)
        met += [version.id for version in page.versions]
        rounds += 1
        await engine.store.transact(
            [a_put("Patient", "p0", rounds, OPEN), a_put("Patient", f"later{rounds}", 0, MASKED)]
        )
        if page.next is None:
            break
        after = msgspec.msgpack.decode(msgspec.msgpack.encode(page.next), type=tuple)
    assert met == [f"p{n}" for n in range(9)]


@pytest.mark.parametrize("after", [("x",), (1, 2), (-1,), (10**40,), (None,)])
async def test_a_position_of_no_walk_is_refused(engine: Engine, after: tuple[object, ...]) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    with pytest.raises(FhirError) as refused:
        await engine.store.walk({"Patient": EVERYTHING}, after)  # type: ignore[arg-type]
    assert refused.value.status == 400
