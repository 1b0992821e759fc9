"""The services of one opened server, put together: what each declares, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

from fhir_server.access.grant import OPEN, Grant, Held
from fhir_server.search.parameters.additions import Additions, Answered, Demand, Found, OwnRows
from fhir_server.space.service import Place, Service
from fhir_server.store.filters import Span, Word

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.access.rules import Rule
    from fhir_server.changes.cache import Cache
    from fhir_server.changes.follower import Follower, Hears
    from fhir_server.changes.whom import Whom
    from fhir_server.interactions.exchange import Apart, Context, Request, Response
    from fhir_server.jobs.clock import Job
    from fhir_server.jobs.outbox import Outbox
    from fhir_server.operations.invocation import Invocation, Operation
    from fhir_server.search.parameters.registry import Registry
    from fhir_server.settings import Settings
    from fhir_server.site.service_pages import ServicePages
    from fhir_server.smart.authorization import Authorization
    from fhir_server.smart.clients.governing import Governing
    from fhir_server.store.blobs.protocol import Blobs
    from fhir_server.store.changes import Changes
    from fhir_server.store.protocol import Position, Records
    from fhir_server.store.purging import Purging


class Server(Protocol):
    """The part of an opened server that services stand on."""

    settings: Settings
    blobs: Blobs

    @property
    def cache(self) -> Cache:
        """What this worker remembers of who may do what."""

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""

    @property
    def apart(self) -> Apart | None:
        """Does long requests in another process; None where all is done in this one."""

    async def changes(self, after: Position | None, types: Sequence[str]) -> Changes:
        """What was committed of some types after a position."""

    def whom(self, type: str, kinds: Mapping[str, Callable[[str], tuple[str, str]]]) -> Whom:
        """Whose resources of a type, and records of some kinds, were written."""

    def repository(self, grant: Grant = OPEN, base: str = "") -> Repository:
        """The store as the caller of `grant` may see it."""

    async def seen_by(self, grant: Grant, base: str = "") -> Repository:
        """As `repository`, with the facts by which rules of services judge the caller."""

    async def renewed(self, held: Held) -> Grant | None:
        """What a caller of before may do now; None where their software or authorization is no more."""

    @property
    def authorization(self) -> Authorization:
        """Who gets in; not to be asked for of an open server."""

    @property
    def follower(self) -> Follower:
        """Hears of what is committed."""

    def context_of(
        self,
        repository: Repository,
        base: str,
        strict: bool,
        prefer: str,
        request_id: str,
        apart: Apart | None = None,
    ) -> Context:
        """The context of one call of a caller who is known."""


class Services:
    """All services over one opened server; to each of them, its `Surroundings`.

    Attributes:
        declared: the services.
        settings: what the server was opened with.
        records: the server's records.
        purging: how resources are erased from its store.
        public: what everybody may read without a token.
        readable: the types it speaks of.
    """

    def __init__(self, declared: Sequence[Service], server: Server, records: Records, purging: Purging) -> None:
        """Nothing is imported or made yet."""
        self.declared = tuple(declared)
        self.settings = server.settings
        self.records = records
        self.purging = purging
        self.public = Grant(tuple(scope for one in declared for scope in one.public), traced=False)
        self.readable = frozenset(scope.type for scope in self.public.scopes)
        self._server = server
        self._opened: dict[str, Any] = {}

    @property
    def blobs(self) -> Blobs:
        """Where long content is, for what reads it as bytes."""
        return self._server.blobs

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""
        return self._server.registry

    @property
    def cache(self) -> Cache:
        """What this worker remembers of who may do what."""
        return self._server.cache

    @property
    def outbox(self) -> Outbox:
        """Where notices to people leave from."""
        from fhir_server.jobs.mail import carrier
        from fhir_server.jobs.outbox import Outbox
        from fhir_server.jobs.sms import provider

        folder = self.settings.data / "outbox"
        way = carrier(self.settings.outbox.get_secret_value(), folder)
        return Outbox(self.records, way, self.settings.outbox_from, provider(self.settings.sms, folder))

    async def changes(self, after: Position | None, types: Sequence[str]) -> Changes:
        """What was committed of some types after a position, by any process; None: from now on."""
        return await self._server.changes(after, types)

    def whom(self, type: str, kinds: Mapping[str, Callable[[str], tuple[str, str]]]) -> Whom:
        """Whose resources of a type, and records of some kinds, were written by whatever process."""
        return self._server.whom(type, kinds)

    def repository(self, grant: Grant = OPEN, base: str = "") -> Repository:
        """The store as the caller of `grant` may see it; the server's own sight without one."""
        return self._server.repository(grant, base)

    async def seen_by(self, grant: Grant, base: str = "") -> Repository:
        """As `repository`, with the facts by which rules judge the caller."""
        return await self._server.seen_by(grant, base)

    async def renewed(self, held: Held) -> Grant | None:
        """What a caller of before may do now; None where their software or authorization is no more."""
        return await self._server.renewed(held)

    async def lasts(self, token: str | None) -> float:
        """Until when an access token (its digest) holds, seconds since 1970: 0 where it does not, inf for none."""
        if self.settings.open:
            return float("inf")
        return 0.0 if token is None else await self._server.authorization.tokens.lasts(token)

    def hear(self, heard: Hears, types: Sequence[str], kinds: Sequence[str]) -> object:
        """Be told of what is committed, by whatever process: as `Follower.subscribe`."""
        return self._server.follower.subscribe(heard, types, kinds)

    async def exchange(self, request: Request, grant: Grant, base: str = "") -> Response:
        """What the caller of `grant` is answered, as software with such a token would be, AuditEvents included.

        Raises:
            FhirError: as the interaction says.
        """
        from fhir_server.interactions.audited import audited
        from fhir_server.interactions.long_requests import tried

        base = base or self.settings.base_url
        seen = await self._server.seen_by(grant, base)
        context = self._server.context_of(seen, base, True, "representation", "", self._server.apart)
        return await tried(request, context, audited)

    def address(self, path: str) -> str:
        """The address of a page of this server, such as "/mes-applications"."""
        base = self.settings.base_url or f"http://{self.settings.host}:{self.settings.port}/fhir"
        return base.rstrip("/").removesuffix("/fhir") + path

    def service(self, name: str) -> Any:
        """What the service of that name works with; made when it is first asked for, None where it needs nothing."""
        if name not in self._opened:
            place = next(one.opens for one in self.declared if one.name == name)
            self._opened[name] = None if place is None else found(place)(self)
        return self._opened[name]

    @property
    def folders(self) -> list[Path]:
        """The folders of the services."""
        return [Path(__file__).parent / one.name for one in self.declared]

    async def precede(self) -> None:
        """Do what services do before anything is served."""
        for one in self.declared:
            if one.precedes is not None:
                await found(one.precedes)(self)

    def operations(self) -> dict[str, Operation]:
        """The operations of all services, by the id of their definition."""
        return {id: self._bound(one, place) for one in self.declared for id, place in one.operations.items()}

    def jobs(self) -> list[Job]:
        """What all services do as time passes; what they leave to be told and sent is told and sent last."""
        from fhir_server.jobs.clock import Job

        outbox = self.outbox
        places = [one.jobs for one in self.declared] + [one.last_jobs for one in self.declared]
        made = [found(place)(self) for place in places if place is not None]

        async def send(now: datetime) -> int:
            return await outbox.send(lambda: now)

        return [*(job for some in made for job in some), Job("outbox", timedelta(0), send)]

    def attending(self) -> list[Coroutine[Any, Any, None]]:
        """What services do all the time that this worker serves, not begun yet."""
        return [found(one.attends)(self) for one in self.declared if one.attends is not None]

    def pages(self) -> tuple[ServicePages, ...]:
        """The pages of every service."""
        return tuple(found(one.pages)(self) for one in self.declared if one.pages is not None)

    def governing(self) -> Governing | None:
        """What the service answers that governs clients; None where none does."""
        place = next((one.governs for one in self.declared if one.governs is not None), None)
        made: Governing | None = None if place is None else found(place)(self)
        return made

    def _bound(self, one: Service, place: Place) -> Operation:
        async def operate(call: Invocation, context: Context) -> Response:
            response: Response = await found(place)(self.service(one.name), call, context)
            return response

        return operate


