"""What the pages of people stand on, put together; and what of it must be there when the server starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from fhir_server.settings import Settings, is_loopback

if TYPE_CHECKING:
    from fhir_server.access.grant import Grant
    from fhir_server.access.repository import Repository
    from fhir_server.site.rendering import Pages
    from fhir_server.site.service_pages import ServicePages
    from fhir_server.site.visit import Entrance
    from fhir_server.smart.authorization import Authorization
    from fhir_server.smart.people.accounts import Account


def required(settings: Settings) -> None:
    """Look for what the settings name, before the first person comes for it.

    Raises:
        ValueError: it is not there, or simulators are asked for on an address that is not this machine's own, where
            anyone could be anyone.
    """
    if settings.simulators and not is_loopback(settings.host):
        raise ValueError(f"FHIR_SIMULATORS is refused on {settings.host}: they are for this machine only.")
    if settings.identity_providers:
        from fhir_server.smart.federation.providers import configured

        configured(settings)


def entrance(
    authorization: Authorization,
    pages: Pages,
    repository: Callable[[Grant], Awaitable[Repository]],
    services: Sequence[ServicePages],
    acting: Callable[[Account], Awaitable[Account]] | None = None,
) -> Entrance:
    """The pages' own view of the server, and of the services whose pages stand beside them.

    `acting` gives an account with those alone for whom it acts now.
    """
    from fhir_server.site.authorizing.account import PAGES
    from fhir_server.site.service_pages import after_signing_in
    from fhir_server.site.visit import Entrance
    from fhir_server.smart.federation.providers import configured

    providers = tuple((one.name, f"/auth/with/{one.id}") for one in configured(authorization.settings))
    after = after_signing_in(services, PAGES)
    return Entrance(authorization, pages, repository, tuple(services), after, providers, acting)
