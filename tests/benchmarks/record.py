"""The medical record: lots that are filed, a patient's documents searched with every rule, contents retrieved.

IHE MHD ITI-65, ITI-67 and ITI-68 as PDSm has them. Search and retrieval are measured beside the same store in open mode,
where no rule is asked, and beside a bare file response; beside another server by the part `hapi`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from fhir_server.fhir.json import serialize
from tests.benchmarks.record_filling import LARGE_BYTES, Records, filled
from tests.benchmarks.servers import Figure, free_port, get, measure, post, resident, running, serving
from tests.benchmarks.timing import table, told
from tests.space.record.making import a_lot

#: Lots that are sent in a second at most: each is filed once, since its names are its own.
FASTEST = 900
CONNECTIONS = (1, 32)

_HEAD = ("Flow", "connections", "target", "/s", "p50 ms", "p99 ms", "CPU", "beside it /s", "ratio", "ratio CPU")


def record(base: Path, documents: int, patients: int, seconds: float) -> Iterator[str]:
    """The tables."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/fhir"
    folder = base / "record"
    found = asyncio.run(filled(folder, url, documents, patients))
    yield f"{documents:,} documents of {patients:,} people, written at {found.rate:,.0f}/s."
    rows: list[tuple[str, ...]] = []
    ruled = _searched(folder, port, url, found, seconds, "off")
    traced = _searched(folder, port, url, found, seconds, "auto")
    open_search, open_read = _open(folder, port, url, found, seconds)
    bare = _bare(base, seconds)
    for n in CONNECTIONS:
        plain, masked = ruled["plain", n], ruled["masked", n]
        rows += [
            _row("ITI-67, one patient, 20 a page, every rule", n, "≥ 0.6 of open", plain, open_search[n]),
            _row("the same, traced", n, "", traced["plain", n], open_search[n]),
            _row("the same, a tenth of the documents masked", n, "≥ 0.9 of unmasked", masked, plain),
            _row("ITI-68, PDF of 200 KB, open", n, "≥ 0.5 of a file", open_read[n], bare[n]),
        ]
    rows += _filing(folder, port, url, found, seconds)
    yield table(_HEAD, rows)


def _searched(
    folder: Path, port: int, url: str, found: Records, seconds: float, audit: str
) -> dict[tuple[str, int], Figure]:
    """Searches of a professional, of people without masked documents and with some."""
    kinds = {"plain": found.plain, "masked": found.masked}
    asked = {name: [get(search_of(one), token) for one, token in tokens.items()] for name, tokens in kinds.items()}
    with running(*serving(folder, port), port=port, FHIR_BASE_URL=url, FHIR_AUDIT=audit) as server:
        # What a professional is to a patient is read once; a minute later, or when it changes, again.
        for requests in asked.values():
            measure(port, requests, 1, 1.0, server)
        return {
            (name, n): measure(port, requests, n, seconds, server)
            for name, requests in asked.items()
            for n in CONNECTIONS
        }


def _filing(folder: Path, port: int, url: str, found: Records, seconds: float) -> Iterator[tuple[str, ...]]:
    """Lots, each traced and durable when it is answered."""
    with running(*serving(folder, port), port=port, FHIR_BASE_URL=url, FHIR_AUDIT="auto") as server:
        # What profiles are made into is made with the first.
        measure(port, _lots(found, 6 * FASTEST), 1, 6.0, server)
        before = resident(server)
        for n in CONNECTIONS:
            filed = measure(port, _lots(found, round(FASTEST * (seconds + 1))), n, seconds, server)
            yield _row("ITI-65, a lot of one document", n, "≥ 300/s at 32", filed, None)
        after = f"{before:.0f} MB, then {resident(server):.0f} MB"
        yield "memory of the worker, before the lots and after", "", "", after, *[""] * 6


def _lots(found: Records, count: int) -> list[bytes]:
    return [post("/fhir", serialize(a_lot()), found.system) for _ in range(count)]


def _open(
    folder: Path, port: int, url: str, found: Records, seconds: float
) -> tuple[dict[int, Figure], dict[int, Figure]]:
    searches = [get(search_of(patient)) for patient in found.plain]
    reads = [get(f"/fhir/Binary/{id}").replace(b"application/fhir+json", b"application/pdf") for id in found.large]
    with running(*serving(folder, port, "--open"), port=port, FHIR_BASE_URL=url, FHIR_AUDIT="off") as server:
        return (
            {n: measure(port, searches, n, seconds, server) for n in CONNECTIONS},
            {n: measure(port, reads, n, seconds, server) for n in CONNECTIONS},
        )


def _bare(base: Path, seconds: float) -> dict[int, Figure]:
    file, port = base / "scan.pdf", free_port()
    file.write_bytes(os.urandom(LARGE_BYTES))
    with running("-m", "tests.benchmarks.bare_file", str(file), str(port), port=port) as server:
        return {n: measure(port, [get("/scan.pdf")], n, seconds, server) for n in CONNECTIONS}


def search_of(patient: str) -> str:
    """ITI-67: a patient's current documents, twenty a page."""
    return f"/fhir/DocumentReference?patient=Patient/{patient}&status=current&_count=20"


def _row(name: str, connections: int, target: str, found: Figure, beside: Figure | None) -> tuple[str, ...]:
    cells = (f"{found.rate:,.0f}", f"{found.p50:.2f}", f"{found.p99:.2f}", told(found.cpu))
    refused = f" ({found.errors} refused)" if found.errors else ""
    if beside is None:
        return name + refused, str(connections), target, *cells, "", "", ""
    ratios = f"{found.rate / beside.rate:.2f}", f"{beside.cpu / found.cpu:.2f}" if found.cpu else ""
    return name + refused, str(connections), target, *cells, f"{beside.rate:,.0f}", *ratios
