"""The opened server as an ASGI application: routes of FHIR, of authorization, of pages and of simulators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant, Held
from fhir_server.fhir.outcome import FhirError
from fhir_server.work import beside

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from fhir_server.app import House
    from fhir_server.http.application import Application
    from fhir_server.http.metrics import Gauge, Metrics
    from fhir_server.site.home import Cast
    from fhir_server.site.rendering import Pages
    from fhir_server.site.service_pages import ServicePages
    from fhir_server.smart.people.accounts import Account
    from fhir_server.store.engine import Engine


def application(house: House) -> Application:
    """What answers requests to `house`."""
    from fhir_server.http.application import build
    from fhir_server.interactions.audited import audited
    from fhir_server.interactions.long_requests import tried
    from fhir_server.site.entrance import required
    from fhir_server.site.rendering import Pages
    from fhir_server.site.service_pages import furnishing

    required(house.settings)
    pages = Pages(house.settings, furnishing(_service_pages(house)))
    if house.settings.brands is not None:
        _ = house.authorization

    registered = None if house.settings.open else lambda: house.authorization.origins.known()
    head, post = TraceHead(house.engine), Post(house)
    gauges: dict[str, Gauge] = {
        "fhir_store_pending_writes": lambda: float(house.engine.pending),
        "fhir_beside_calls": beside.calls,
        "fhir_job_success_age_seconds": house.job_ages,
        "fhir_trace_chain_head_position": lambda: head.place,
        "fhir_outbox_messages": lambda: post.sizes,
        "fhir_websockets": lambda: float(house.services.service("subscriptions").places.count),
    }
    return build(
        house.settings,
        partial(tried, handler=audited),
        house.context,
        pages.page,
        lambda counted: _routes(house, pages, counted, (head.look, post.look)),
        check=partial(_check, house.engine),
        gauges=gauges,
        registered=registered,
        blobs=house.blobs,
        admits=partial(_admitted, house),
        holds=lambda: house.services.service("subscriptions"),
        imports=("fhir_server.site.routing", "lxml.etree", *(() if house.settings.open else _BEHIND_SIGN_IN)),
    )


#: What the routes of a closed server are made of besides.
_BEHIND_SIGN_IN = ("fhir_server.site.authorizing.routes", "fhir_server.site.entrance")


def _service_pages(house: House) -> Sequence[ServicePages]:
    """The pages of every service; an open server has none, since nobody signs in."""
    return () if house.settings.open else house.services.pages()


async def _admitted(house: House, headers: Mapping[str, str], base: str) -> Grant | None:
    """The caller of a websocket's handshake; None where it has no token yet."""
    if house.settings.open:
        return await house.renewed(Held())
    return await house.authorization.authenticate(headers, base) if "authorization" in headers else None


async def _check(engine: Engine) -> str | None:
    """What is wrong with the store; None when nothing is."""
    try:
        await engine.records.get("key", "cursor")
    except FhirError as error:
        return str(error)
    return await engine.unwritable()


class TraceHead:
    """How far the chain of traces was at the last scrape of `/metrics`: a place in the order of commits."""

    def __init__(self, engine: Engine) -> None:
        self.place = 0.0
        self._engine = engine

    async def look(self) -> None:
        """Look where it stands; as before where the store does not answer, since other counts are wanted then most."""
        from fhir_server.audit.verifying import head

        with suppress(FhirError):
            self.place = float((await head(self._engine)).place)


class Post:
    """How many messages to people waited, were not written yet, and were given up, at the last scrape of `/metrics`."""

    def __init__(self, house: House) -> None:
        self.sizes: Mapping[str, float] = {}
        self._house = house

    async def look(self) -> None:
        """Look how many they are; as before where the store does not answer."""
        with suppress(FhirError):
            services = self._house.services
            later = await services.service("notices").waiting()
            self.sizes = {**await services.outbox.sizes(), "later": float(later)}


def _routes(house: House, pages: Pages, counted: Metrics, looks: Sequence[Callable[[], Awaitable[None]]]) -> FastAPI:
    """Every route that is not FHIR's own; an open server has none of authorization, and says so by their absence."""
    from fhir_server.site.routing import assembled

    routers: list[APIRouter] = [] if house.settings.open else _authorizing(house, pages)

    async def look() -> None:
        for one in looks:
            await one()

    return assembled(pages, counted, house.settings.metrics_token.get_secret_value(), routers, look, _cast(house))


def _cast(house: House) -> Cast:
    """Whom a visitor may be: of a demonstration alone, where simulators let anyone be anyone."""
    from fhir_server.site.home import nobody

    if house.settings.open or not house.settings.simulators:
        return nobody
    from fhir_server.demo.playbill import players

    return lambda: players(house.authorization.accounts)


def _authorizing(house: House, pages: Pages) -> list[APIRouter]:
    from fhir_server.site.authorizing.routes import routers
    from fhir_server.site.entrance import entrance
    from fhir_server.space.acting import still_acting

    async def acting(account: Account) -> Account:
        return await still_acting(house.cache, house.repository(), account)

    stands = entrance(house.authorization, pages, house.seen_by, _service_pages(house), acting)
    return routers(stands) + ([house.simulators.router()] if house.settings.simulators else [])
