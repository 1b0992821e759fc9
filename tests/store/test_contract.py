"""What a store promises, on any engine: versions, deletions, history, transactions, guards, records.

https://hl7.org/fhir/R4/http.html (versions, history, concurrency), `fhir_server/store/protocol.py`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import FhirError, TooCostly
from fhir_server.store.filters import EVERYTHING, NOTHING, And, Id, Linked, Or, Range, Refers, Span, Text, Token, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Delete, Drop, Engine, Guard, Keep, Records, Sort, Stale
from tests.store.making import a_put, an_index, defects, found, stored

MASKED = an_index(Word("security", "R"))
OPEN = an_index(Word("security", "N"))


async def test_a_version_is_read_as_it_was_answered(engine: Engine) -> None:
    (written,) = await stored(engine, "Patient", {"a": OPEN})
    assert await engine.store.read("Patient", "a") == written
    assert await engine.store.vread("Patient", "a", 1) == written


async def test_the_body_says_the_instant_of_its_commit(engine: Engine) -> None:
    (written,) = await stored(engine, "Patient", {"a": OPEN})
    assert msgspec.json.decode(written.body)["meta"] == {"versionId": "1", "lastUpdated": instant(written.at)}


async def test_the_index_is_kept_beside_the_body(engine: Engine) -> None:
    index = an_index(Word("name", "durand", "Durand"), Span("birthdate", -1, 5), Span("age", 1.5, 2.5, "a", "urn:x"))
    (written,) = await stored(engine, "Patient", {"a": index})
    assert unpack(written.packed) == index


@pytest.mark.parametrize("id", ["b", "A", "", "a' OR 1=1"])
async def test_what_was_never_there_is_none(engine: Engine, id: str) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    assert await engine.store.read("Patient", id) is None
    assert await engine.store.read("Observation", "a") is None
    assert await engine.store.vread("Patient", "a", 2) is None
    assert await engine.store.vread("Patient", "a", 10**30) is None


async def test_a_deletion_is_a_version_that_keeps_the_index_it_ended(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": MASKED})
    (deleted,) = await engine.store.transact([Delete("Patient", "a", 1)])
    assert (deleted.version, deleted.deleted, deleted.body) == (2, True, b"")
    assert unpack(deleted.packed) == MASKED
    assert await engine.store.read("Patient", "a") == deleted
    assert await found(engine, "Patient", EVERYTHING) == []


async def test_an_old_version_has_the_current_index_and_its_own(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    await engine.store.transact([a_put("Patient", "a", 1, MASKED)])
    old = await engine.store.vread("Patient", "a", 1)
    assert old is not None
    assert (unpack(old.packed), unpack(old.own), old.current) == (MASKED, OPEN, False)


async def test_a_deleted_resource_can_be_brought_back(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": MASKED})
    await engine.store.transact([Delete("Patient", "a", 1)])
    await engine.store.transact([a_put("Patient", "a", 2, OPEN)])
    assert await found(engine, "Patient", Token("security", "N")) == ["a"]
    assert await found(engine, "Patient", Token("security", "R")) == []
    assert await defects(engine) == []


@pytest.mark.parametrize(
    "write",
    [
        a_put("Patient", "a", 0),
        a_put("Patient", "a", 2),
        Delete("Patient", "a", 2),
        Delete("Patient", "new", 0),
        a_put("Patient", "new", 1),
        Delete("Unheard", "a", 1),
    ],
)
async def test_an_overtaken_write_is_stale_and_undoes_all_the_others(engine: Engine, write: object) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    with pytest.raises(Stale) as stale:
        await engine.store.transact([a_put("Patient", "b"), write])  # type: ignore[list-item]
    assert stale.value.write == write
    assert await engine.store.read("Patient", "b") is None
    assert await found(engine, "Patient", EVERYTHING) == ["a"]


async def test_one_transaction_may_write_a_resource_several_times(engine: Engine) -> None:
    versions = await engine.store.transact(
        [a_put("Patient", "a", 0, OPEN), a_put("Patient", "a", 1, MASKED), Delete("Patient", "a", 2)]
    )
    assert [version.version for version in versions] == [1, 2, 3]
    assert unpack(versions[2].packed) == MASKED
    assert await engine.store.history_count({"Patient": EVERYTHING}) == 3
    assert await defects(engine) == []


async def test_nothing_to_write_is_written(engine: Engine) -> None:
    assert await engine.store.transact([]) == []


async def test_instants_never_go_back(engine: Engine) -> None:
    ats = [(await engine.store.transact([a_put("Patient", str(n))]))[0].at for n in range(20)]
    assert ats == sorted(ats)


@pytest.mark.parametrize(
    ("where", "ids", "holds"),
    [
        (Token("security", "N"), frozenset({"a"}), True),
        (Token("security", "N"), frozenset(), False),
        (Token("security", "N"), frozenset({"a", "b"}), False),
        (Token("security", "X"), frozenset(), True),
        (EVERYTHING, frozenset({"a", "b"}), True),
        (NOTHING, frozenset(), True),
        (Token("unheard", "N"), frozenset(), True),
    ],
)
async def test_a_guard_holds_when_exactly_its_ids_match(
    engine: Engine, where: object, ids: frozenset[str], holds: bool
) -> None:
    await stored(engine, "Patient", {"a": OPEN, "b": MASKED})
    guard = Guard("Patient", where, ids)  # type: ignore[arg-type]
    if holds:
        await engine.store.transact([a_put("Patient", "c")], [guard])
    else:
        with pytest.raises(Stale) as stale:
            await engine.store.transact([a_put("Patient", "c")], [guard])
        assert stale.value.guard == guard
    assert (await engine.store.read("Patient", "c") is not None) is holds


async def test_fifty_simultaneous_conditional_creates_make_one_resource(engine: Engine) -> None:
    index = an_index(Word("identifier", "1", "urn:oid:1.2"))
    guard = Guard("Patient", Token("identifier", "1", "urn:oid:1.2"), frozenset())
    outcomes = await asyncio.gather(
        *[engine.store.transact([a_put("Patient", f"p{n}", 0, index)], [guard]) for n in range(50)],
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 49
    assert await engine.store.count({"Patient": EVERYTHING}) == 1


async def test_fifty_simultaneous_updates_of_one_version_make_one(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    outcomes = await asyncio.gather(
        *[engine.store.transact([a_put("Patient", "a", 1, note=str(n))]) for n in range(50)], return_exceptions=True
    )
    assert sum(isinstance(outcome, list) for outcome in outcomes) == 1
    version = await engine.store.read("Patient", "a")
    assert version is not None
    assert version.version == 2


async def history_of(engine: Engine, *args: object, **kwargs: object) -> list[tuple[str, int]]:
    page = await engine.store.history(*args, **kwargs)  # type: ignore[arg-type]
    return [(version.id, version.version) for version in page.versions]


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


async def versions_apart(engine: Engine) -> list[int]:
    """Three versions of one resource, at least 2 ms apart; their instants."""
    ats = []
    for n in range(3):
        (version,) = await engine.store.transact([a_put("Patient", "a", n)])
        ats.append(version.at)
        await asyncio.sleep(0.003)
    return ats


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


async def test_last_updated_is_compared_in_microseconds(engine: Engine) -> None:
    one, two, _ = await versions_apart(engine)
    (version,) = await engine.store.transact([a_put("Patient", "b")])
    assert await found(engine, "Patient", Range("_lastUpdated", low_from=version.at * 1000)) == ["b"]
    assert await found(engine, "Patient", Range("_lastUpdated", low_from=version.at * 1000 + 1)) == []
    assert await found(engine, "Patient", Range("_lastUpdated", high_to=version.at * 1000 - 1)) == ["a"]
    assert await found(engine, "Patient", Range("_lastUpdated", one * 1000, two * 1000)) == []


async def test_a_page_is_stable_while_others_write(engine: Engine) -> None:
    for n in range(9):
        await stored(engine, "Patient", {f"p{n}": an_index(Word("name", f"n{n % 3}"))})
    after, seen = None, []
    sort = (Sort("name", "word"),)
    while True:
        page = await engine.store.find({"Patient": EVERYTHING}, sort, after, 2)
        seen += [version.id for version in page.versions]
        await stored(engine, "Patient", {f"a{len(seen)}": an_index(Word("name", ""))})
        if page.next is None:
            break
        after = msgspec.msgpack.decode(msgspec.msgpack.encode(page.next), type=tuple)
    assert seen == ["p0", "p3", "p6", "p1", "p4", "p7", "p2", "p5", "p8"]


@pytest.mark.parametrize("after", [(), (1,), ("x", "y"), (1, 2, 3), (None, None), (10**40, 1), (1, True)])
async def test_a_position_of_another_search_is_refused(engine: Engine, after: tuple[object, ...]) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    with pytest.raises(FhirError) as refused:
        await engine.store.find({"Patient": EVERYTHING}, after=after)  # type: ignore[arg-type]
    assert refused.value.status == 400


async def test_nobody_is_found_in_types_that_were_not_asked_for(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    assert (await engine.store.find({})).versions == ()
    assert (await engine.store.find({"Unheard": EVERYTHING})).versions == ()
    assert await engine.store.count({}) == 0


async def test_a_page_of_no_resources_still_says_nothing_of_more(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    page = await engine.store.find({"Patient": EVERYTHING}, count=0)
    assert (page.versions, page.next) == ((), None)


async def test_ten_thousand_alternatives_are_one_search(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": an_index(Word("identifier", "9999", "urn:x")), "b": OPEN})
    many = range(10_000)
    filters = [
        Id((*map(str, many), "a")),
        Or((*[Id((f"{n}",)) for n in many], Id(("a",)))),
        Or(tuple(Token("identifier", f"{n}", "urn:x") for n in many)),
        Or(tuple(Token("identifier", f"{n}") for n in many)),
        And(tuple(Token("identifier", "9999") for n in range(1000))),
        Or((*[Refers("subject", f"{n}") for n in many], Token("identifier", "9999"))),
        Or((*[Range("date", n, n) for n in range(5000)], Token("identifier", "9999"))),
    ]
    for where in filters:
        assert await found(engine, "Patient", where) == ["a"], where.__class__


async def test_links_of_a_depth_nobody_needs_are_too_costly(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": an_index(Word("link", "Patient/a"))})
    where: object = EVERYTHING
    for _ in range(20):
        where = Linked("link", "Patient", where)  # type: ignore[arg-type]
    assert await found(engine, "Patient", where) == ["a"]  # type: ignore[arg-type]
    for _ in range(200):
        where = Linked("link", "Patient", where)  # type: ignore[arg-type]
    with pytest.raises(TooCostly):
        await found(engine, "Patient", where)  # type: ignore[arg-type]


async def test_what_nothing_can_match_matches_nothing(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": an_index(Word("tag", "x"), Span("date", 1, 5))})
    never = And((Range("date", high_from=2), Token("tag", "x", "http://never.example")))
    assert await found(engine, "Patient", never) == []
    assert await engine.store.count({"Patient": never}) == 0
    assert await engine.store.count({"Patient": never}, 10) == 0
    assert await history_of(engine, {"Patient": never}) == []
    await engine.store.transact([a_put("Patient", "b")], [Guard("Patient", never, frozenset())])


async def test_text_that_was_replaced_is_not_found(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": an_index(narrative="chat noir"), "b": an_index()})
    assert await found(engine, "Patient", Text("narrative", ("noir", "chat"))) == ["a"]
    await engine.store.transact([a_put("Patient", "a", 1, an_index(content="chat"))])
    assert await found(engine, "Patient", Text("narrative", ("chat",))) == []
    assert await found(engine, "Patient", Text("content", ("chat",))) == ["a"]


async def test_walking_meets_everything_once_deletions_included(engine: Engine) -> None:
    await stored(engine, "Patient", {f"p{n}": OPEN for n in range(5)})
    await stored(engine, "Observation", {"o": OPEN})
    await engine.store.transact([Delete("Patient", "p3", 1)])
    after, seen = None, []
    while True:
        page = await engine.store.walk(["Patient", "Unheard"], after, 2)
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
    past = await engine.store.vread("Patient", "b", 1)
    assert past is not None
    assert (unpack(past.own), unpack(past.packed)) == (new, OPEN)
    assert await defects(engine) == []


async def test_explaining_says_something_of_every_search(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    assert engine.store.explain({"Patient": Token("security", "N")})
    assert engine.store.explain({"Unheard": EVERYTHING})


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


async def test_many_questions_at_once_are_answered_as_each_alone(engine: Engine) -> None:
    for n in range(5):
        await stored(engine, "Patient", {f"p{n}": an_index(Word("identifier", f"{n % 2}", "urn:x"))})
    scopes = [
        {"Patient": Token("identifier", "0", "urn:x")},
        {"Patient": Token("identifier", "none")},
        {"Patient": EVERYTHING},
        {"Unheard": EVERYTHING},
        {},
    ]
    pages = await engine.store.find_each(scopes, 2)
    assert pages == [await engine.store.find(scope, count=2) for scope in scopes]
    assert await engine.store.find_each([]) == []


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


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 5), (250, [2, 2, 1]), (10_000, [5]), (None, [5])])
async def test_a_page_may_end_by_its_bytes_and_goes_on(engine: Engine, most: int | None, sizes: list[int]) -> None:
    for n in range(5):
        await stored(engine, "Patient", {f"p{n}": OPEN})
    versions = (await engine.store.find({"Patient": EVERYTHING})).versions
    assert {len(version.body) for version in versions} <= set(range(84, 125))
    for ask in (engine.store.find, engine.store.history):
        after, met, seen = None, [], []
        while True:
            page = await ask({"Patient": EVERYTHING}, after=after, count=10, most_bytes=most)  # type: ignore[operator]
            met.append(len(page.versions))
            seen += [version.id for version in page.versions]
            if page.next is None:
                break
            after = page.next
        assert (met, seen) == (sizes, ["p4", "p3", "p2", "p1", "p0"])
