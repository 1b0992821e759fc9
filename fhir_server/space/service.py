"""The declaration of a service of the health space: all that it adds to the server, in one value.

A declaration is light, since every start reads all of them: what does the work is named ("module:name") and imported
when it is first asked for. `collected` puts the declarations of `space.services` together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from fhir_server.access.grant import OPEN, Grant, Held, Scope
from fhir_server.access.rules import Rule

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.changes.cache import Cache
    from fhir_server.changes.follower import Hears
    from fhir_server.changes.whom import Whom
    from fhir_server.interactions.exchange import Request, Response
    from fhir_server.interactions.pipeline import Step
    from fhir_server.jobs.outbox import Outbox
    from fhir_server.search.parameters.registry import Registry
    from fhir_server.settings import Settings
    from fhir_server.store.blobs.protocol import Blobs
    from fhir_server.store.changes import Changes
    from fhir_server.store.protocol import Position, Records
    from fhir_server.store.purging import Purging

#: Where something is found: "module:name", of the whole package.
Place = str


class Surroundings(Protocol):
    """What a service may use of the opened server."""

    @property
    def settings(self) -> Settings:
        """What the server was opened with."""

    @property
    def records(self) -> Records:
        """The records of the server, where a service keeps what is no resource."""

    @property
    def blobs(self) -> Blobs:
        """Where long content is, for what reads it as bytes: `Version.content` names it."""

    @property
    def purging(self) -> Purging:
        """How resources are erased from the store, in all versions: of what the law has erased, and nothing else."""

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""

    @property
    def cache(self) -> Cache:
        """What this worker remembers of who may do what."""

    @property
    def outbox(self) -> Outbox:
        """Where notices to people leave from."""

    async def changes(self, after: Position | None, types: Sequence[str]) -> Changes:
        """What was committed of some types after a position, by any process; None: from now on, so nothing yet.

        Whoever keeps `Changes.position` and goes on from there misses nothing and meets nothing twice: `Store.changes`.
        """

    def whom(self, type: str, kinds: Mapping[str, Callable[[str], tuple[str, str]]]) -> Whom:
        """Whose resources of a type, and records of some kinds, were written by whatever process: as `Whom`."""

    def repository(self, grant: Grant = OPEN, base: str = "") -> Repository:
        """The store as the caller of `grant` may see it; the server's own sight without one."""

    async def seen_by(self, grant: Grant, base: str = "") -> Repository:
        """As `repository`, with the facts by which rules judge the caller: what they would be shown."""

    async def renewed(self, held: Held) -> Grant | None:
        """What a caller of before may do now; None where their software or authorization is no more."""

    async def lasts(self, token: str | None) -> float:
        """Until when an access token (its digest) holds, seconds since 1970: 0 where it does not, inf for none."""

    def hear(self, heard: Hears, types: Sequence[str], kinds: Sequence[str]) -> object:
        """Be told of what is committed, by whatever process: as `Follower.subscribe`."""

    async def exchange(self, request: Request, grant: Grant, base: str = "") -> Response:
        """What the caller of `grant` is answered, as software with such a token would be, AuditEvents included.

        Raises:
            FhirError: as the interaction says.
        """

    def address(self, path: str) -> str:
        """The address of a page of this server, such as "/mes-applications"."""

    def service(self, name: str) -> Any:
        """What the service of that name opened; made when it is first asked for."""


@dataclass(frozen=True, slots=True)
class Service:
    """What one service adds.

    Attributes:
        name: of its folder in `space`.
        opens: gives what the service works with over one opened server: (Surroundings) → its own object. None where
            it needs none.
        rules: who may do what with its types; `Rule.kept` is what changes by the service's own operations alone.
        ruled: further rules, which hang on the settings: (Settings) → rules. What is wrong with these settings is said
            when the server starts, by a ValueError.
        public: what everybody may read without a token.
        steps: of every write, after the server's own.
        rows: resource type → what makes index rows of its resources: (tree, the server's own base) → rows, as
            `Additions` has them. What was stored before is found by them once it is indexed anew: by itself where
            `search.activation.watch.FORMAT` grows with them, else by `fhir-server reindex`.
        found: resource type → what of its resources is found at all, by any search: (tree) → tree. `FORMAT` grows with
            it too.
        operations: id of an OperationDefinition, in `capability/` or in the service's folder → what does it: (what
            `opens` gave, Invocation, Context) → Response.
        jobs: what is done as time passes: (Surroundings) → jobs, in this order.
        last_jobs: likewise, after those of every service: what these have left to be done.
        precedes: what is done before anything is served, by every worker: (Surroundings) → a coroutine. It is over at
            once where there is nothing to do.
        attends: what is done all the time that a worker serves: (Surroundings) → a coroutine that ends when it is
            cancelled. Each worker begins it: a lease lets one at a time do what one alone may.
        pages: of the web site: (Surroundings) → ServicePages.
        governs: what clients that it governs hold now, and what people are asked for them: (Surroundings) → Governing.
            One service at most does.
        demands: resource type → what a search of it must say, as `search.parameters.additions.Demand`.
        answers: resource type → what a search of it is answered where a guide has it otherwise, as `Answered` there.
        systems: code systems as a guide's examples misspell them in searches → as they are spelled.
        search_names: files of `profiles/` with the names that guides call search parameters by.
        search_ways: files of `profiles/` with what guides mean by criteria, where that is not what R4 makes of them.
        second_hops: of includes, as `Additions` has them.
    """

    name: str
    opens: Place | None = None
    rules: tuple[Rule, ...] = ()
    ruled: Place | None = None
    public: tuple[Scope, ...] = ()
    steps: tuple[Step, ...] = ()
    rows: Mapping[str, Place] = field(default_factory=dict)
    found: Mapping[str, Place] = field(default_factory=dict)
    operations: Mapping[str, Place] = field(default_factory=dict)
    jobs: Place | None = None
    last_jobs: Place | None = None
    precedes: Place | None = None
    attends: Place | None = None
    pages: Place | None = None
    governs: Place | None = None
    demands: Mapping[str, Place] = field(default_factory=dict)
    answers: Mapping[str, Place] = field(default_factory=dict)
    systems: Mapping[str, str] = field(default_factory=dict)
    search_names: tuple[str, ...] = ()
    search_ways: tuple[str, ...] = ()
    second_hops: frozenset[tuple[str, str, str]] = frozenset()
