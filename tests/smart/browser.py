"""A person with a browser, and an app: enough of both to walk through a launch, and to attack one."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from fhir_server.smart.clients.registered import Client
from fhir_server.smart.people.accounts import Account
from tests.server import people
from tests.server.closed import BASE, ROOT, TOKEN, Space
from tests.server.people import PASSWORD

CALLBACK = "https://app.example/callback"


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class App:
    """An app as registered, and what it remembers between request and answer."""

    id: str = "app"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def request(self, scope: str, **changes: Any) -> dict[str, str]:
        """An authorization request; a parameter that is None is left out."""
        full = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": self.state,
            "aud": BASE,
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in full.items() if value is not None}

    def exchange(self, code: str, **changes: Any) -> dict[str, str]:
        """A token request for a code."""
        full = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "client_id": self.id,
            "code_verifier": self.verifier,
            **changes,
        }
        return {name: value for name, value in full.items() if value is not None}


async def an_app(space: Space, scopes: str, id: str = "app", **changes: Any) -> App:
    client = Client(
        id, "Carnet", **{"kind": "public", "redirect_uris": (CALLBACK,), "scopes": tuple(scopes.split()), **changes}
    )
    assert await space.clients.add(client)
    return App(id)


async def a_person(space: Space, login: str = "nathalie", subject: str = "Patient/p1", **changes: Any) -> Account:
    return await people.a_person(space.house, login, "Nathalie DEMO", subject, **changes)


class Browser:
    """Follows redirections inside the server, keeps cookies, fills in the forms it is shown."""

    def __init__(self, space: Space) -> None:
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(space.house.asgi), base_url=ROOT, follow_redirects=False
        )

    async def _followed(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and urlsplit(answer.headers["location"]).netloc in ("", "server.test"):
            answer = await self.http.get(answer.headers["location"])
        return answer

    async def open(self, request: dict[str, str], method: str = "GET") -> httpx.Response:
        """The page, or the redirection to the app, that an authorization request leads to."""
        if method == "POST":
            return await self._followed(await self.http.post("/auth/authorize", data=request))
        return await self._followed(await self.http.get("/auth/authorize", params=request))

    async def submit(self, page: httpx.Response, **fields: Any) -> httpx.Response:
        """The page's last form sent with these fields besides its hidden ones; who allows ticks every scope."""
        form = re.findall(r'<form method="post" action="([^"]+)">(.*?)</form>', page.text, re.S)[-1]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[1]))
        boxes = re.findall(r'<input type="checkbox"[^>]*name="scope" value="([^"]*)">', form[1])
        ticked = [html.unescape(box) for box in boxes] if fields.get("decision") == "allow" else []
        data = {**hidden, **({"scope": ticked} if ticked else {}), **fields}
        return await self._followed(await self.http.post(html.unescape(form[0]), data=data, headers={"Origin": ROOT}))

    async def sign_in(self, page: httpx.Response, login: str = "nathalie", password: str = PASSWORD, code: str = ""):
        return await self.submit(page, login=login, password=password, code=code)


def answered(answer: httpx.Response) -> dict[str, str]:
    """What came back to the app."""
    location = answer.headers["location"]
    assert location.startswith(CALLBACK + "?"), location
    return dict(parse_qsl(urlsplit(location).query))


async def launched(
    space: Space, app: App, scope: str, browser: Browser | None = None, **changes: Any
) -> httpx.Response:
    """A whole standalone launch by a signed-in person who allows everything: the token endpoint's answer."""
    browser = browser or Browser(space)
    page = await browser.open(app.request(scope, **changes))
    if "auth/sign-in" in page.text:
        page = await browser.sign_in(page)
    if "auth/consent" in page.text:
        page = await browser.submit(page, decision="allow")
    return await space.http.post(TOKEN, data=app.exchange(answered(page)["code"]))
