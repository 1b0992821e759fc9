"""A process beside a worker, in which what would hold the worker's event loop is done.

Threads would not do: they take turns with the event loop only between two instructions of Python, and reading, judging
or giving back some megabytes of JSON is one instruction each, as is a collection of garbage. The process is started
when it is first needed, does one thing at a time, and is ended when that takes longer than it may.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from time import monotonic
from typing import Any, TypeVar

T = TypeVar("T")

#: What may wait for one caller, and in all.
EACH, ALL = 16, 64
#: How often it is looked whether anybody still waits for what is being done, in seconds.
_LOOK = 0.25
#: How much the workers' own requests go before what is done here (nice).
_NICE = 5


class Busy(Exception):
    """Too much is waiting already."""


class Ended(Exception):
    """What was asked took longer than it may."""


class Lost(Exception):
    """The process ended, or is being stopped, before it answered: what was asked is done wholly or not at all."""


@dataclass(slots=True)
class _Job:
    call: tuple[Callable[..., Any], tuple[Any, ...]]
    seconds: float
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Beside:
    """The process, and what waits for it: callers take turns, so that nobody waits for all that another asks.

    Attributes:
        done: calls answered so far.
    """

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.done = 0
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    @property
    def pending(self) -> int:
        """How many calls wait."""
        return sum(len(jobs) for jobs in self._waiting.values())

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60.0) -> T:
        """What `function`, which a module defines, returns for `args`; what it raises is raised here.

        Args:
            function: called in the process beside; it and what it takes, returns and raises can be pickled.
            args: its arguments.
            seconds: how long it may take by the clock.

        Turns go by whom `asked_by` named.

        Raises:
            Busy: too much is waiting, of this caller or in all.
            Ended: it took longer.
            Lost: the process ended by itself, or is being stopped.
        """
        loop, who = asyncio.get_running_loop(), _WHO.get()
        job = _Job((function, args), seconds, loop.create_future(), loop)
        with self._changed:
            own = self._waiting.get(who)
            if self._closed or self.pending >= ALL or (own is not None and len(own) >= EACH):
                raise Busy
            self._waiting.setdefault(who, deque()).append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="beside", daemon=True)
                self._thread.start()
            self._changed.notify()
        found: T = await job.future
        return found

    def close(self) -> None:
        """End the process; what waits is answered with `Lost`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            if not job.future.cancelled():
                self._deliver(job, *self._result(job))
                self.done += 1
        self._end()

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                for job in (job for jobs in self._waiting.values() for job in jobs):
                    self._deliver(job, False, Lost("The server is stopping."))
                self._waiting.clear()
                return None
            who, jobs = self._waiting.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._waiting[who] = jobs
            return job

    def _result(self, job: _Job) -> tuple[bool, Any]:
        """Whether it went well, and what came back."""
        try:
            call = pickle.dumps(job.call, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            return False, error
        try:
            connection = self._started()
            connection.send_bytes(call)
            until = monotonic() + job.seconds
            while not connection.poll(_LOOK):
                if self._closed or job.future.cancelled() or monotonic() > until:
                    self._end()
                    return False, Lost("The server is stopping.") if self._closed else Ended("It took too long.")
            well, found = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own process
            return bool(well), found
        except (OSError, EOFError) as error:
            self._end()
            return False, Lost(f"The process beside ended: {type(error).__name__}.")

    def _started(self) -> Connection:
        if self._connection is None or self._process is None or self._process.poll() is not None:
            self._end()
            ours, theirs = Pipe()
            code = f"from fhir_server.work.beside import attend; attend({theirs.fileno()})"
            # A session of its own: what is typed at the server's terminal is for the server.
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-c", code], pass_fds=[theirs.fileno()], start_new_session=True
            )
            theirs.close()
            self._connection = ours
        return self._connection

    def _end(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @staticmethod
    def _deliver(job: _Job, well: bool, found: Any) -> None:
        def resolve() -> None:
            if job.future.done():
                return
            if well:
                job.future.set_result(found)
            else:
                job.future.set_exception(found)

        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            job.loop.call_soon_threadsafe(resolve)


def attend(number: int) -> None:
    """Do what is asked over the connection with that file descriptor, until it is closed: the process's whole life."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(_NICE)
    connection = Connection(number)
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, args = pickle.loads(connection.recv_bytes())  # noqa: S301 - from the worker itself
            connection.send_bytes(_answer(function, args))


def _answer(function: Callable[..., Any], args: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((True, function(*args)), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        with contextlib.suppress(Exception):
            return pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        # What cannot be handed over is told by its kind: its words may quote what a client sent.
        return pickle.dumps((False, RuntimeError(type(error).__name__)))


#: Who asks for what is being done, as far as turns go; "" for the server itself.
_WHO: ContextVar[str] = ContextVar("who", default="")


def asked_by(who: str) -> None:
    """From here on, in this task and in what it begins, long work is `who`'s: it waits for nobody else's queue."""
    _WHO.set(who)


#: The one of this worker process; None where nothing is served (commands, the process beside itself).
_OWN: Beside | None = None


@contextlib.contextmanager
def opened() -> Any:
    """While the block runs this process has another beside it, which `own` gives."""
    global _OWN
    _OWN = Beside()
    try:
        yield _OWN
    finally:
        _OWN.close()
        _OWN = None


def own() -> Beside | None:
    """What this worker does long work in; None where there is none."""
    return _OWN


def calls() -> float:
    """How many calls have been done beside this process, for its metrics."""
    return float(_OWN.done if _OWN is not None else 0)


async def aside(function: Callable[..., T], *args: Any) -> T:
    """What `function` returns for `args`, without holding the event loop: in the process beside, or in a thread.

    Raises:
        Busy, Ended, Lost: as `Beside.run`.
    """
    beside = _OWN
    return await (beside.run(function, *args) if beside is not None else asyncio.to_thread(function, *args))
