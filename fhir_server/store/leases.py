"""A lease: what one process at a time does, whichever offers first; of a process that died it ends by itself.

It is kept in the records and renewed while the work goes on, so that long work keeps it. Work is begun anew by another
process where one died in it: it keeps in the records how far it is, or does no harm when done twice.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.store.protocol import Keep, Records

T = TypeVar("T")

#: Kind of the records: key = what is done, value = `Holding`.
LEASE = "lease"
#: How long a process that died keeps others from going on, in seconds; three times as often it is renewed.
LEASE_SECONDS = 30.0
#: This process, as people find it: machine, process and a word that no other has.
HOLDER = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


class Holding(msgspec.Struct, frozen=True):
    """Who does something.

    Attributes:
        holder: as `HOLDER`.
        since: when it began, seconds since 1970.
        until: when another may go on if it is not renewed, likewise.
    """

    holder: str
    since: float
    until: float


class Lease:
    """The right to do one thing, as one process offers to."""

    def __init__(self, records: Records, name: str, seconds: float = LEASE_SECONDS) -> None:
        """`name` says what is done; `seconds` is how long the lease lasts without being renewed."""
        self._records = records
        self._name = name
        self._seconds = seconds
        self._kept = b""

    async def hold(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """What `work` gives, done under the lease; None, and nothing is done, when another process holds it.

        Raises:
            Unavailable: the lease was lost, because this process or the store stood still; the work was cancelled.
        """
        began = time.time()
        self._kept = self._holding(began)
        if not await self._records.add(LEASE, self._name, self._kept, self._seconds):
            return None
        working = asyncio.ensure_future(work())
        renewing = asyncio.create_task(self._renewed(began))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Unavailable(f"Another process went on with {self._name}.", headers={"Retry-After": "1"})
            return working.result()
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            # Only what is still this one's is let go of; of a store that does not answer it ends by itself.
            with suppress(FhirError):
                await self._records.apply([Keep(LEASE, self._name, b"", 0.0, old=self._kept)])

    async def _renewed(self, began: float) -> None:
        """Renew again and again; returns when the lease is lost."""
        held_until = time.monotonic() + self._seconds
        while True:
            await asyncio.sleep(self._seconds / 3)
            new, asked = self._holding(began), time.monotonic()
            with suppress(FhirError):
                keep = Keep(LEASE, self._name, new, self._seconds, old=self._kept)
                if not await self._records.apply([keep]):
                    return
                self._kept, held_until = new, asked + self._seconds
            if time.monotonic() >= held_until:
                return

    def _holding(self, began: float) -> bytes:
        return msgspec.json.encode(Holding(HOLDER, began, time.time() + self._seconds))


async def inherited(records: Records, name: str) -> bool:
    """Let go of the lease of a process of this machine that is no more; whether there was such a one."""
    value = await records.get(LEASE, name)
    if value is None:
        return True
    machine, process, _ = msgspec.json.decode(value, type=Holding).holder.rsplit(":", 2)
    if machine != socket.gethostname() or _lives(int(process)):
        return False
    return await records.apply([Keep(LEASE, name, b"", 0.0, old=value)])


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def holding(records: Records, name: str) -> Holding | None:
    """Who does something now; None when nobody does."""
    found = await records.get(LEASE, name)
    return None if found is None else msgspec.json.decode(found, type=Holding)
