"""Wires the rooms: the only file that knows them all."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fhir_server.access.grant import OPEN, Grant, Held
from fhir_server.access.policy import Policy
from fhir_server.access.repository import Repository
from fhir_server.audit.parties import party
from fhir_server.changes.cache import Cache
from fhir_server.changes.engine import followed
from fhir_server.changes.follower import Follower
from fhir_server.changes.records import CachedRecords
from fhir_server.changes.whom import Whom
from fhir_server.interactions.exchange import Apart, Context, Request, Response
from fhir_server.search.activation.watch import Watch
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.space.collected import Services, additions, ruled
from fhir_server.space.service import Service
from fhir_server.space.services import SERVICES
from fhir_server.store import private
from fhir_server.store.blobs import checking, collecting
from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.engine import Engine
from fhir_server.store.opening import blobs_beside as blobs_beside
from fhir_server.store.opening import file_beside, open_blobs, open_concepts, open_engine
from fhir_server.store.opening import require_store as require_store
from fhir_server.store.opening import shard_plan as shard_plan
from fhir_server.store.outside import with_outside
from fhir_server.store.protocol import Keep
from fhir_server.terminology.external import place
from fhir_server.terminology.service import Terminology
from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles.activation import Following
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from fhir_server.work.beside import asked_by

if TYPE_CHECKING:
    import httpx

    from fhir_server.http.application import Application
    from fhir_server.http.calls import Call
    from fhir_server.http.guard import Guard
    from fhir_server.interactions.pipeline import Pipeline
    from fhir_server.jobs.clock import Clock, Job, Now
    from fhir_server.jobs.runs import Successes
    from fhir_server.operations.table import Operations
    from fhir_server.search.activation.reindex import Anew
    from fhir_server.simulators.routes import Simulators
    from fhir_server.smart.authorization import Authorization
    from fhir_server.store.changes import Changes
    from fhir_server.store.protocol import Position


@dataclass
class House:
    """An opened server.

    Attributes:
        settings: what it was opened with.
        engine: the store and the records, whose commits `follower` hears of.
        blobs: where the store keeps long content.
        follower: follows what is committed, by whatever process.
        watch: keeps the search parameters in force in step with the store.
        following: keeps the profiles in force in step with the store.
        validator: judges resources by base R4 and those profiles.
        terminology: what codes mean.
        apart: does long requests in another process; None where all is done in this one.
        anew: indexes what is stored there; None likewise.
        cursor_key: what page links are signed with; the same for every worker and every start.
        declared: the services of the health space.
        policy: who may do what, by base and by them.
    """

    settings: Settings
    engine: Engine
    blobs: Blobs
    follower: Follower
    watch: Watch
    following: Following
    validator: Validator
    terminology: Terminology
    cursor_key: bytes
    declared: tuple[Service, ...]
    policy: Policy
    apart: Apart | None = None
    anew: Anew | None = None

    @cached_property
    def authorization(self) -> Authorization:
        """Who gets in; made when it is first asked for, since an open server needs none."""
        from fhir_server.smart.authorization import Authorization

        return Authorization(
            self.settings,
            CachedRecords(self.engine.records, self.cache),
            lambda: self.registry,
            self.services.governing(),
            repository=self.repository,
            within=lambda: _within(self),
            cache=self.cache,
            follower=self.follower,
        )

    @cached_property
    def cache(self) -> Cache:
        """What this worker remembers of who may do what."""
        facts = [one.facts for one in self.policy.rules if one.facts is not None]
        types = _REMEMBERED_TYPES.union(*[one.types for one in facts])
        return Cache(self.follower, types, _REMEMBERED_KINDS)

    @cached_property
    def simulators(self) -> Simulators:
        """The simulated identity providers, over the people of the data; made when they are first asked for."""
        from fhir_server.oauth.endpoints import addresses
        from fhir_server.simulators.people import People
        from fhir_server.simulators.routes import Simulators

        base = self.settings.base_url
        people = People(self.repository, lambda: self.authorization.verifier.place(base))
        return Simulators(self.engine.records, people, lambda request: addresses(request, base).issuer)

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""
        return self.watch.registry

    def repository(self, grant: Grant = OPEN, base: str = "") -> Repository:
        """The store as the caller of `grant` may see it; `base` is the server's public FHIR base, when it is known."""
        return Repository(self.engine.store, grant, self.registry, base or self.settings.base_url, self.policy)

    async def changes(self, after: Position | None, types: Sequence[str]) -> Changes:
        """What was committed of some types after a position, by any process; None: from now on, so nothing yet."""
        return await self.engine.store.changes(after, types)

    def whom(self, type: str, kinds: Mapping[str, Callable[[str], tuple[str, str]]]) -> Whom:
        """Whose resources of a type, and records of some kinds, are written from now on, by whatever process."""
        return Whom(self.follower, partial(self.engine.store.vread_many, want="bare"), type, kinds)

    async def renewed(self, held: Held) -> Grant | None:
        """What a caller of before may do now; None where their software or authorization is no more."""
        if self.settings.open:
            return _TRACED if self.settings.audit == "on" else OPEN
        return await self.authorization.verifier.renewed(held, self.settings.base_url)

    async def seen_by(self, grant: Grant, base: str = "") -> Repository:
        """As `repository`, with the facts by which rules of services judge the caller."""
        asked_by("|".join((grant.client or "", grant.subject or "", grant.patient or "")))
        known = await self.policy.known(grant, self.repository, self.cache)
        seen = Repository(self.engine.store, grant, self.registry, base or self.settings.base_url, self.policy, known)
        seen.touched.party = await party(grant, self.repository, self.cache)
        return seen

    @cached_property
    def pipeline(self) -> Pipeline:
        """The steps of every write: the server's own, and those of services."""
        from fhir_server.interactions.pipeline import Pipeline
        from fhir_server.interactions.server_steps import SERVER

        return Pipeline([*SERVER, *(step for one in self.declared for step in one.steps)])

    @cached_property
    def services(self) -> Services:
        """The services of the health space, over this server."""
        return Services(self.declared, self, self.engine.records, self.engine.store)

    @cached_property
    def asgi(self) -> Application:
        """The server as an ASGI application; made when it is first asked for, since commands need none."""
        from fhir_server.assembly import application

        return application(self)

    @property
    def served(self) -> Guard:
        """The same as it stands on a network, where browsers of any page may try to reach it."""
        from fhir_server.http.guard import Guard

        registered = None if self.settings.open else self.authorization.origins.known
        return Guard(self.asgi, self.settings, registered)

    def clock(self, now: Now | None = None) -> Clock:
        """What runs the jobs that are due; `now` says what time it is, when it is not now."""
        from fhir_server.jobs.clock import Clock, system

        return Clock(self.engine.records, self.jobs(), now or system)

    def jobs(self) -> list[Job]:
        """What is done as time passes: the services' jobs, and hourly a line for the traces and a look at content."""
        from fhir_server.audit.verifying import tell_head
        from fhir_server.jobs.clock import Job

        store, records = self.engine.store, self.engine.records
        own = {
            "trace-head": partial(tell_head, self.engine),
            "content": partial(collecting.collected, store, records, self.blobs),
        }
        return [*self.services.jobs(), *(Job(name, timedelta(hours=1), run) for name, run in own.items())]

    def job_ages(self) -> Mapping[str, float]:
        """Job → seconds since it last succeeded, on whichever worker; none before jobs are looked at."""
        return self.job_successes.ages() if "job_successes" in self.__dict__ else {}

    @cached_property
    def job_successes(self) -> Successes:
        """When each job last succeeded; made when jobs are first looked at."""
        from fhir_server.jobs.runs import Successes

        return Successes(self.engine.records, self.follower, [job.name for job in self.jobs()])

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """While the block runs, search parameters added at run time are indexed, and jobs done when they are due.

        Every worker offers; a lease in the records lets one at a time do it.
        """
        from fhir_server.search.activation.reindex import Indexing

        store, records, base = self.engine.store, self.engine.records, self.settings.base_url
        indexing = Indexing(store, records, self.watch, base, anew=lambda: self.anew)
        works: list[Coroutine[Any, Any, None]] = [indexing.attend(), self._jobs(), *self.services.attending()]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _jobs(self) -> None:
        # What is due can wait until the first requests of a start are answered.
        await asyncio.sleep(_JOBS_AFTER)
        _ = self.job_successes
        await self.clock().attend()

    def content_defects(self) -> AsyncIterator[str]:
        """Each defect in long content, in words; reads all of it once."""
        return checking.defects(self.engine.store, self.blobs, self.engine.records)

    async def follow(self) -> None:
        """Look now, and take over what was committed, by this process or another: no request has to, a task does."""
        await self.follower.follow()

    def own_context(self) -> Context:
        """What commands write with: all that judges a caller's write, under the server's own grant."""
        base = self.settings.base_url or "http://localhost/fhir"
        return self.context_of(self.repository(OPEN, base), base, True, "minimal", "")

    async def context(self, call: Call) -> Context:
        """The context of one call.

        Raises:
            Unauthorized: the server is not open, and there is no valid token.
        """
        grant = await self._grant(call)
        seen = await self.seen_by(grant, call.base)
        return self.context_of(seen, call.base, call.strict, call.prefer, call.request_id, self.apart)

    def context_of(
        self,
        repository: Repository,
        base: str,
        strict: bool,
        prefer: str,
        request_id: str,
        apart: Apart | None = None,
    ) -> Context:
        """The context of one call of a caller who is known; the arguments are those of `Context`."""
        return Context(
            repository=repository,
            settings=self.settings,
            base=base,
            pipeline=self.pipeline,
            strict=strict,
            prefer=prefer,
            request_id=request_id,
            cursor_key=self.cursor_key,
            records=self.engine.records,
            watch=self.watch,
            terminology=self.terminology,
            operate=self._operate,
            blobs=self.blobs,
            validator=self.validator.for_client(repository.grant.client or ""),
            following=self.following,
            security=self._security,
            apart=apart,
        )

    def _security(self, base: str) -> Mapping[str, Any]:
        from fhir_server.smart import capability

        return capability.opened(base) if self.settings.open else capability.security(base)

    async def _operate(self, request: Request, context: Context) -> Response:
        return await self.operations.operate(request, context)

    @cached_property
    def operations(self) -> Operations:
        """What runs a `$name`; imported when the first is called: a start pays only for what it uses."""
        from fhir_server.operations.table import Operations

        return Operations(self.services.operations(), self.services.folders)

    async def _grant(self, call: Call) -> Grant:
        if self.settings.open:
            return _TRACED if self.settings.audit == "on" else OPEN
        if "authorization" not in call.headers and (call.path == ("metadata",) or call.method == "OPTIONS"):
            # R4 security.html: what the server can do, and how to get a token for it, is for everyone.
            return _NOBODY
        if "authorization" not in call.headers and call.reads_now(self.services.readable):
            return self.services.public
        return await self.authorization.authenticate(call.headers, call.base)


