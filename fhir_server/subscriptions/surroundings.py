"""What the engine of subscriptions works with: part of what services have of an opened server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from fhir_server.access.grant import OPEN, Grant, Held

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.changes.follower import Hears
    from fhir_server.interactions.exchange import Request, Response
    from fhir_server.search.parameters.registry import Registry
    from fhir_server.settings import Settings
    from fhir_server.store.changes import Changes
    from fhir_server.store.protocol import Position, Records


class Surroundings(Protocol):
    """As `space.service.Surroundings` says of each."""

    @property
    def settings(self) -> Settings:
        """What the server was opened with."""

    @property
    def records(self) -> Records:
        """The records of the server, where subscriptions keep their queue."""

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""

    async def changes(self, after: Position | None, types: Sequence[str]) -> Changes:
        """What was committed of some types after a position."""

    def repository(self, grant: Grant = OPEN, base: str = "") -> Repository:
        """The store as the caller of `grant` may see it."""

    async def seen_by(self, grant: Grant, base: str = "") -> Repository:
        """As `repository`, with the facts by which rules judge the caller."""

    async def renewed(self, held: Held) -> Grant | None:
        """What a caller of before may do now."""

    async def lasts(self, token: str | None) -> float:
        """Until when an access token (its digest) holds, seconds since 1970: 0 where it does not, inf for none."""

    def hear(self, heard: Hears, types: Sequence[str], kinds: Sequence[str]) -> object:
        """Be told of what is committed, by whatever process: as `Follower.subscribe`."""

    async def exchange(self, request: Request, grant: Grant, base: str = "") -> Response:
        """What the caller of `grant` is answered."""
