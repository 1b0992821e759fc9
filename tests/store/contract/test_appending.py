"""What nothing is judged against, such as traces, is added beside all else: durable when the call returns.

`fhir_server/store/protocol.py`: `Store.append`, `Records.apply`.
"""

from __future__ import annotations

import asyncio

from fhir_server.store.engine import Engine
from fhir_server.store.filters import EVERYTHING, Token
from fhir_server.store.protocol import Keep
from tests.store.making import MASKED, OPEN, a_put, defects, found


async def test_what_was_appended_is_there_and_found_and_told_in_the_feed(engine: Engine) -> None:
    place = (await engine.store.changes(None)).position
    ids = [engine.store.new_id("AuditEvent") for _ in range(3)]
    await engine.store.append([a_put("AuditEvent", id, 0, OPEN, "POST") for id in ids])
    assert sorted(await found(engine, "AuditEvent", Token("security", "N"))) == sorted(ids)
    versions = await engine.store.read_many([("AuditEvent", id) for id in ids])
    assert [version and (version.version, version.method, bool(version.body)) for version in versions] == [
        (1, "POST", True)
    ] * 3
    told = await engine.store.changes(place)
    assert sorted(one.id for one in told.changed) == sorted(ids)
    await engine.store.append([])
    assert await defects(engine) == []


async def test_many_append_at_once_and_lose_nothing(engine: Engine) -> None:
    def some() -> list[str]:
        return [engine.store.new_id("AuditEvent", lambda: "Patient/1") for _ in range(4)]

    made = [some() for _ in range(20)]
    writing = [engine.store.append([a_put("AuditEvent", id, 0, MASKED, "POST") for id in ids]) for ids in made]
    await asyncio.gather(*writing, engine.store.transact([a_put("Patient", "p")]))
    assert sorted(await found(engine, "AuditEvent", EVERYTHING)) == sorted(id for ids in made for id in ids)


async def test_what_is_appended_with_changes_of_records_is_there_when_they_are(engine: Engine) -> None:
    ids = [engine.store.new_id("AuditEvent") for _ in range(2)]
    traces = [[a_put("AuditEvent", id, 0, OPEN, "POST")] for id in ids]
    done = await asyncio.gather(
        *[engine.records.apply([Keep("code", "k", b"%d" % n, new=True)], trace) for n, trace in enumerate(traces)]
    )
    first = done.index(True)
    assert done.count(True) == 1
    assert await engine.records.get("code", "k") == b"%d" % first
    assert await found(engine, "AuditEvent", EVERYTHING) == [ids[first]]
    assert await defects(engine) == []
