"""Versions: read as they were answered, deleted, brought back.

`fhir_server/store/protocol.py`; https://hl7.org/fhir/R4/http.html (versions, history, concurrency).
"""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest

from fhir_server.fhir.json import instant
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Span, Token, Word
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Delete
from tests.store.making import MASKED, OPEN, a_put, an_index, defects, found, stored, vread


async def test_a_version_is_read_as_it_was_answered(engine: Engine) -> None:
    (written,) = await stored(engine, "Patient", {"a": OPEN})
    assert await engine.store.read("Patient", "a") == written
    assert await vread(engine.store, "Patient", "a", 1) == written


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
    assert await vread(engine.store, "Patient", "a", 2) is None
    assert await vread(engine.store, "Patient", "a", 10**30) is None


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
    old = await vread(engine.store, "Patient", "a", 1)
    assert old is not None
    assert (unpack(old.packed), unpack(old.own), old.current) == (MASKED, OPEN, False)


async def test_a_deleted_resource_can_be_brought_back(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": MASKED})
    await engine.store.transact([Delete("Patient", "a", 1)])
    await engine.store.transact([a_put("Patient", "a", 2, OPEN)])
    assert await found(engine, "Patient", Token("security", "N")) == ["a"]
    assert await found(engine, "Patient", Token("security", "R")) == []
    assert await defects(engine) == []


async def test_instants_never_go_back(engine: Engine) -> None:
    ats = [(await engine.store.transact([a_put("Patient", str(n))]))[0].at for n in range(20)]
    assert ats == sorted(ats)


async def test_many_are_read_in_the_order_asked_as_each_alone(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN, "b": MASKED})
    await stored(engine, "Observation", {"a": MASKED})
    await engine.store.transact([Delete("Patient", "b", 1)])
    keys = [("Observation", "a"), ("Patient", "none"), ("Patient", "b"), ("Unheard", "a"), ("Patient", "a")]
    keys += [("Patient", "a"), ("Patient", "a' OR 1=1"), ("Patient", "é")]
    found = await engine.store.read_many(keys)
    assert found == [await engine.store.read(*key) for key in keys]
    assert [version and version.deleted for version in found] == [False, None, True, None, False, False, None, None]
    assert await engine.store.read_many([]) == []


async def test_many_versions_are_read_in_the_order_asked(engine: Engine) -> None:
    (written,) = await stored(engine, "Patient", {"a": OPEN})
    await stored(engine, "Observation", {"a": OPEN})
    await engine.store.transact([a_put("Patient", "a", 1, MASKED)])
    await engine.store.transact([Delete("Patient", "a", 2)])
    keys = [("Patient", "a", n) for n in (3, 9, 1, 0, -1, 10**30, 2, 1)] + [
        ("Observation", "a", 1),
        ("Unheard", "a", 1),
    ]
    found = await engine.store.vread_many(keys)
    assert [version and (version.type, version.version, version.deleted, version.current) for version in found] == [
        ("Patient", 3, True, True), None, ("Patient", 1, False, False), None, None, None,
        ("Patient", 2, False, False), ("Patient", 1, False, False), ("Observation", 1, False, True), None,
    ]  # fmt: skip
    first = found[2]
    assert first is not None
    # What it was then, and of a deletion the index that it ended.
    assert (first.body, unpack(first.own), unpack(first.packed)) == (written.body, OPEN, MASKED)
    assert await engine.store.vread_many([]) == []


async def test_many_versions_end_before_they_are_longer_than_asked(engine: Engine) -> None:
    await engine.store.transact([a_put("Patient", id, note=id * 100) for id in "abc"])
    keys = [("Patient", id, 1) for id in ("a", "none", "b", "c")]
    whole = await engine.store.vread_many(keys)
    sizes = [len(version.body) if version else 0 for version in whole]
    for most in (0, 1, sizes[0], sum(sizes[:3]) - 1, sum(sizes[:3]), sum(sizes) - 1, sum(sizes)):
        left, taken = keys, []
        while left:
            found = await engine.store.vread_many(left, "body", most)
            assert found, "who asks again comes to an end"
            assert sum(len(version.body) for version in found if version) <= max(most, *sizes)
            taken, left = taken + found, left[len(found) :]
        assert taken == whole
    assert len(await engine.store.vread_many(keys, "body", sum(sizes[:3]))) == 3
    assert len(await engine.store.vread_many(keys, "body", sum(sizes))) == 4


async def test_many_are_read_as_of_one_moment(engine: Engine) -> None:
    await stored(engine, "Patient", {"a": OPEN, "b": OPEN})
    seen = []

    async def read() -> None:
        for _ in range(30):
            one, other = await engine.store.read_many([("Patient", "a"), ("Patient", "b")], "head")
            assert one is not None and other is not None
            seen.append((one.version, other.version))

    async def write() -> None:
        for n in range(1, 20):
            await engine.store.transact([a_put("Patient", "a", n), a_put("Patient", "b", n)])

    await asyncio.gather(read(), write())
    assert all(one == other for one, other in seen)


@pytest.mark.parametrize("owner", [None, "Patient/1", f"Patient/{'x' * 64}", "Patient/-.-.-.-"])
def test_new_ids_are_of_fhirs_alphabet_and_never_the_same(engine: Engine, owner: str | None) -> None:
    made = {engine.store.new_id(type, lambda: owner) for type in ("Patient", "DocumentReference") for _ in range(500)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{16,64}", id) for id in made)
