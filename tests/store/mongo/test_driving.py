"""A query is looked up by the rarest of its conditions, whichever comes first: `fhir_server/store/mongo/driving.py`."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from fhir_server.store import opening
from fhir_server.store.filters import And, Filter, Id, Linked, Not, Range, Refers, Span, Token, Word
from fhir_server.store.mongo import driving
from fhir_server.store.mongo.search import Search
from tests import mongod
from tests.store.making import a_put, an_index

COMMON, RARE, DATE = Token("category", "lab", "http://x"), Refers("patient", "Patient/1"), Range("date", low_from=0)


async def examined(engine: Any, where: Filter) -> int:
    """How many documents the database looks at to find what satisfies."""

    async def read(session: Any) -> int:
        found = await Search(engine._stored, session).candidates.matching({"Observation": where})
        command = {"aggregate": "res", "pipeline": [{"$match": found.text}], "cursor": {}}
        plan = await engine._stored.res.database.command({"explain": command, "verbosity": "executionStats"})
        stats = plan.get("executionStats") or plan["stages"][0]["$cursor"]["executionStats"]
        return int(stats["totalDocsExamined"])

    return int(await engine._reading(read))


#: A filter → how many documents at most are looked at, of 60 of which 3 are the patient's.
LOOKED_AT: list[tuple[Filter, int]] = [
    *[(And(parts), 3) for parts in permutations((COMMON, RARE, DATE))],
    (And((Not(Token("status", "x")), COMMON, RARE)), 3),
    (And((COMMON, Id(("o1", "o2")))), 2),
    (And((Linked("patient", "Patient", Id(("1",))), COMMON)), 3),
]


@pytest.mark.parametrize(("where", "most"), LOOKED_AT, ids=range(len(LOOKED_AT)))
async def test_what_is_looked_up_is_the_rarest(monkeypatch: pytest.MonkeyPatch, where: Filter, most: int) -> None:
    mongod.require()
    monkeypatch.setattr(driving, "_FAR", (10, 100))
    engine: Any = opening.open_engine(mongod.url(), max_pending=100, deadline_seconds=30)
    rows = (Word("category", "lab", "http://x"), Span("date", 1, 2))
    await engine.store.transact(
        [
            a_put("Patient", "1"),
            *[
                a_put("Observation", f"o{n}", 0, an_index(Word("patient", f"Patient/{n % 20}"), *rows))
                for n in range(60)
            ],
        ]
    )
    for _ in range(2):
        # The second time what is common is known.
        assert await examined(engine, where) <= most
        assert await engine.store.count({"Observation": where}) == most
    await engine.close()
