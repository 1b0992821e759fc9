"""The agenda: free slots of fifty professionals over seven days, bookings of slots that nobody has yet, calendars.

https://interop.esante.gouv.fr/ig/fhir/sas (INT_R01, with what it asks for beside slots), guide GAP (flow 6).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from fhir_server.app import House, opened
from fhir_server.fhir.json import serialize
from fhir_server.settings import Settings
from tests.benchmarks.calendar import calendars
from tests.benchmarks.calls import Tree
from tests.benchmarks.servers import Figure, free_port, get, measure, post, running, serving
from tests.benchmarks.timing import table, told

#: Days with slots, slots of a day, and professionals that are asked for at once.
_DAYS, _A_DAY, ASKED = 10, 20, 50
_TOGETHER = 500
_RPPS = "urn:oid:1.2.250.1.71.4.2.1"
_FIRST = datetime.fromisoformat("2027-03-01T08:00:00+01:00")
_HEAD = ("Asked", "connections", "target", "/s", "p50 ms", "p99 ms", "CPU")
_BOOKED_AT = 32


def agenda(base: Path, slots: int, seconds: float) -> Iterator[str]:
    """The table."""
    port, folder = free_port(), base / "agenda"
    professionals = professionals_of(slots)
    asyncio.run(filled(folder, professionals))
    yield f"{slots_of(professionals):,} slots of {professionals:,} professionals."
    url = f"http://127.0.0.1:{port}/fhir"
    with running(*serving(folder, port, "--open"), port=port, FHIR_BASE_URL=url) as server:
        wanted = [post("/fhir/Appointment", json.dumps(one).encode()) for one in _bookings(professionals)]
        booked = measure(port, wanted, _BOOKED_AT, seconds, server)
        rows = []
        for name, query in queries(professionals).items():
            requests = [get(f"/fhir/Slot?{one}") for one in query]
            measure(port, requests[:1], 1, 1.0, server)
            rows += [_row(name, n, "", measure(port, requests, n, seconds, server)) for n in (1, 8)]
        rows.append(_row("a booking", _BOOKED_AT, "≥ 300", booked))
    rows += [_row(name, 1, "< 5 ms CPU", found) for name, found in calendars(base / "calendar").items()]
    yield table(_HEAD, rows)


def professionals_of(slots: int) -> int:
    """How many professionals have so many slots, fifty at least."""
    return max(ASKED, slots // (_DAYS * _A_DAY))


def slots_of(professionals: int) -> int:
    """How many slots so many professionals have."""
    return professionals * _DAYS * _A_DAY


def queries(professionals: int) -> dict[str, list[str]]:
    """Searches of fifty of the professionals each time, others from time to time."""
    last = _FIRST + timedelta(days=7)
    when = f"start=ge{quote(_FIRST.isoformat())}&start=le{quote(last.isoformat())}&status=free"
    groups = [range(at, at + ASKED) for at in range(0, min(professionals, 20 * ASKED) - ASKED + 1, ASKED)]
    asked = [f"{when}&schedule.actor:Practitioner.identifier={','.join(f'{_RPPS}|{_number(n)}' for n in one)}" for one in groups]  # fmt: skip
    beside = "_include=Slot:schedule&_include:iterate=Schedule:actor"
    return {
        "50 professionals, 7 days, by start, 50 a page": [f"{one}&_sort=start&_count=50" for one in asked],
        "the same, with agendas and professionals": [f"{one}&_sort=start&_count=50&{beside}" for one in asked],
    }


def _bookings(professionals: int) -> Iterator[Tree]:
    """Each of another slot, one schedule after the other."""
    for day in range(_DAYS):
        for turn in range(_A_DAY):
            for n in range(min(professionals, 1_000)):
                yield _booking(n, day, turn)
                if n + 1 + min(professionals, 1_000) * (turn + _A_DAY * day) >= 20_000:
                    return


def _booking(professional: int, day: int, turn: int) -> Tree:
    start, end = _time(day, turn)
    return {
        "resourceType": "Appointment",
        "status": "booked",
        "slot": [{"reference": f"Slot/{_slot_id(professional, day, turn)}"}],
        "start": start,
        "end": end,
        "participant": [{"actor": {"reference": f"Practitioner/p{professional}"}, "status": "accepted"}],
    }


def _row(name: str, connections: int, target: str, found: Figure) -> tuple[str, ...]:
    refused = f" ({found.errors} refused)" if found.errors else ""
    return (
        name + refused,
        str(connections),
        target,
        f"{found.rate:,.0f}",
        f"{found.p50:.2f}",
        f"{found.p99:.2f}",
        told(found.cpu),
    )


async def filled(folder: Path, professionals: int) -> None:
    """A store with each professional's agenda of ten days; all of its slots are free."""
    async with opened(Settings(data=folder, open=True)) as house:
        rows = trees(professionals)
        while some := list(islice(rows, _TOGETHER)):
            await _put(house, some)


def trees(professionals: int) -> Iterator[Tree]:
    """The resources of so many professionals, each one's before its slots."""
    for n in range(professionals):
        yield from _professional(n)
        yield from (_slot(n, day, turn) for day in range(_DAYS) for turn in range(_A_DAY))


def _professional(n: int) -> list[Tree]:
    identifier = [{"system": _RPPS, "value": _number(n)}]
    return [
        {"resourceType": "Practitioner", "id": f"p{n}", "identifier": identifier, "name": [{"family": f"DEMO{n}"}]},
        {"resourceType": "Schedule", "id": f"p{n}", "actor": [{"reference": f"Practitioner/p{n}"}]},
    ]


def _slot(professional: int, day: int, turn: int) -> Tree:
    start, end = _time(day, turn)
    return {
        "resourceType": "Slot",
        "id": _slot_id(professional, day, turn),
        "schedule": {"reference": f"Schedule/p{professional}"},
        "status": "free",
        "start": start,
        "end": end,
    }


def _slot_id(professional: int, day: int, turn: int) -> str:
    return f"p{professional}-{day}-{turn}"


def _time(day: int, turn: int) -> tuple[str, str]:
    start = _FIRST + timedelta(days=day, minutes=30 * turn)
    return start.isoformat(), (start + timedelta(minutes=30)).isoformat()


def _number(n: int) -> str:
    return f"8{n:011}"


async def _put(house: House, trees: list[Tree]) -> None:
    own = house.repository()
    await own.transact(
        [await own.put(str(one["resourceType"]), str(one["id"]), one, serialize(one), None) for one in trees]
    )
