"""Every write of this process, as many callers' in one transaction as wait: one is under way, the next gathers.

What is durable on the majority of the replica set is told to who waits for it. A transaction that another process, or
an election, made fail is begun anew: nothing of it was written.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import ReadPreference, WriteConcern, timeout
from pymongo.client_session_shared import TransactionOptions
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from fhir_server.fhir.outcome import FhirError, Unavailable
from fhir_server.store.mongo.batch import Batch
from fhir_server.store.mongo.connected import Collections
from fhir_server.store.mongo.failures import said
from fhir_server.store.protocol import Guard, Stale, Write

#: Writes, and bytes of bodies, of one transaction; one caller's are never shared out.
_FULL, _FULL_BYTES = 500, 8_000_000
#: Seconds before a transaction that failed is begun anew, at first and at most.
_PAUSE, _LONGEST_PAUSE = 0.002, 0.25
_TRANSIENT, _UNKNOWN = "TransientTransactionError", "UnknownTransactionCommitResult"
#: What is told to be done is on the disks of the majority, and was judged by what nobody changed since.
DURABLE = WriteConcern("majority", j=True)
TRANSACTION = TransactionOptions(ReadConcern("snapshot"), DURABLE, ReadPreference.PRIMARY)
_log = logging.getLogger(__name__)

Task = Callable[[Batch], Awaitable[Any]]


@dataclass(slots=True, eq=False)
class Job:
    """What one caller waits for: writes under guards, or a task of its own."""

    future: asyncio.Future[Any]
    writes: Sequence[Write] = ()
    guards: Sequence[Guard] = ()
    task: Task | None = None
    outcome: Any = field(default=None)


class Writer:
    """Writes for all callers of this process.

    Attributes:
        refused: whether the last transaction failed: whether writing is possible must be tried.
    """

    def __init__(self, client: Any, stored: Collections, max_pending: int, waiting_seconds: float) -> None:
        """`max_pending` callers may wait; a transaction is tried for `waiting_seconds`."""
        self._client = client
        self._stored = stored
        self._max_pending = max_pending
        self._seconds = waiting_seconds
        self._waiting: deque[Job] = deque()
        self._under_way = 0
        self._working: asyncio.Task[None] | None = None
        self._closed = False
        self.refused = False

    @property
    def pending(self) -> int:
        """How many callers wait."""
        return len(self._waiting) + self._under_way

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> Any:
        """Arguments and result as `Store.transact`."""
        if not writes and not guards:
            return []
        return await self._done(Job(asyncio.get_running_loop().create_future(), writes, guards))

    async def perform(self, task: Task, writes: Sequence[Write] = ()) -> Any:
        """What `task` gives, done inside a transaction; `writes` are those that it will apply."""
        return await self._done(Job(asyncio.get_running_loop().create_future(), writes, (), task))

    async def close(self) -> None:
        """Take nothing more, and finish what was accepted."""
        self._closed = True
        if self._working is not None:
            await asyncio.wait({self._working})

    async def _done(self, job: Job) -> Any:
        if self._closed:
            raise Unavailable("The server is stopping.", headers={"Retry-After": "5"})
        if self.pending >= self._max_pending:
            raise Unavailable("Too many writes wait for the store.", headers={"Retry-After": "1"})
        self._waiting.append(job)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await job.future

    async def _work(self) -> None:
        while self._waiting:
            jobs = list(_together(self._waiting))
            self._under_way = len(jobs)
            try:
                await self._committed(jobs)
            except BaseException as error:
                if not isinstance(error, FhirError):
                    _log.exception("A transaction of the store failed.")
                refusal = error if isinstance(error, FhirError) else Unavailable("The store failed.")
                for job in jobs:
                    job.outcome = refusal
                if not isinstance(error, Exception):
                    raise
            finally:
                self._under_way = 0
                for job in jobs:
                    _deliver(job)

    async def _committed(self, jobs: Sequence[Job]) -> None:
        """Do all of `jobs` in one transaction, begun anew while it may succeed.

        Raises:
            Unavailable, InsufficientStorage, TooLarge: it cannot be done.
        """
        until, pause = time.monotonic() + self._seconds, _PAUSE
        alone = len(jobs) == 1
        while True:
            try:
                await self._tried(jobs, until)
            except PyMongoError as error:
                self.refused = True
                lasting = not error.has_error_label(_TRANSIENT)
                if lasting and not alone and not isinstance(error, ConnectionFailure):
                    await self._committed_each(jobs)
                    return
                if lasting or time.monotonic() >= until:
                    raise said(error) from error
                await asyncio.sleep(pause * random.random())  # noqa: S311 - so that two do not meet again
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self.refused = False
                return

    async def _committed_each(self, jobs: Sequence[Job]) -> None:
        """What one of `jobs` cannot do must not be refused to the others: each has a transaction of its own."""
        for job in jobs:
            try:
                await self._committed([job])
            except FhirError as refusal:
                job.outcome = refusal

    async def _tried(self, jobs: Sequence[Job], until: float) -> None:
        # Without such an end a database that stands still would keep everybody waiting.
        with timeout(max(1.0, until - time.monotonic())):
            await self._transaction(jobs, until)

    async def _transaction(self, jobs: Sequence[Job], until: float) -> None:
        async with self._client.start_session(default_transaction_options=TRANSACTION) as session:
            await session.start_transaction()
            try:
                batch = Batch(self._stored, session)
                await batch.begin([write for job in jobs for write in job.writes])
                for job in jobs:
                    try:
                        if job.task is not None:
                            job.outcome = await job.task(batch)
                        else:
                            job.outcome = await batch.apply(job.writes, job.guards)
                    except (Stale, FhirError) as refusal:
                        job.outcome = refusal
                await batch.end()
                await _commit(session, until)
            except BaseException:
                if session.in_transaction:
                    await session.abort_transaction()
                raise


async def _commit(session: Any, until: float) -> None:
    """Commit, asking again while nobody knows whether it is done."""
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label(_UNKNOWN) or time.monotonic() >= until:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return


def _together(waiting: deque[Job]) -> Iterator[Job]:
    """Take as many jobs from those that wait as one transaction holds, in their order."""
    writes = size = 0
    while waiting and writes < _FULL and size < _FULL_BYTES:
        job = waiting.popleft()
        writes += len(job.writes) + 1
        size += sum(len(getattr(write, "body", b"")) for write in job.writes)
        yield job


def _deliver(job: Job) -> None:
    if job.future.done():
        return
    if isinstance(job.outcome, Exception):
        job.future.set_exception(job.outcome)
    else:
        job.future.set_result(job.outcome)
