"""How free slots of professionals are looked for: by what is rare, and never by looking at all slots there are.

https://interop.esante.gouv.fr/ig/fhir/sas (INT_R01: from when, until when, free, whose). What the engine would do is what
`$explain` says: https://sqlite.org/eqp.html, where SCAN is a look at all rows and SEARCH is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.fhir.json import serialize
from fhir_server.settings import Settings
from tests.engines import require_files
from tests.space.agenda.world import a_schedule, ask
from tests.space.record.callers import BASE, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")
RPPS = "urn:oid:1.2.250.1.71.4.2.1"
FIRST = datetime.fromisoformat("2027-03-01T08:00:00+01:00")
#: Professionals, slots of each: so many that none of the criteria is a matter of a few.
PROFESSIONALS, DAYS, A_DAY = 60, 10, 4


def number(n: int) -> str:
    return f"8{n:011}"


def a_professional(n: int) -> list[Tree]:
    return [
        {"resourceType": "Practitioner", "id": f"p{n}", "identifier": [{"system": RPPS, "value": number(n)}]},
        a_schedule(f"p{n}", f"Practitioner/p{n}"),
        *(a_slot(n, day, turn) for day in range(DAYS) for turn in range(A_DAY)),
    ]


def a_slot(n: int, day: int, turn: int) -> Tree:
    start = FIRST + timedelta(days=day, minutes=30 * turn)
    return {
        "resourceType": "Slot",
        "id": f"p{n}-{day}-{turn}",
        "schedule": {"reference": f"Schedule/p{n}"},
        "status": "busy" if n == 7 and turn else "free",
        "start": start.isoformat(),
        "end": (start + timedelta(minutes=30)).isoformat(),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    require_files()
    async with opened(Settings(data=tmp_path_factory.mktemp("slots"), base_url=BASE)) as found:
        own = found.repository()
        for n in range(PROFESSIONALS):
            trees = a_professional(n)
            puts = [await own.put(str(one["resourceType"]), str(one["id"]), one, serialize(one), None) for one in trees]
            await own.transact(puts)
        yield found


def asked(professionals: int, hours: float, status: str = "free") -> str:
    """INT_R01 of the first professionals, in the order of the instants."""
    until = FIRST + timedelta(hours=hours)
    when = f"start=ge{quote(FIRST.isoformat())}&start=le{quote(until.isoformat())}"
    whose = ",".join(f"{RPPS}|{number(n)}" for n in range(professionals))
    beside = "_include=Slot:schedule&_include:iterate=Schedule:actor"
    return (
        f"{when}&status={status}&schedule.actor:Practitioner.identifier={quote(whose)}&_sort=start&_count=50&{beside}"
    )


BY_WHOSE, BY_WHEN, BY_STATUS = "Schedule by Practitioner by word_value", "span_low", "word_value"
#: Professionals, hours, status → slots that there are, how many candidates at most are looked at, what finds them.
SEARCHES: Mapping[str, tuple[int, float, str, int, int, str]] = {
    "one professional, a week": (1, 168, "free", 28 + 1, DAYS * A_DAY, BY_WHOSE),
    "three, a week": (3, 168, "free", 3 * 29, 3 * DAYS * A_DAY, BY_WHOSE),
    "twenty, a week": (20, 168, "free", 19 * 29 + 8, 20 * DAYS * A_DAY, BY_WHOSE),
    "fifty, the first hour": (50, 0.9, "free", 2 * 50 - 1, 2 * PROFESSIONALS, BY_WHEN),
    "one, the first hour": (1, 0.9, "free", 2, DAYS * A_DAY, BY_WHOSE),
    "fifty, what is busy": (50, 168, "busy", 3 * 7, 3 * DAYS, BY_STATUS),
}


async def plan(house: House, query: str) -> list[str]:
    explained = (await ask(house, "open", "GET", f"Slot/$explain?{query}")).json
    return [one["valueString"] for one in explained["parameter"] if one["name"] == "plan"]


@pytest.mark.parametrize("how", SEARCHES)
async def test_slots_are_found_by_what_is_rare(house: House, how: str) -> None:
    professionals, hours, status, count, most, by = SEARCHES[how]
    query = asked(professionals, hours, status)
    found = (await ask(house, "open", "GET", f"Slot?{query}&_total=accurate")).json
    assert found["total"] == count
    steps = await plan(house, query)
    candidates = steps[0].removeprefix("Slot: ").removeprefix("at least ")
    assert int(candidates.split(" ")[0]) <= most, steps[0]
    assert candidates.partition(" by index ")[2].startswith(by), steps[0]


#: The tables of a store, and what they are called where the engine reads them.
TABLES = frozenset({"resource", "version", "content", "word", "span", "r", "r1", "r2", "x", "w"})


@pytest.mark.parametrize("how", [*SEARCHES, "fifty, a week"])
async def test_no_search_looks_at_all_slots(house: House, how: str) -> None:
    """What was found already may be looked through, and what was asked for; of a table rows are looked up alone."""
    professionals, hours, status, *_ = SEARCHES.get(how, (50, 168, "free"))
    steps = [line.removeprefix("Slot: ").split(" ") for line in await plan(house, asked(professionals, hours, status))]
    read = {words[1] for words in steps if words[0] in ("SEARCH", "SCAN")} & TABLES
    assert {"w", "r"} <= read, "the engine calls its tables otherwise"
    assert not {words[1] for words in steps if words[0] == "SCAN"} & TABLES


async def test_fifty_professionals_are_walked_in_the_order_asked_for(house: House) -> None:
    """Most of what there is matches: a page is full long before all of it has been judged."""
    steps = await plan(house, asked(50, 168))
    assert "Slot: walks index span_low, judging each resource, until the page is full" in steps
    page: dict[str, Any] = (await ask(house, "open", "GET", f"Slot?{asked(50, 168)}")).json
    slots = [one["resource"] for one in page["entry"] if one["search"]["mode"] == "match"]
    assert [one["start"] for one in slots] == sorted(one["start"] for one in slots)
    assert len(slots) == 50 and {one["start"] for one in slots} == {FIRST.isoformat()}
