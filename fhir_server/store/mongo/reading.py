"""Reading from one snapshot of what is on the majority: what was told to be done is there, nothing that may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from pymongo import timeout
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure, PyMongoError

from fhir_server.store.mongo.failures import said

T = TypeVar("T")

#: How often a reading is begun anew that an election, or a collection that was being made, ended.
_TRIES = 5
#: Seconds that what is under way has when the store is closed.
_CLOSING = 10.0
#: Seconds between two of them, times how many there were.
_PAUSE = 0.1
#: The snapshot is not there: https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
_NO_SNAPSHOT = frozenset({246, 239})


class Reading:
    """Runs what reads, each in a session of its own."""

    def __init__(self, client: Any, seconds: float) -> None:
        """One reading may take `seconds`."""
        self._client = client
        self._seconds = seconds
        self._under_way: set[asyncio.Task[Any]] = set()

    async def __call__(self, work: Callable[[Any], Awaitable[T]], *, snapshot: bool = True) -> T:
        """What `work` gives, which reads in the session that it is handed; without a `snapshot` there is none.

        Raises:
            TooCostly: it takes too long.
            Unavailable: the database cannot be reached.
        """
        return await self._apart(self._tried(work, snapshot))

    async def close(self) -> None:
        """Wait for what is under way, whether or not anybody else still does."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLOSING)

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives; whoever is cancelled ends at once, and it goes on to its end, which is not far.

        A connection on which something is cancelled is closed, and the next one has to make another. And the driver
        waits by `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes as what it waits for is
        done (https://github.com/python/cpython/issues/86296): the caller would go on for ever.
        """
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._over)
        return await asyncio.shield(task)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        # Looked at, whether or not somebody waits for it still.
        if not task.cancelled():
            task.exception()

    async def _tried(self, work: Callable[[Any], Awaitable[T]], snapshot: bool) -> T:
        for attempt in range(_TRIES):
            try:
                with timeout(self._seconds):
                    if not snapshot:
                        return await work(None)
                    async with self._client.start_session(snapshot=True) as session:
                        return await work(session)
            except PyMongoError as error:
                if not _passes(error) or attempt == _TRIES - 1:
                    raise said(error, reading=True) from error
                await asyncio.sleep(_PAUSE * (attempt + 1))
        raise AssertionError

    async def plainly(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, which reads one document of the majority, without a session.

        Raises:
            TooCostly, Unavailable: as when it is called.
        """
        return await self(lambda _: work(), snapshot=False)

    async def written(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, which changes one document.

        Raises:
            DuplicateKeyError: the document is there already.
            Unavailable, InsufficientStorage: as `Store.transact`.
        """
        return await self._apart(self._written(work))

    async def _written(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            with timeout(self._seconds):
                return await work()
        except DuplicateKeyError:
            raise
        except PyMongoError as error:
            raise said(error) from error


def _passes(error: PyMongoError) -> bool:
    """Whether the same may succeed in a moment."""
    if getattr(error, "timeout", False):
        return False
    return isinstance(error, ConnectionFailure) or (isinstance(error, OperationFailure) and error.code in _NO_SNAPSHOT)
