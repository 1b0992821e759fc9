"""The same data here and in HAPI, the same searches of both: a patient's documents, and free slots of fifty professionals.

IHE MHD ITI-67 and INT_R01 of https://interop.esante.gouv.fr/ig/fhir/sas. Here every rule of the record is asked, and HAPI
is open; it may hold less than is here, which is for its good.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fhir_server.app import opened
from fhir_server.population.generation import population
from fhir_server.settings import Settings
from tests.benchmarks import agenda
from tests.benchmarks.calls import Tree
from tests.benchmarks.hapi.peer import Peer, entries
from tests.benchmarks.hapi.peer import running as peering
from tests.benchmarks.record import search_of
from tests.benchmarks.record_filling import READ, batches, filled
from tests.benchmarks.servers import Figure, free_port, get, measure, running, serving
from tests.benchmarks.timing import table

#: Times as fast as HAPI, that this server is to be.
BAR = 10
_DOCUMENTS, _SLOTS = (1, 32), (1, 8)
#: Seconds of the same requests before they are measured: Java compiles what is called often.
_WARMING = 10.0
_HEAD = (
    "Search", "connections", "/s", "p50 ms", "p99 ms", "HAPI /s", "p50 ms", "p99 ms", "ratio", "target",
    "HAPI, found before /s", "ratio",
)  # fmt: skip
#: What has HAPI search, where it would else give what the same search found up to a minute ago.
_ANEW = b"\r\n\r\n", b"\r\nCache-Control: no-cache\r\n\r\n"
_STAMP = b"2026-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is: documents and slots here, and as many of HAPI's, of which one in ten is a patient."""

    documents: int
    slots: int
    of_hapi: int


