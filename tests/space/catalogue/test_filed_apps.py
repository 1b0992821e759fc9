"""An app that was filed and never registered can be opened: its OAuth client is made of its file.

CSP R1111-38; https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2, https://www.rfc-editor.org/rfc/rfc7591#section-2
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import ECKey

from fhir_server.smart.clients.registered import Client
from fhir_server.space.catalogue.apps import App
from tests.server.closed import Space
from tests.site.catalogue import a_patient
from tests.smart.browser import App as Opened
from tests.smart.browser import Browser, a_person
from tests.space.catalogue.filing import APP, SUIVI, Desk

RETURN = APP.redirect_uris[0]


async def client_of(space: Space, id: str) -> Client | None:
    return await space.house.authorization.clients.get(id)


def request(client: str, **changes: Any) -> dict[str, str]:
    return Opened(client).request("launch/patient patient/Observation.rs", **{"redirect_uri": RETURN, **changes})


async def test_an_app_that_went_on_line_is_opened_and_comes_back_with_a_code(space: Space) -> None:
    await Desk(space.house).signed()
    await a_patient(space, "p1")
    await a_person(space)
    browser = Browser(space)
    page = await browser.sign_in(await browser.open(request("carnet")))
    while not page.is_redirect:
        page = await browser.submit(page, accept="suivi", do="accept")
    assert page.headers["location"].startswith(f"{RETURN}?")


@pytest.mark.parametrize(
    "uri", ["https://carnet.example/autre", "javascript:alert(1)", "https://carnet.example/retour/"]
)
async def test_it_comes_back_nowhere_else(space: Space, uri: str) -> None:
    await Desk(space.house).signed()
    answer = await Browser(space).open(request("carnet", redirect_uri=uri))
    assert answer.status_code == 400


async def test_its_client_follows_its_file(space: Space) -> None:
    desk = Desk(space.house)
    first = await desk.signed()
    made = await client_of(space, "carnet")
    assert made is not None
    assert (made.status, made.kind, made.redirect_uris, made.grants) == (
        "active",
        "public",
        (RETURN,),
        ("authorization_code", "refresh_token"),
    )
    moved = ("https://carnet.example/v2/retour",)
    app = await desk.app(first)
    await desk.signed(replace(app, version="2.0.0", redirect_uris=moved))
    after = await client_of(space, "carnet")
    assert after is not None and after.redirect_uris == moved
    assert "https://carnet.example" in await space.house.authorization.origins.known()


@pytest.mark.parametrize(
    ("steps", "status"),
    [((), "active"), (("verify", "opine", "accept", "sign", "suspend"), "suspended")],
    ids=["in pre-series", "suspended"],
)
async def test_its_status_is_its_file_s(space: Space, steps: tuple[str, ...], status: str) -> None:
    desk = Desk(space.house)
    await desk.walked(await desk.file(), *steps)
    made = await client_of(space, "carnet")
    assert made is not None and made.status == status


def keys() -> str:
    return json.dumps({"keys": [{**ECKey.generate_key("P-384").as_dict(private=False), "kid": "k"}]})


def professional(**changes: Any) -> App:
    purpose = replace(SUIVI, actions=("read",), scopes=("system/Observation.rs",))
    return replace(APP, audience="professional", purposes=(purpose,), **changes)


#: What a file says → kind and grants of the client.
MADE: list[tuple[App, str, tuple[str, ...]]] = [
    (replace(APP, jwks=keys()), "confidential-asymmetric", ("authorization_code", "refresh_token")),
    (
        replace(APP, jwks_uri="https://carnet.example/keys"),
        "confidential-asymmetric",
        ("authorization_code", "refresh_token"),
    ),
    (professional(jwks=keys(), redirect_uris=()), "confidential-asymmetric", ("client_credentials",)),
    (
        professional(jwks=keys()),
        "confidential-asymmetric",
        ("authorization_code", "refresh_token", "client_credentials"),
    ),
]


@pytest.mark.parametrize(("app", "kind", "grants"), MADE)
async def test_what_the_file_says_of_keys_is_how_the_client_proves_itself(
    space: Space, app: App, kind: str, grants: tuple[str, ...]
) -> None:
    await Desk(space.house).signed(app)
    made = await client_of(space, "carnet")
    assert made is not None and (made.kind, made.grants) == (kind, grants)
    assert bool(made.jwks) == bool(app.jwks) and (made.jwks_uri or "") == app.jwks_uri


async def test_a_file_takes_no_other_software_s_client(space: Space) -> None:
    await space.backend("carnet")
    await Desk(space.house).file()
    made = await client_of(space, "carnet")
    assert made is not None and made.device is None and made.redirect_uris == ()
