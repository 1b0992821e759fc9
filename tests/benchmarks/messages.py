"""Messages: the inbox of a person with many of them, by the person and beside the same search in open mode.

https://fhir-server.example/StructureDefinition/ens-message. One person has all the messages that are asked for; as many
are others', so that the store holds more than is looked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fhir_server.app import House, opened
from fhir_server.fhir.json import serialize
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.tokens.storage import Family
from fhir_server.space.messages.model import communication
from tests.benchmarks.record import CONNECTIONS
from tests.benchmarks.servers import Figure, free_port, get, measure, running, serving
from tests.benchmarks.timing import table, told

#: In one exchange.
_THREAD = 5
_TOGETHER = 500
_HEAD = (
    "Asked by the patient",
    "connections",
    "target",
    "/s",
    "p50 ms",
    "p99 ms",
    "CPU",
    "open /s",
    "ratio",
    "ratio CPU",
)
#: What is asked → its address, and the ratio to the same in open mode that it is to have.
_ASKED = {
    "inbox, newest first, 20 a page": ("/fhir/Communication?subject=Patient/a&_sort=-sent&_count=20", "≥ 0.6"),
    "unread alone": ("/fhir/Communication?subject=Patient/a&received:missing=true&_sort=-sent&_count=20", ""),
    "one exchange": ("/fhir/Communication?thread=Communication/a-0&_sort=sent", ""),
}


def messages(base: Path, count: int, seconds: float) -> Iterator[str]:
    """The table."""
    port = free_port()
    url, folder = f"http://127.0.0.1:{port}/fhir", base / "messages"
    token = asyncio.run(_filled(folder, url, count))
    yield f"{count:,} messages of one person, and as many of others."
    ruled = _measured(folder, port, url, seconds, token)
    plain = _measured(folder, port, url, seconds, None)
    rows = [
        _row(name, n, target, ruled[name, n], plain[name, n])
        for name, (_, target) in _ASKED.items()
        for n in CONNECTIONS
    ]
    yield table(_HEAD, rows)


def _measured(folder: Path, port: int, url: str, seconds: float, token: str | None) -> dict[tuple[str, int], Figure]:
    how = ("--open",) if token is None else ()
    with running(*serving(folder, port, *how), port=port, FHIR_BASE_URL=url, FHIR_AUDIT="off") as server:
        found = {}
        for name, (path, _) in _ASKED.items():
            request = [get(path, token) if token is not None else get(path)]
            measure(port, request, 1, 1.0, server)
            found |= {(name, n): measure(port, request, n, seconds, server) for n in CONNECTIONS}
        return found


def _row(name: str, connections: int, target: str, found: Figure, beside: Figure) -> tuple[str, ...]:
    refused = f" ({found.errors} refused)" if found.errors else ""
    cells = (f"{found.rate:,.0f}", f"{found.p50:.2f}", f"{found.p99:.2f}", told(found.cpu), f"{beside.rate:,.0f}")
    ratios = (f"{found.rate / beside.rate:.2f}", f"{beside.cpu / found.cpu:.2f}" if found.cpu else "")
    return (name + refused, str(connections), target, *cells, *ratios)


async def _filled(folder: Path, base: str, count: int) -> str:
    """A store with so many messages of patient a, and of others; the token of the patient."""
    async with opened(Settings(data=folder, base_url=base)) as house:
        people = [{"resourceType": "Patient", "id": id, "active": True} for id in ("a", "b")]
        await _put(house, [*people, {"resourceType": "Practitioner", "id": "doctor"}])
        for patient in ("a", "b"):
            trees = [_message(patient, n) for n in range(count)]
            for start in range(0, count, _TOGETHER):
                await _put(house, trees[start : start + _TOGETHER])
        account = Account("bench-a", "bench-a", "Alice DEMO", "Patient/a")
        await house.authorization.accounts.add(account)
        scope = ("patient/Communication.crus", "patient/Patient.rs")
        await RecordedClients(house.engine.records).add(Client("app", "App", "public", scopes=scope))
        family = Family("bench-a", "app", account.id, base, scope, "a", None, purpose="PATRQT")
        await house.authorization.tokens.begin(family, "http://127.0.0.1/x", "", None, house.engine.records.apply)
        return await house.authorization.tokens.issue("app", base, scope, family.id)


def _message(patient: str, number: int) -> dict[str, object]:
    """Every other one is the patient's; half of the doctor's are unread."""
    first, turn = number - number % _THREAD, number % _THREAD
    parties = ["Practitioner/doctor", f"Patient/{patient}"]
    sender, to = parties if turn % 2 == 0 else reversed(parties)
    tree = communication(f"Patient/{patient}", sender, [to], "Vos résultats", [{"contentString": "Bonjour. " * 40}])
    sent = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    tree |= {"id": f"{patient}-{number}", "sent": sent.isoformat()}
    if turn:
        tree |= {
            "partOf": [{"reference": f"Communication/{patient}-{first}"}],
            "inResponseTo": [{"reference": f"Communication/{patient}-{number - 1}"}],
        }
    return tree | ({"received": sent.isoformat()} if number % 4 else {})


async def _put(house: House, trees: list[dict[str, object]]) -> None:
    own = house.repository()
    await own.transact(
        [await own.put(str(one["resourceType"]), str(one["id"]), one, serialize(one), None) for one in trees]
    )