def hapi(base: Path, folder: Path, sizes: Sizes, memory: str, seconds: float) -> Iterator[str]:
    """The tables; one server runs at a time, HAPI first.

    Args:
        base: for the stores.
        folder: where HAPI is built.
        sizes: of both.
        memory: the most that HAPI's Java may take (`4g`).
        seconds: each measurement takes.
    """
    professionals = agenda.professionals_of(min(sizes.slots, sizes.of_hapi))
    people = [f"bench-p-{n:08d}" for n in range(0, min(READ, sizes.of_hapi // 10), 2)]
    slots, searches = next(iter(agenda.queries(professionals).items()))
    theirs: list[Asked] = []
    with peering(folder, memory) as peer:
        yield _filled(peer, base, sizes)
        for paths, connections in (
            ([search_of(one) for one in people], _DOCUMENTS),
            ([f"/fhir/Slot?{one}" for one in searches], _SLOTS),
        ):
            found = [len(entries(peer.port, path)) for path in paths]
            kept = _measured(peer.port, [*map(get, paths)], connections, seconds)
            fresh = _measured(peer.port, [get(path).replace(*_ANEW) for path in paths], connections, seconds)
            theirs.append(Asked(paths, found, fresh, kept))
    yield f"Here {sizes.documents:,} documents and {agenda.slots_of(agenda.professionals_of(sizes.slots)):,} slots."
    documents, free = theirs
    yield table(_HEAD, [*_documents(base, documents, sizes, seconds), *_slots(base, slots, free, sizes, seconds)])


@dataclass(frozen=True, slots=True)
class Asked:
    """What HAPI was asked.

    Attributes:
        paths: of the searches.
        found: how many resources each gave.
        fresh: what was measured, by the number of connections, of searches that are made.
        kept: likewise, where what the same search found within the last minute is given again, as HAPI does by default.
    """

    paths: list[str]
    found: list[int]
    fresh: dict[int, Figure]
    kept: dict[int, Figure]


def _filled(peer: Peer, base: Path, sizes: Sizes) -> str:
    records = asyncio.run(_records(base / "hapi-copied", sizes.of_hapi))
    documents, took = peer.fill(records)
    professionals = agenda.professionals_of(sizes.of_hapi)
    slots, lasted = peer.fill(agenda.trees(professionals))
    peer.analyze()
    return (
        f"HAPI 8.8 on PostgreSQL: {sizes.of_hapi:,} documents and their patients, written at {documents / took:,.0f} "
        f"resources/s; {agenda.slots_of(professionals):,} slots, at {slots / lasted:,.0f}/s."
    )


async def _records(folder: Path, documents: int) -> list[Tree]:
    """The patients and documents that `filled` writes, as JSON."""
    async with opened(Settings(data=folder)) as house:
        made = batches(house, list(population(60, 9)), documents, max(1, documents // 10))
        bodies = [put.body[: put.stamp] + _STAMP + put.body[put.stamp + 24 :] for batch in made for put in batch]
    return [json.loads(body) for body in bodies]


def _documents(base: Path, theirs: Asked, sizes: Sizes, seconds: float) -> Iterator[tuple[str, ...]]:
    """One patient's documents: with every rule, then traced too, where HAPI has neither."""
    port, folder = free_port(), base / "hapi-record"
    url = f"http://127.0.0.1:{port}/fhir"
    found = asyncio.run(filled(folder, url, sizes.documents, max(1, sizes.documents // 10)))
    tokens = [token for _, token in zip(theirs.paths, found.plain.values(), strict=False)]
    asked = [get(path, token) for path, token in zip(theirs.paths, tokens, strict=True)]
    for audit, name in (("off", "ITI-67, one patient, 20 a page"), ("auto", "the same, traced")):
        with running(*serving(folder, port), port=port, FHIR_BASE_URL=url, FHIR_AUDIT=audit) as server:
            if audit == "off":
                _compare(theirs, [len(entries(port, *one)) for one in zip(theirs.paths, tokens, strict=True)])
            ours = _measured(port, asked, _DOCUMENTS, seconds, server)
        yield from _rows(name, ours, theirs, f"≥ {BAR}" if audit == "off" else "")


def _slots(base: Path, name: str, theirs: Asked, sizes: Sizes, seconds: float) -> Iterator[tuple[str, ...]]:
    """Free slots of fifty of the professionals over seven days."""
    port, folder = free_port(), base / "hapi-agenda"
    asyncio.run(agenda.filled(folder, agenda.professionals_of(sizes.slots)))
    with running(*serving(folder, port, "--open"), port=port) as server:
        _compare(theirs, [len(entries(port, path)) for path in theirs.paths])
        ours = _measured(port, [*map(get, theirs.paths)], _SLOTS, seconds, server)
    yield from _rows(name, ours, theirs, f"≥ {BAR}")


def _compare(theirs: Asked, found: list[int]) -> None:
    """Both answer with as many resources, which is what makes them comparable.

    Raises:
        SystemExit: they do not, or with none.
    """
    if found != theirs.found or not all(found):
        raise SystemExit(f"Resources that the first searches gave: {found[:5]} here, {theirs.found[:5]} at HAPI.")


def _measured(
    port: int, requests: list[bytes], connections: tuple[int, ...], seconds: float, server: int = 0
) -> dict[int, Figure]:
    measure(port, requests, max(connections), _WARMING, server)
    return {n: measure(port, requests, n, seconds, server) for n in connections}


def _rows(name: str, ours: dict[int, Figure], theirs: Asked, target: str) -> Iterator[tuple[str, ...]]:
    for n, here in ours.items():
        there, kept = theirs.fresh[n], theirs.kept[n]
        errors = here.errors + there.errors + kept.errors
        refused = f" ({errors} refused)" if errors else ""
        yield (
            name + refused, str(n), f"{here.rate:,.0f}", f"{here.p50:.2f}", f"{here.p99:.2f}",
            f"{there.rate:,.1f}", f"{there.p50:.2f}", f"{there.p99:.2f}", f"{here.rate / there.rate:.1f}", target,
            f"{kept.rate:,.1f}", f"{here.rate / kept.rate:.1f}",
        )  # fmt: skip
