"""Memory that was needed for a moment is given back to the system while what stands between it stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fhir_server.cli import heap


def held() -> int:
    """Bytes of this process that no file stands for."""
    rows = Path("/proc/self/status").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("RssAnon:"))


def test_what_was_freed_between_what_stays_is_given_back() -> None:
    if heap.giving_back() is None or not Path("/proc/self/status").exists():
        pytest.skip("the system is not one with glibc")
    parts = [b"x" * (20_000 + n % 2) for n in range(4_000)]
    kept = parts[::100]
    parts.clear()
    before = held()

    async def once() -> None:
        tending = asyncio.create_task(heap.tended(0.0))
        await asyncio.sleep(0.5)
        tending.cancel()

    asyncio.run(once())
    assert held() < before - 40_000_000
    assert len(kept) == 40
