"""Records: short-lived and secret things, changed together or not at all.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.store.engine import Engine
from fhir_server.store.protocol import Drop, Keep, Records


async def expired(records: Records, kind: str, key: str) -> None:
    """Wait until a record is gone, however slow the machine is."""
    async with asyncio.timeout(120):
        while await records.get(kind, key) is not None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_a_record_is_kept_until_it_expires(engine: Engine) -> None:
    records = engine.records
    await records.put("code", "k", b"0", ttl_seconds=3600)
    assert await records.get("code", "k") == b"0"
    assert await records.get("token", "k") is None
    await records.put("code", "k", b"1", ttl_seconds=0.05)
    await records.put("code", "stays", b"2")
    await expired(records, "code", "k")
    assert await records.take("code", "k") is None
    assert await records.swap("code", "k", b"1", b"2") is False
    assert await records.list("code") == [("stays", b"2")]
    assert await records.add("code", "k", b"3")


async def test_of_many_takers_one_gets_it(engine: Engine) -> None:
    await engine.records.put("code", "k", b"secret")
    taken = await asyncio.gather(*[engine.records.take("code", "k") for _ in range(20)])
    assert sorted(taken, key=bool) == [None] * 19 + [b"secret"]


async def test_of_many_adders_one_is_kept(engine: Engine) -> None:
    added = await asyncio.gather(*[engine.records.add("jti", "k", b"%d" % n) for n in range(20)])
    assert sum(added) == 1


async def test_of_many_swappers_one_wins(engine: Engine) -> None:
    await engine.records.put("job", "k", b"old")
    swapped = await asyncio.gather(*[engine.records.swap("job", "k", b"old", b"%d" % n) for n in range(20)])
    assert sum(swapped) == 1


@pytest.mark.parametrize("prefix", ["", "a", "a%", "a_", "é", "z"])
async def test_records_are_listed_by_prefix_and_key(engine: Engine, prefix: str) -> None:
    keys = ["a", "a%b", "a_b", "ab", "b", "é1"]
    for key in keys:
        await engine.records.put("kind", key, key.encode())
    expected = sorted(key for key in keys if key.startswith(prefix))
    assert await engine.records.list("kind", prefix) == [(key, key.encode()) for key in expected]


async def test_records_are_changed_together_or_not_at_all(engine: Engine) -> None:
    records = engine.records
    await records.put("code", "old", b"0")
    assert await records.apply([Keep("code", "a", b"1"), Drop("code", "old"), Keep("token", "b", b"2", 60, new=True)])
    asked = [("code", "a"), ("code", "old"), ("token", "b"), ("token", "none")]
    assert await records.get_each(asked) == [b"1", None, b"2", None]
    assert not await records.apply([Drop("code", "a"), Keep("token", "c", b"3"), Keep("token", "b", b"4", new=True)])
    assert await records.get_each([*asked, ("token", "c")]) == [b"1", None, b"2", None, None]
    # What is dropped first may be made anew, and what expired is not there.
    assert await records.apply([Drop("token", "b"), Keep("token", "b", b"5", 0.05, new=True)])
    await expired(records, "token", "b")
    assert await records.apply([Keep("token", "b", b"6", new=True)])
    assert not await records.apply([Keep("x", "y", b"1", new=True), Keep("x", "y", b"2", new=True)])
    assert not await records.apply([Drop("code", "a"), Keep("token", "b", b"7", old=b"5")])
    assert not await records.apply([Keep("token", "none", b"7", old=b"5")])
    assert await records.apply([Keep("token", "b", b"7", old=b"6"), Keep("token", "b", b"8", old=b"7")])
    assert await records.get_each([("code", "a"), ("token", "b")]) == [b"1", b"8"]
    # What was to expire still does.
    await records.put("token", "short", b"1", 0.05)
    assert await records.apply([Keep("token", "short", b"2", old=b"1")])
    await asyncio.sleep(0.06)
    assert await records.get("token", "short") is None
    assert await records.apply([])
    assert await records.get_each([]) == []


async def test_of_many_who_make_the_same_records_together_one_does(engine: Engine) -> None:
    made = [engine.records.apply([Keep("n", str(n), b""), Keep("one", "k", b"%d" % n, new=True)]) for n in range(20)]
    assert sum(await asyncio.gather(*made)) == 1
    assert len(await engine.records.list("n")) == 1


async def test_records_are_listed_by_rows_that_lead_to_them_page_by_page(engine: Engine) -> None:
    records = engine.records
    for key in "abcde":
        await records.put("session", key, key.upper().encode())
        await records.put("by account", f"anna\n{key}", b"")
    await records.put("by account", "anna\nmissing", b"")
    await records.put("by account", "ann\na", b"")
    await records.put("by account", "bert\nb", b"")
    await records.put("session", "gone", b"", 0.0)
    await records.put("by account", "anna\ngone", b"")
    await records.put("by account", "bert\nc", b"", 0.0)
    seen, after = [], ""
    while page := await records.list_by("session", "by account", "anna\n", after, 2):
        assert len(page) <= 2
        seen += page
        after = page[-1][0]
    assert seen == [(key, key.upper().encode()) for key in "abcde"]
    assert await records.list_by("session", "by account", "bert\n") == [("b", b"B")]


async def test_a_kind_is_listed_page_by_page(engine: Engine) -> None:
    for key in "abcde":
        await engine.records.put("session", key, b"")
    first = await engine.records.list("session", count=2)
    assert [key for key, _ in first] == ["a", "b"]
    assert [key for key, _ in await engine.records.list("session", "", "b", 2)] == ["c", "d"]
    assert [key for key, _ in await engine.records.list("session", "", "d", 2)] == ["e"]


async def test_a_sweep_meets_records_of_every_kind_once_while_they_go(engine: Engine) -> None:
    kept = [("a", "1"), ("a", "2"), ("a b", "1"), ("b", "\n"), ("b", "é"), ("c", "1")]
    await engine.records.apply([Keep(kind, key, key.encode()) for kind, key in kept])
    for size in (1, 2, 100):
        after, met = None, []
        while True:
            page = await engine.records.sweep(after, size)
            met += page
            if len(page) < size:
                break
            after = page[-1][:2]
        assert sorted(met) == sorted((kind, key, key.encode()) for kind, key in kept)
    first = (await engine.records.sweep(None, 1))[0][:2]
    await engine.records.apply([Drop(*first)])
    assert len(await engine.records.sweep(first, 100)) == 5