#: What a grant, a client or an app is made of.
_REMEMBERED_TYPES = frozenset({"Consent", "Device", "Organization"})
_REMEMBERED_KINDS = frozenset({"access", "account", "client", "family"})
#: Seconds between a start and the first look at what is due.
_JOBS_AFTER = 20.0
_TRACED = replace(OPEN, traced=True)
_NOBODY = Grant(traced=False)


@asynccontextmanager
async def opened(
    settings: Settings, services: tuple[Service, ...] = SERVICES, as_it_is: bool = False
) -> AsyncIterator[House]:
    """The server, closed when the block ends, all written. `as_it_is`: nothing that precedes serving is done."""
    settings = settings.placed()
    file = file_beside(settings.store_url, settings.data)
    private.repair(settings.data, file)
    opened_engine = open_engine(
        settings.store_url, max_pending=settings.max_pending_writes, deadline_seconds=settings.request_seconds
    )
    blobs = open_blobs(file, await _secret(opened_engine, "blobs", collecting.beginning(datetime.now(UTC))))
    engine, follower = followed(with_outside(opened_engine, blobs))
    # Beside the store's file, so that two stores never share what was derived from one of them.
    terminology = Terminology(lambda: open_concepts(file.parent), engine.store, follower, place(settings))
    try:
        registry = Registry(ZoneInfo(settings.default_timezone), additions(services))
        watch = Watch(registry, engine.store, engine.records, follower)
        following = Following(Profiles(), engine.store, follower)
        await follower.follow()
        levels = Levels(settings.profile_levels)
        validator = Validator(
            following.profiles,
            unknown=settings.unknown_profiles,
            levels=levels,
            codes=terminology,
            code_levels=settings.code_levels,
        )
        house = House(
            settings,
            engine,
            blobs,
            follower,
            watch,
            following,
            validator,
            terminology,
            await _secret(engine, "cursor"),
            services,
            Policy(ruled(services, settings)),
        )
        attending = asyncio.create_task(follower.attend())
        try:
            if not as_it_is:
                await house.services.precede()
            yield house
        finally:
            attending.cancel()
            await asyncio.gather(attending, return_exceptions=True)
    finally:
        await terminology.close()
        await blobs.close()
        await engine.close()


async def _secret(engine: Engine, name: str, *beside: Keep) -> bytes:
    """A secret made once, with what is kept beside it: of several workers starting together, one makes it for all."""
    await engine.records.apply([Keep("key", name, secrets.token_bytes(32), new=True), *beside])
    return await engine.records.get("key", name) or b""


def _within(house: House) -> httpx.AsyncBaseTransport:
    """How this process asks its own simulators: without a network."""
    import httpx

    return httpx.ASGITransport(house.simulators.asgi())
