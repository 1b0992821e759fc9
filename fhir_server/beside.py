"""The process beside a worker as it answers FHIR: a house of its own on the same store, for requests that are long.

What it needs of a call is few and plain: the request, and who asks. It finds the rest in the store, as another worker
would, and like another worker it follows what is written there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import NamedTuple

from fhir_server.access.grant import OPEN, Grant
from fhir_server.app import House, opened
from fhir_server.fhir.outcome import Unavailable
from fhir_server.http.logs import configure, logger
from fhir_server.interactions.audited import audited, left_behind
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.long_requests import too_costly
from fhir_server.interactions.routes import dispatch
from fhir_server.search.activation.reindex import indexed_anew
from fhir_server.settings import Settings
from fhir_server.store.filters import Index
from fhir_server.store.protocol import Version
from fhir_server.work import beside
from fhir_server.work.budget import Budget, Exhausted, current, within

#: By the clock a piece of work may take so many times its processor time, and so many seconds more to begin with.
_SLOWLY, _BEGINNING = 6.0, 15.0
#: Bytes of resources that one request may take from the store.
_MOST_BYTES = 400_000_000


class Caller(NamedTuple):
    """Who asks, and how: what a `Context` is made of there. `grant` is None for the open one."""

    grant: Grant | None
    base: str
    strict: bool
    prefer: str
    request_id: str


class Answered(NamedTuple):
    """The answer, what an entry of a batch touched (as `Touched` has it), and the processor's seconds it took."""

    response: Response
    objects: dict[str, tuple[str, ...]]
    patients: dict[str, None]
    seconds: float


@contextmanager
def attended(house: House) -> Iterator[None]:
    """While the block runs, long requests to `house` are answered in a process beside this one."""
    with beside.opened() as process:
        found = _Apart(house, process)
        house.apart, house.anew, house.terminology.library.ahead = found, found.indexed, found.taken_over
        try:
            yield
        finally:
            house.apart = house.anew = house.terminology.library.ahead = None


class _Apart:
    """`Apart`, over a process."""

    def __init__(self, house: House, process: beside.Beside) -> None:
        self._house = house
        self._process = process

    async def __call__(self, request: Request, context: Context, audits: bool) -> Response:
        grant = context.repository.grant
        caller = Caller(
            None if grant is OPEN else grant, context.base, context.strict, context.prefer, context.request_id
        )
        whole = current()
        left = self._house.settings.work_seconds - (whole.apart if whole is not None else 0.0)
        if left <= 0:
            raise too_costly()
        asked = (self._house.settings, request, caller, audits, left)
        with _told():
            try:
                found = await self._process.run(answered, *asked, seconds=left * _SLOWLY + _BEGINNING)
            except (beside.Ended, beside.Lost) as ended:
                # Nobody is left there to say who asked.
                if audits:
                    await left_behind(request, context, 400 if isinstance(ended, beside.Ended) else 503)
                raise
        if whole is not None:
            whole.apart += found.seconds
        context.repository.touched.objects.update(found.objects)
        context.repository.touched.patients.update(found.patients)
        if request.method not in ("GET", "HEAD"):
            # What was written there is in force for the next request here.
            await self._house.follow()
        return found.response

    async def indexed(self, versions: Sequence[Version]) -> list[Index]:
        """The indexes of `versions` by the parameters in force there, same order."""
        with _told():
            return await self._process.run(indexed, self._house.settings, list(versions))

    async def taken_over(self) -> None:
        """Bring the store of concepts, which all processes share, into step with what is stored."""
        with _told():
            await self._process.run(taken_over, self._house.settings)


@contextmanager
def _told() -> Iterator[None]:
    """What a caller is told of a process that has too much to do, or was ended."""
    try:
        yield
    except beside.Busy:
        raise Unavailable("Too many long requests at once.", headers={"Retry-After": "5"}) from None
    except beside.Ended:
        raise too_costly() from None
    except beside.Lost as lost:
        logger("beside").error("lost", why=str(lost))
        raise Unavailable(_LOST, headers={"Retry-After": "1"}) from None


_LOST = "What did this has ended before it answered. Writes are whole or not there: look before sending them again."


def answered(settings: Settings, request: Request, caller: Caller, audits: bool, seconds: float) -> Answered:
    """What the house of this process answers, within `seconds` of the processor.

    Raises:
        FhirError: as the interaction says; `TooCostly` where the budget is spent.
    """
    loop, house = _here(settings)
    return loop.run_until_complete(_answered(house, request, caller, audits, seconds))


def indexed(settings: Settings, versions: Sequence[Version]) -> list[Index]:
    """The indexes of stored versions by the parameters now in force, same order."""
    loop, house = _here(settings)
    loop.run_until_complete(house.follow())
    return [indexed_anew(version, house.registry, settings.base_url) for version in versions]


def taken_over(settings: Settings) -> None:
    """Bring the store of concepts into step."""
    loop, house = _here(settings)
    loop.run_until_complete(_taken_over(house))


async def _taken_over(house: House) -> None:
    await house.follow()
    await house.terminology.refresh()


def _here(settings: Settings) -> tuple[asyncio.AbstractEventLoop, House]:
    if not _OPENED:
        _OPENED.append(_opened(settings))
    return _OPENED[0][:2]


_Opened = tuple[asyncio.AbstractEventLoop, House, AbstractAsyncContextManager[House]]
#: The house of this process, once there is one; the event loop it was opened on; and what would close it: that is left
#: to the end of the process, since whatever was accepted is durable before its answer leaves.
_OPENED: list[_Opened] = []


def _opened(settings: Settings) -> _Opened:
    configure(settings)
    loop = asyncio.new_event_loop()
    closing = opened(settings)
    return loop, loop.run_until_complete(closing.__aenter__()), closing


async def _answered(house: House, request: Request, caller: Caller, audits: bool, seconds: float) -> Answered:
    started = time.process_time()
    await house.follow()
    grant = OPEN if caller.grant is None else caller.grant
    seen = await house.seen_by(grant, caller.base)
    context = house.context_of(seen, caller.base, caller.strict, caller.prefer, caller.request_id)
    with within(Budget(seconds=seconds, most_bytes=_MOST_BYTES)):
        try:
            response = await (audited if audits else dispatch)(request, context)
        except Exhausted:
            raise too_costly() from None
    touched = context.repository.touched
    took = time.process_time() - started
    if audits:
        return Answered(response, {}, {}, took)
    return Answered(response, touched.objects, touched.patients, took)