def ruled(declared: Sequence[Service], settings: Settings) -> tuple[Rule, ...]:
    """The rules of services, those that hang on the settings after the others.

    Raises:
        ValueError: a setting is wrong.
    """
    plain = [rule for one in declared for rule in one.rules]
    return (*plain, *(rule for one in declared if one.ruled is not None for rule in found(one.ruled)(settings)))


def additions(declared: Sequence[Service]) -> Additions:
    """What services add to searching."""
    rows: dict[str, list[OwnRows]] = {}
    for one in declared:
        for type, place in one.rows.items():
            rows.setdefault(type, []).append(_late(place))
    names = [file for one in declared for file in one.search_names]
    ways = [file for one in declared for file in one.search_ways]
    hops = [hop for one in declared for hop in one.second_hops]
    demands = {type: _demand(place) for one in declared for type, place in one.demands.items()}
    systems = {wrong: right for one in declared for wrong, right in one.systems.items()}
    cited = {type for one in declared for rule in one.rules if rule.unnamed for type in rule.types}
    left = {type: _late_found(place) for one in declared for type, place in one.found.items()}
    answers = {type: _late_answered(place) for one in declared for type, place in one.answers.items()}
    return Additions(names, ways, hops, rows, demands, systems, cited, left, answers)


def _late_answered(place: Place) -> Answered:
    def answered(settings: Settings, client: str, pairs: Sequence[tuple[str, str]], bundle: bytes) -> bytes:
        made: bytes = found(place)(settings, client, pairs, bundle)
        return made

    return answered


def _demand(place: Place) -> Demand:
    def required(settings: Settings, client: str, pairs: Sequence[tuple[str, str]]) -> None:
        found(place)(settings, client, pairs)

    return required


def _late(place: Place) -> OwnRows:
    def made(tree: dict[str, Any], base: str) -> Iterable[Word | Span]:
        rows: Iterable[Word | Span] = found(place)(tree, base)
        return rows

    return made


def _late_found(place: Place) -> Found:
    def left(tree: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = found(place)(tree)
        return made

    return left


@cache
def found(place: Place) -> Any:
    """What is at a place, imported now.

    Raises:
        ImportError, AttributeError: there is nothing.
    """
    return resolve_name(place)
