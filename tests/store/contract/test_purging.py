"""What is purged is gone in all its versions, for everybody who reads, and nothing else is.

`fhir_server/store/purging.py`; GDPR art. 17, CSP R1111-36 (deletion within three months).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fhir_server.store.chain import CHAINED
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Id, Refers, Text, Word
from fhir_server.store.protocol import Delete, Guard, Stale
from tests.store.contract.test_chain import append, links
from tests.store.contract.test_feed import named
from tests.store.making import OPEN, a_put, an_index, defects, found, history_of, stored, vread, walked


async def _a_life(engine: Engine) -> None:
    """Three versions of one resource with words, texts and a claim; another beside it; one deleted."""
    index = an_index(Word("subject", "Patient/p"), narrative="a marker", content="a marker")
    put = replace(a_put("Observation", "o", 0, index), claims=frozenset({"name"}))
    await engine.store.transact([put, a_put("Observation", "other", 0, index)])
    await engine.store.transact([a_put("Observation", "o", 1, index), a_put("Condition", "c", 0, index)])
    await engine.store.transact([a_put("Observation", "o", 2, index), Delete("Condition", "c", 1)])


async def test_what_is_purged_answers_as_what_never_was(engine: Engine) -> None:
    await _a_life(engine)
    assert await engine.store.purge([("Observation", "o"), ("Condition", "c"), ("Basic", "never")]) == 2
    for key in (("Observation", "o"), ("Condition", "c")):
        assert await engine.store.read(*key) is None
        assert await engine.store.read_many([key], "index") == [None]
        assert [await vread(engine.store, *key, version) for version in (1, 2, 3)] == [None] * 3
        assert await history_of(engine, {key[0]: EVERYTHING}, key[1]) == []
    assert await found(engine, "Observation", Refers("subject", "Patient/p")) == ["other"]
    assert await found(engine, "Observation", Text("content", ("marker",))) == ["other"]
    scope = {"Observation": EVERYTHING, "Condition": EVERYTHING}
    assert await history_of(engine, scope) == [("other", 1)]
    assert await engine.store.history_count(scope) == await engine.store.count(scope) == 1
    assert [version.id for version in await walked(engine, scope)] == ["other"]
    assert await defects(engine) == []


async def test_purging_twice_does_nothing_more(engine: Engine) -> None:
    await _a_life(engine)
    keys = [("Observation", "o"), ("Observation", "o")]
    both = await asyncio.gather(engine.store.purge(keys), engine.store.purge(keys))
    assert sorted(both) == [0, 1]
    assert await engine.store.purge([]) == 0


async def test_an_id_that_was_purged_may_be_created_again_as_if_new(engine: Engine) -> None:
    await _a_life(engine)
    await engine.store.purge([("Observation", "o")])
    with pytest.raises(Stale):
        await engine.store.transact([a_put("Observation", "o", 3)])
    with pytest.raises(Stale):
        await engine.store.transact([Delete("Observation", "o", 3)])
    (version,) = await engine.store.transact([replace(a_put("Observation", "o"), claims=frozenset({"name"}))])
    assert version.version == 1
    assert await history_of(engine, {"Observation": EVERYTHING}, "o") == [("o", 1)]
    assert await found(engine, "Observation", Refers("subject", "Patient/p")) == ["other"]
    assert await defects(engine) == []


async def test_a_claim_and_a_guard_of_what_was_purged_hold_nobody_up(engine: Engine) -> None:
    await _a_life(engine)
    await engine.store.purge([("Observation", "o")])
    other = replace(a_put("Observation", "new", 0), claims=frozenset({"name"}))
    await engine.store.transact([other], [Guard("Observation", Id(("o",)), frozenset())])
    assert await defects(engine) == []


async def test_followers_anywhere_in_the_feed_miss_nothing_of_others(engine: Engine) -> None:
    _, start = await named(engine, None)
    for n in range(6):
        await stored(engine, "Basic", {f"b{n}": OPEN})
    places = [start]
    for _ in range(6):
        _, place = await named(engine, places[-1], count=1)
        places.append(place)
    # The last ones too: who stands behind them must not be told that the place is of another store.
    await engine.store.purge([("Basic", f"b{n}") for n in (1, 4, 5)])
    await stored(engine, "Basic", {"after": OPEN})
    left = [f"Basic/{id}/1/PUT" for id in ("b0", "b2", "b3")]
    for n, place in enumerate(places):
        seen, _ = await named(engine, place)
        assert seen == [one for one in left if int(one[7]) >= n] + ["Basic/after/1/PUT"]


async def test_places_and_instants_go_on_rising_after_the_last_version_was_purged(engine: Engine) -> None:
    (before,) = await stored(engine, "Basic", {"b": OPEN})
    _, place = await named(engine, None)
    await engine.store.purge([("Basic", "b")])
    assert await named(engine, place) == ([], place)
    assert await named(engine, None) == ([], place)
    (after,) = await stored(engine, "Basic", {"c": OPEN})
    assert after.at >= before.at
    assert (await named(engine, place))[0] == ["Basic/c/1/PUT"]


async def test_a_walk_and_a_page_under_way_meet_all_others_once(engine: Engine) -> None:
    await stored(engine, "Basic", {f"b{n}": OPEN for n in range(8)})
    scope = {"Basic": EVERYTHING}
    first = await engine.store.walk(scope, None, 3)
    page = await engine.store.find(scope, count=3)
    gone = {"b7", "b0", page.versions[-1].id, first.versions[-1].id}
    await engine.store.purge([("Basic", id) for id in gone])
    await stored(engine, "Basic", {"late": OPEN})
    met = {version.id for version in first.versions}
    after = first.next
    while after is not None:
        part = await engine.store.walk(scope, after, 3)
        assert not met & {version.id for version in part.versions}
        met |= {version.id for version in part.versions}
        after = part.next
    assert met - gone == {f"b{n}" for n in range(8)} - gone | {"late"}
    rest = await engine.store.find(scope, after=page.next, count=50)
    seen = [version.id for version in (*page.versions, *rest.versions)]
    assert sorted(set(seen) - gone - {"late"}) == sorted({f"b{n}" for n in range(8)} - gone)


async def test_of_erased_traces_the_links_stay_and_vouch_for_what_stands_between(engine: Engine) -> None:
    for n in range(6):
        await append(engine, f"t{n}")
    await engine.store.transact([a_put(CHAINED, "t1", 1, OPEN)])
    before = await links(engine)
    assert await engine.store.purge([(CHAINED, "t0"), (CHAINED, "t1"), (CHAINED, "t5")], under="teller") == 3
    # `links` sees that each follows the one before it.
    after = await links(engine)
    assert [(one.place, one.digest, one.version.at) for one in after] == [
        (one.place, one.digest, one.version.at) for one in before
    ]
    erased = [one for one in after if one.erased]
    assert [one.erased and one.erased.under for one in erased] == ["teller"] * 4
    assert {(one.version.id, one.version.body, one.lost) for one in erased} == {("", b"", False)}
    await append(engine, "t7")
    assert [one.version.id for one in await links(engine)] == ["", "", "t2", "t3", "t4", "", "", "t7"]
    assert await links(engine, count=2) == await links(engine)


async def test_a_part_of_the_chain_since_an_instant_begins_with_an_erased_link_too(engine: Engine) -> None:
    for n in range(4):
        await append(engine, f"t{n}")
        await asyncio.sleep(0.005)
    await engine.store.purge([(CHAINED, "t1"), (CHAINED, "t2")], under="teller")
    whole = await links(engine)
    for n in range(1, 4):
        assert list((await engine.store.chain(since=whole[n].version.at)).links) == whole[n - 1 :]


async def test_who_writes_while_others_are_purged_loses_nothing(engine: Engine) -> None:
    await stored(engine, "Basic", {f"old{n}": OPEN for n in range(40)})
    writing = [stored(engine, "Basic", {f"new{n}": OPEN}) for n in range(40)]
    purging = [engine.store.purge([("Basic", f"old{n}")]) for n in range(40)]
    done = await asyncio.gather(*writing, *purging)
    assert sum(one for one in done if isinstance(one, int)) == 40
    assert sorted(await found(engine, "Basic", EVERYTHING)) == sorted(f"new{n}" for n in range(40))
    assert await defects(engine) == []


async def test_scouring_ends(engine: Engine) -> None:
    await _a_life(engine)
    await engine.store.purge([("Observation", "o")])
    for _ in range(50):
        if await engine.store.scour():
            break
    assert await engine.store.scour()
    assert await found(engine, "Observation", Text("content", ("marker",))) == ["other"]
