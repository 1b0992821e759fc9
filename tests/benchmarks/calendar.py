"""A calendar of five hundred events as programs ask for it: processor time of the server alone, without a network.

RFC 5545, RFC 9110 §13.1.2 (`If-None-Match`). One patient, who lets titles and notes be told and an alarm be set.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fhir_server.app import House, opened
from fhir_server.fhir.json import serialize
from fhir_server.http.logs import configure
from fhir_server.settings import Settings
from fhir_server.space.paris import PARIS
from tests.benchmarks.calls import Tree
from tests.benchmarks.servers import Figure
from tests.server.people import a_person
from tests.space.agenda.world import an_appointment, ask, peopled
from tests.space.record.callers import BASE

EVENTS = 500
#: Times that each is asked; an address is answered 30 times a minute.
_TIMES = 25
_CHOSEN: Tree = {
    "resourceType": "Parameters",
    "parameter": [{"name": "content", "valueBoolean": True}, {"name": "alarm", "valueInteger": 60}],
}


def calendars(folder: Path) -> dict[str, Figure]:
    """What is asked for → what it took."""
    return asyncio.run(_measured(folder))


async def _measured(folder: Path) -> dict[str, Figure]:
    settings = Settings(data=folder, base_url=BASE, open=False, log_level="error")
    configure(settings)
    async with opened(settings) as house:
        await peopled(house)
        await a_person(house, "a", "Anna", "Patient/a")
        await _kept(house, [(f"a{n}", _an_appointment(n)) for n in range(EVENTS)])
        await _asked(house, await _address(house))
        path, changes = await _address(house), iter(range(_TIMES))

        async def change() -> None:
            tree = _an_appointment(3) | {"comment": f"Changé {next(changes)} fois"}
            await _kept(house, [("a3", tree)])

        once_more = await _figure(house, path, 200)
        path = await _address(house)
        changed = await _figure(house, path, 200, change)
        path = await _address(house)
        tag = (await _asked(house, path))[1]["etag"]
        unchanged = await _figure(house, path, 304, had=tag)
        return {
            f"an iCalendar of {EVENTS} events: 200": once_more,
            "the same, one event of it changed since: 200": changed,
            "the same, unchanged: 304": unchanged,
        }


def _an_appointment(n: int) -> Tree:
    start = datetime.now(PARIS).replace(microsecond=0) + timedelta(days=n % 400, minutes=20 * (n // 400))
    people = [
        {"actor": {"reference": "Patient/a", "display": "Anna EXEMPLE"}, "status": "accepted"},
        {"actor": {"reference": "Practitioner/doctor", "display": "Dr Roux"}, "status": "accepted"},
        {"actor": {"display": "Clinique des Tilleuls", "type": "Location"}, "status": "accepted"},
    ]
    times = {"start": start.isoformat(), "end": (start + timedelta(minutes=20)).isoformat()}
    return an_appointment(
        description=f"Consultation {n}", comment="Apporter les résultats", participant=people, **times
    )


async def _kept(house: House, trees: list[tuple[str, Tree]]) -> None:
    own = house.repository()
    puts = [
        await own.put("Appointment", id, tree, serialize(tree), await own.current("Appointment", id))
        for id, tree in trees
    ]
    await own.transact(puts)


async def _address(house: House) -> str:
    """The path of a new address, which may be asked as often as any."""
    made = await ask(house, "patient", "POST", "Patient/a/$calendar-address", _CHOSEN)
    url = next(one["valueUrl"] for one in made.json["parameter"] if one["name"] == "url")
    return str(url).removeprefix(BASE.removesuffix("/fhir"))


async def _figure(
    house: House, path: str, status: int, before: Callable[[], Awaitable[None]] | None = None, had: str = ""
) -> Figure:
    walls, cpus, errors = [], [], 0
    for _ in range(_TIMES):
        if before is not None:
            await before()
        wall, cpu = time.perf_counter(), time.process_time()
        found, _ = await _asked(house, path, had)
        cpus.append(time.process_time() - cpu)
        walls.append((time.perf_counter() - wall) * 1000)
        errors += found != status
    walls.sort()
    return Figure(1000 / statistics.mean(walls), statistics.median(walls), walls[-1], errors, statistics.median(cpus))


async def _asked(house: House, path: str, had: str = "") -> tuple[int, dict[str, str]]:
    """Status and headers of the answer to a GET."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *([(b"if-none-match", had.encode())] if had else [])],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await house.asgi(scope, receive, send)  # type: ignore[arg-type]
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}
