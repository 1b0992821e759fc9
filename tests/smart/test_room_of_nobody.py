"""What anyone may ask for without being known leaves nothing, or no more than so much: OWASP ASVS 11.1.4, RFC 9700 §4.7

A table of everything that is answered without a person, a token or a client's key, each asked again and again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from secrets import token_urlsafe

import httpx
import pytest

from fhir_server.site.authorizing import identity_providers
from fhir_server.smart.people import credentials
from tests.engines import require_files
from tests.server.closed import ROOT, Space, serving
from tests.smart.browser import App, Browser, an_app

SCOPES = "openid launch/patient patient/*.rs"
#: Answers to each; more than any limit below.
TIMES = 40
#: Failures to sign in from one address before it is refused; each leaves a trace and a counter.
TRIES = 8
#: Rows that a few counters and keys of the server's own take.
FEW = 6


@pytest.fixture
async def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Space]:
    monkeypatch.setattr(identity_providers, "FROM_ADDRESS", 10)
    monkeypatch.setattr(credentials, "FAILURES_OF_ADDRESS", TRIES)
    async with serving(tmp_path, simulators=True) as space:
        yield space


async def authorize(space: Space, app: App) -> httpx.Response:
    return await space.http.get(f"{ROOT}/auth/authorize", params=app.request(SCOPES, state="s" * 1_000))


async def authorize_by_form(space: Space, app: App) -> httpx.Response:
    return await space.http.post(f"{ROOT}/auth/authorize", data=app.request(SCOPES))


async def authorize_and_go_on(space: Space, app: App) -> httpx.Response:
    return await Browser(space).open(app.request(SCOPES))


async def authorize_without_asking(space: Space, app: App) -> httpx.Response:
    return await Browser(space).open(app.request(SCOPES, prompt="none"))


async def authorize_wrongly(space: Space, app: App) -> httpx.Response:
    return await space.http.get(f"{ROOT}/auth/authorize", params=app.request(SCOPES, code_challenge=""))


async def leave_for_a_provider(space: Space, app: App) -> httpx.Response:
    return await space.http.get(f"{ROOT}/auth/with/psc")


async def come_back_from_nowhere(space: Space, app: App) -> httpx.Response:
    return await space.http.get(f"{ROOT}/auth/with/psc/callback", params={"state": "x", "code": "y"})


async def guess(space: Space, app: App) -> httpx.Response:
    browser = Browser(space)
    return await browser.sign_in(await browser.http.get("/auth/sign-in"), token_urlsafe(8), "x" * 12)


async def exchange_nothing(space: Space, app: App) -> httpx.Response:
    return await space.http.post(f"{ROOT}/auth/token", data=app.exchange("x" * 43))


async def be_unknown(space: Space, app: App) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "x"}
    return await space.http.post(f"{ROOT}/auth/token", data=form)


async def introspect(space: Space, app: App) -> httpx.Response:
    return await space.http.post(f"{ROOT}/auth/introspect", data={"token": "x" * 43, "client_id": app.id})


async def revoke(space: Space, app: App) -> httpx.Response:
    return await space.http.post(f"{ROOT}/auth/revoke", data={"token": "x" * 43, "client_id": app.id})


async def ask_who(space: Space, app: App) -> httpx.Response:
    return await space.http.get(f"{ROOT}/auth/userinfo", headers={"Authorization": "Bearer x"})


async def register_wrongly(space: Space, app: App) -> httpx.Response:
    return await space.http.post(f"{ROOT}/auth/register", json={"redirect_uris": ["javascript:x"]})


async def read(space: Space, app: App) -> httpx.Response:
    return await space.fhir("GET", "Patient/p1", "x" * 43)


async def search_the_catalogue(space: Space, app: App) -> httpx.Response:
    return await space.fhir("GET", "Device?_count=1")


async def ask_what_it_can(space: Space, app: App) -> httpx.Response:
    return await space.fhir("GET", "metadata")


#: What is asked → the status of the first answer, and the rows that all leave at most.
ASKED: list[tuple[Callable[[Space, App], Awaitable[httpx.Response]], int, int]] = [
    (authorize, 303, FEW),
    (authorize_by_form, 303, FEW),
    (authorize_and_go_on, 200, FEW),
    (authorize_without_asking, 303, FEW),
    (authorize_wrongly, 303, FEW),
    (leave_for_a_provider, 303, 10 + FEW),
    (come_back_from_nowhere, 403, 2 * TRIES + FEW),
    (guess, 403, 3 * TRIES + FEW),
    (exchange_nothing, 400, FEW),
    (be_unknown, 401, FEW),
    (introspect, 401, FEW),
    (revoke, 200, FEW),
    (ask_who, 401, FEW),
    (register_wrongly, 400, FEW),
    (read, 401, FEW),
    (search_the_catalogue, 200, FEW),
    (ask_what_it_can, 200, FEW),
]


@pytest.mark.parametrize(("asked", "status", "most"), ASKED, ids=[row[0].__name__ for row in ASKED])
async def test_what_nobody_asks_for_takes_no_room(
    space: Space, asked: Callable[[Space, App], Awaitable[httpx.Response]], status: int, most: int
) -> None:
    app = await an_app(space, SCOPES)
    before = rows(space)
    answers = [(await asked(space, app)).status_code for _ in range(TIMES)]
    assert answers[0] == status
    assert set(answers) <= {status, 429}
    assert rows(space) - before <= most


def rows(space: Space) -> int:
    """Versions and records in the file of the store."""
    require_files()
    with sqlite3.connect(space.house.settings.data / "fhir.sqlite") as file:
        found = file.execute("SELECT (SELECT count(*) FROM version) + (SELECT count(*) FROM record)").fetchone()
    file.close()
    return int(found[0])


async def test_what_the_browser_carries_it_cannot_change(space: Space) -> None:
    app = await an_app(space, SCOPES)
    browser = Browser(space)
    page = await browser.open(app.request(SCOPES))
    token = page.url.params["ask"]
    assert (await browser.http.get("/auth/continue", params={"ask": token})).status_code == 200
    for n in (1, 20, 60, len(token) // 2, len(token) - 2):
        changed = token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :]
        assert (await browser.http.get("/auth/continue", params={"ask": changed})).status_code == 400


async def test_what_one_browser_carries_is_nothing_in_another(space: Space) -> None:
    app = await an_app(space, SCOPES)
    page = await Browser(space).open(app.request(SCOPES))
    assert (await Browser(space).http.get("/auth/continue", params=dict(page.url.params))).status_code == 400


async def test_a_request_too_long_to_carry_is_refused_to_the_app(space: Space) -> None:
    app = await an_app(space, SCOPES)
    answer = await space.http.get(f"{ROOT}/auth/authorize", params=app.request(SCOPES, state=token_urlsafe(9_000)))
    assert answer.status_code == 303
    assert "error=invalid_request" in answer.headers["location"]
