"""What is longer than a document of MongoDB is kept whole, or refused alone.

https://www.mongodb.com/docs/manual/reference/limits/#bson-documents (16 MB a document)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fhir_server.fhir.outcome import TooLarge
from fhir_server.store import opening
from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Word
from fhir_server.store.protocol import Delete, Put, Version
from tests import mongod
from tests.store.making import a_put, an_index, vread

LONG = 20_000_000


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    mongod.require()
    opened = opening.open_engine(mongod.url(), max_pending=100, deadline_seconds=60)
    yield opened
    await opened.close()


def long(expected: int, note: str) -> Put:
    return a_put("Bundle", "b", expected, note=note * LONG)


async def test_a_body_that_is_longer_than_a_document_is_read_as_it_was_written(engine: Engine) -> None:
    (first,) = await engine.store.transact([long(0, "x")])
    assert await engine.store.read("Bundle", "b") == first
    await engine.store.transact([a_put("Bundle", "short")])
    (second,) = await engine.store.transact([long(1, "y")])
    assert len(second.body) > LONG and second.body[-10:] != first.body[-10:]
    old = await vread(engine.store, "Bundle", "b", 1)
    assert isinstance(old, Version) and (old.body, old.current) == (first.body, False)
    page = await engine.store.find({"Bundle": EVERYTHING}, count=10, most_bytes=1_000)
    assert [(one.id, len(one.body)) for one in page.versions] == [("b", len(second.body))]
    history = await engine.store.history({"Bundle": EVERYTHING}, count=10)
    assert [one.body for one in history.versions if one.id == "b"] == [second.body, first.body]
    await engine.store.transact([Delete("Bundle", "b", 2)])
    gone = await engine.store.read("Bundle", "b")
    assert gone is not None and gone.deleted and gone.body == b""
    assert await vread(engine.store, "Bundle", "b", 2) is not None


async def test_what_has_too_much_to_be_found_by_is_refused_and_nobody_else_is(engine: Engine) -> None:
    index = an_index(*[Word("identifier", f"{n}{'x' * 1_000}", "urn:x") for n in range(9_000)])
    outcomes = await asyncio.gather(
        engine.store.transact([a_put("Group", "g", 0, index)]),
        *[engine.store.transact([a_put("Patient", f"p{n}")]) for n in range(5)],
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], TooLarge)
    assert all(isinstance(one, list) for one in outcomes[1:])
    assert await engine.store.read("Group", "g") is None
    assert await engine.store.count({"Patient": EVERYTHING}) == 5
