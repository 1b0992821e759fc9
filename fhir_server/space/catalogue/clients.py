"""The clients that apps of the catalogue are: what their Device says, and no more.

Name, where it is launched and comes back to, the most it may ask for and whether it gets tokens at all are the app's
own record: no token without a status that allows it. An app that was filed and never registered has its client made of
its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.access.scopes import SPECIAL
from fhir_server.smart.clients.registered import Client
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.registry import Catalogue


async def filed(catalogue: Catalogue, client_id: str) -> Client | None:
    """The client that an app's file makes; None without an app of this client id, or one that cannot be a client."""
    app = await catalogue.by_client(client_id)
    if app is None or app.client != client_id or not (app.redirect_uris or _keys(app)):
        return None
    return _of(app)


async def governed(catalogue: Catalogue, client: Client) -> Client:
    """The client as the app of the catalogue that it is, now."""
    return as_app(client, await catalogue.get(client.device or ""), datetime.now(UTC))


async def governed_each(catalogue: Catalogue, found: Sequence[Client]) -> list[Client]:
    """As `governed`, same order; their apps are read at once."""
    apps = await catalogue.get_each(one.device or "" for one in found)
    now = datetime.now(UTC)
    return [as_app(one, apps.get(one.device or ""), now) for one in found]


def as_app(client: Client, app: App | None, now: datetime) -> Client:
    """The client as `app` makes it at an instant (aware).

    Suspended where the app is gone, belongs to another client id, or has a status that lets nobody in. One that was
    registered as a draft gets what its app's status allows: in pre-series, synthetic patients only.
    """
    if app is None or app.client != client.id:
        return replace(client, status="suspended", scopes=())
    special = [one for one in client.scopes if one in SPECIAL]
    lets_in = client.status != "suspended" and rights.opens(app, now)
    return replace(
        client,
        status="active" if lets_in else "suspended",
        name=app.name or client.name,
        launch_uri=app.launch_uri or client.launch_uri,
        redirect_uris=app.redirect_uris or client.redirect_uris,
        **(_keys(app) if client.kind == "confidential-asymmetric" else {}),
        scopes=(*special, *rights.allowed(app, None, now)),
    )


def _of(app: App) -> Client:
    keys = _keys(app)
    backend = any(scope.startswith("system/") for purpose in app.purposes for scope in purpose.scopes)
    return Client(
        app.client,
        app.name,
        "confidential-asymmetric" if keys else "public",
        status="draft",
        scopes=tuple(sorted(SPECIAL)),
        grants=(
            *(("authorization_code", "refresh_token") if app.redirect_uris else ()),
            *(("client_credentials",) if keys and (backend or not app.redirect_uris) else ()),
        ),
        redirect_uris=app.redirect_uris,
        device=app.id,
        **keys,
    )


def _keys(app: App) -> dict[str, Any]:
    """What the app says of its keys, as the client has it; nothing where it says nothing."""
    if app.jwks_uri:
        return {"jwks": None, "jwks_uri": app.jwks_uri}
    return {"jwks": msgspec.json.decode(app.jwks), "jwks_uri": None} if app.jwks else {}
