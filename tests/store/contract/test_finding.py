"""Finding: filters, pages, and what of each version is given.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

import msgspec
import pytest

from fhir_server.fhir.outcome import FhirError, TooCostly
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, And, Id, Linked, Or, Range, Refers, Span, Text, Token, Word
from fhir_server.store.protocol import Delete, Guard, Sort, Want
from tests.store.making import MASKED, OPEN, a_put, an_index, found, history_of, stored, versions_apart, walked


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


async def test_explaining_says_something_of_every_search(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN})
    assert await engine.store.explain({"Patient": Token("security", "N")})
    assert await engine.store.explain({"Unheard": EVERYTHING})


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


@pytest.mark.parametrize(
    ("want", "bodies", "indexes"), [("head", False, False), ("index", False, True), ("body", True, True)]
)
async def test_of_each_version_is_given_what_is_wanted_of_it(
    engine: Engine, want: Want, bodies: bool, indexes: bool
) -> None:
    whole = await stored(engine, "Patient", {"a": OPEN, "b": MASKED})
    await engine.store.transact([a_put("Patient", "c"), Delete("Patient", "a", 1)])
    expected = [
        msgspec.structs.replace(one, body=one.body if bodies else b"", packed=one.packed if indexes else b"")
        for one in (await engine.store.find({"Patient": EVERYTHING})).versions
    ]
    assert [one.id for one in expected] == ["c", "b"]
    page = await engine.store.find({"Patient": EVERYTHING}, want=want)
    assert list(page.versions) == expected
    [page] = await engine.store.find_each([{"Patient": EVERYTHING}], want=want)
    assert list(page.versions) == expected
    assert await engine.store.read_many([("Patient", "c"), ("Patient", "b")], want) == expected
    deletion = await engine.store.read("Patient", "a")
    assert deletion is not None
    met = await walked(engine, {"Patient": EVERYTHING}, want=want)
    gone = deletion if indexes else msgspec.structs.replace(deletion, packed=b"")
    assert met == [gone, *reversed(expected)]
    assert whole[1].body == (await engine.store.find({"Patient": Id(("b",))})).versions[0].body


async def test_a_page_of_what_has_no_bodies_is_not_ended_by_their_bytes(engine: Engine) -> None:
    await stored(engine, "Patient", {f"p{n}": OPEN for n in range(5)})
    page = await engine.store.find({"Patient": EVERYTHING}, most_bytes=1, want="index")
    assert (len(page.versions), page.next) == (5, None)
