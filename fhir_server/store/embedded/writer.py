"""The one thread that writes: it drains a queue of callers into one transaction, commits, and answers them together.

Group commit: while one transaction is made durable the next callers gather, so the disk is asked once for all of them.
Who comes in the same turn of an event loop is handed over together: else the first would be a transaction alone.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import apsw

from fhir_server.fhir.outcome import FhirError, Malformed, Unavailable
from fhir_server.store.embedded.batch import Batch, Judge
from fhir_server.store.embedded.connections import said
from fhir_server.store.embedded.names import Names
from fhir_server.store.embedded.notes import pruned
from fhir_server.store.embedded.outstanding import any_outstanding
from fhir_server.store.embedded.turnstile import Turnstile
from fhir_server.store.protocol import Guard, Stale, Write

#: A transaction takes callers until it has this many writes: larger ones make the first wait for the last.
_FULL = 1_000
#: How often what has expired is thrown away.
_SWEEP_SECONDS = 60.0

#: Index rows that were left for later are written when nobody has written for so long, or are of so many resources:
#: the more together, the fewer pages each takes, and the longer those wait who come meanwhile.
_IDLE_SECONDS = 0.25
_MANY = 250

#: What SQLite says of a file that cannot be written to, whatever is written.
_UNWRITABLE = (apsw.FullError, apsw.IOError, apsw.ReadOnlyError)

_log = logging.getLogger(__name__)

Task = Callable[[Batch, apsw.Connection], Any]


@dataclass(slots=True)
class Job:
    """What one caller wants done, and where it waits; with a `task`, that is what writes."""

    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    writes: Sequence[Write] = ()
    guards: Sequence[Guard] = ()
    task: Task | None = None
    outcome: Any = None


class Writer:
    """Takes jobs from any event loop and gives each its outcome once it is durable.

    Attributes:
        refused: whether the file could not be written to when it was last tried.
    """

    def __init__(
        self, connection: apsw.Connection, names: Names, judge: Judge, max_pending: int, turnstile: Turnstile
    ) -> None:
        """Start the thread. `max_pending` jobs may wait; more are refused. Transactions begin by way of `turnstile`."""
        self._connection = connection
        self._turnstile = turnstile
        self._names = names
        self._judge = judge
        self._max_pending = max_pending
        self._jobs: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._handing = threading.Lock()
        self._handed = self._taken = 0
        self._ended = False
        self._swept = time.monotonic()
        self._closed = False
        self._outstanding = 0
        self.refused = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard]) -> Any:
        """The versions made of `writes`, once durable."""
        loop = asyncio.get_running_loop()
        return await self._submit(Job(loop.create_future(), loop, writes, guards))

    async def perform(self, task: Task, writes: Sequence[Write] = ()) -> Any:
        """What `task` returns, once what it did is durable; `writes` are those it gives to its batch."""
        loop = asyncio.get_running_loop()
        return await self._submit(Job(loop.create_future(), loop, writes, task=task))

    async def index(self) -> None:
        """Index rows that were left for later are there when this returns, whichever process left them."""
        await self.perform(_index)

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return self._handed - self._taken + sum(map(len, tuple(self._turns.values())))

    def close(self) -> None:
        """Finish what was accepted, then end the thread."""
        self._closed = True
        for loop in tuple(self._turns):
            self._hand_over(loop)
        with self._handing:
            self._ended = True
            self._jobs.put(None)
        self._thread.join()
        self._turnstile.close()

    def _submit(self, job: Job) -> asyncio.Future[Any]:
        if self._closed:
            raise Unavailable("The server is stopping.", headers={"Retry-After": "5"})
        if self.pending >= self._max_pending:
            raise Unavailable("Too many writes are waiting for the store.", headers={"Retry-After": "1"})
        together = self._turns.get(job.loop)
        if together is None:
            self._turns[job.loop] = [job]
            job.loop.call_soon(self._hand_over, job.loop)
        else:
            together.append(job)
        return job.future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the thread what came in one turn of an event loop, no more at once than one transaction takes."""
        # Also from the thread that closes, which may be about to end what takes them.
        with self._handing:
            for some in _shared_out(self._turns.pop(loop, [])):
                self._handed += len(some)
                if self._ended:
                    _fail(some, Unavailable("The server is stopping.", headers={"Retry-After": "5"}))
                    _deliver(some)
                else:
                    self._jobs.put(some)

    def _run(self) -> None:
        going = True
        # Whoever had the file open before may have left some.
        looked = False
        while going:
            jobs: list[Job] = []
            with suppress(Empty):
                wait = _IDLE_SECONDS if self._outstanding or not looked else _SWEEP_SECONDS
                jobs, going = self._gather(self._jobs.get(timeout=wait))
            if jobs:
                self._answer(jobs)
            if not looked or self._outstanding >= _MANY or (self._outstanding and not (jobs and going)):
                self._index()
                looked = True
            self._sweep()

    def _gather(self, some: list[Job] | None) -> tuple[list[Job], bool]:
        """The jobs of the next transaction, and whether more may follow."""
        jobs: list[Job] = []
        size = 0
        while some is not None:
            self._taken += len(some)
            jobs += some
            size += sum(len(job.writes) + 1 for job in some)
            if size >= _FULL:
                return jobs, True
            try:
                some = self._jobs.get_nowait()
            except Empty:
                return jobs, True
        return jobs, False

    def _answer(self, jobs: list[Job]) -> None:
        try:
            self._write(jobs)
        except Exception:
            # Whatever went wrong while failing, nobody may wait for ever, and the next transaction must be possible.
            _log.exception("The writer could not undo a transaction")
            _fail(jobs, Unavailable("The store could not answer.", headers={"Retry-After": "5"}))
        _deliver(jobs)

    def _write(self, jobs: list[Job]) -> None:
        try:
            self._commit(jobs)
        except apsw.Error as error:
            self._undo()
            self.refused = isinstance(error, _UNWRITABLE)
            if isinstance(error, apsw.SQLError | apsw.TooBigError | apsw.InterruptError) and len(jobs) > 1:
                self._one_by_one(jobs)
            else:
                _fail(jobs, said(error, self._connection))
        except Exception as error:
            # Something in one caller's data that could not be judged before, such as text that is not Unicode.
            self._undo()
            if len(jobs) > 1:
                self._one_by_one(jobs)
            else:
                _fail(jobs, error if isinstance(error, FhirError) else Malformed("The resource cannot be stored."))

    def _one_by_one(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._write([job])

    def _commit(self, jobs: list[Job]) -> None:
        self._turnstile.begin()
        writes = [write for job in jobs for write in job.writes]
        batch = Batch(self._connection, self._names, self._judge, writes)
        for job in jobs:
            try:
                if job.task is not None:
                    job.outcome = job.task(batch, self._connection)
                else:
                    job.outcome = batch.apply(job.writes, job.guards)
            except (Stale, FhirError) as refusal:
                job.outcome = refusal
        batch.flush()
        self._connection.execute("COMMIT")
        self.refused = False
        self._names.commit()
        self._outstanding += batch.deferred

    def _index(self) -> None:
        """Write what was left for later. If that fails, whoever needs it tries again, and is told."""
        self._outstanding = 0
        try:
            if any_outstanding(self._connection):
                self._turnstile.begin()
                Batch(self._connection, self._names, self._judge, ()).index_outstanding()
                self._connection.execute("COMMIT")
                self._names.commit()
        except Exception as error:
            # The thread goes on whatever stands in a row: else nobody could write any more.
            if not isinstance(error, apsw.Error):
                _log.exception("Index rows that were left for later cannot be written")
            self._undo()

    def _undo(self) -> None:
        self._names.rollback()
        if self._connection.in_transaction:
            # SQLite may have rolled back by itself.
            with suppress(apsw.Error):
                self._connection.execute("ROLLBACK")

    def _sweep(self) -> None:
        if time.monotonic() - self._swept < _SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        # Expired records are never shown: if this fails, the next sweep will do.
        with suppress(apsw.Error):
            self._connection.execute(
                "DELETE FROM record WHERE (kind, key) IN"
                " (SELECT kind, key FROM record WHERE expires IS NOT NULL AND expires <= ? LIMIT 10000)",
                (time.time(),),
            )
            pruned(self._connection)


def _shared_out(jobs: list[Job]) -> Iterator[list[Job]]:
    """Jobs in the same order, as many together as one transaction takes."""
    some: list[Job] = []
    size = 0
    for job in jobs:
        some.append(job)
        size += len(job.writes) + 1
        if size >= _FULL:
            yield some
            some, size = [], 0
    if some:
        yield some


def _index(batch: Batch, _: apsw.Connection) -> None:
    batch.index_outstanding()


def _fail(jobs: list[Job], error: Exception) -> None:
    for job in jobs:
        job.outcome = error


def _deliver(jobs: list[Job]) -> None:
    """Wake every waiting caller, each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, waiting in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting)
        except RuntimeError:  # The loop has closed: nobody waits any more.
            continue


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if isinstance(job.outcome, Exception):
            job.future.set_exception(job.outcome)
        else:
            job.future.set_result(job.outcome)
