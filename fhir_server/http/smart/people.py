"""The pages of authorization: sign in, activate, choose whom it is about, consent. Whole without JavaScript.

RFC 9700 §4.7 and §4.16 (CSRF, clickjacking), OWASP ASVS 3.4 and 4.2: cookies are for the server alone, every form
carries a word only this browser was given, no page is shown inside another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fhir_server.http.pages.routes import POLICY, Pages
from fhir_server.http.smart.oauth import addresses, form
from fhir_server.smart.accounts import Account
from fhir_server.smart.asks import Ask
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.consent_words import lines
from fhir_server.smart.people import WeakPassword
from fhir_server.smart.secret import digest, made
from fhir_server.smart.sessions import Session

#: Looks for patients by name as an account may see them: (id, label) of a few.
Find = Callable[[Account, str], Awaitable[Sequence[tuple[str, str]]]]


class Visit:
    """One request of a browser: its cookies and what they stand for."""

    def __init__(self, authorization: Authorization, pages: Pages, request: Request) -> None:
        self.authorization = authorization
        self.request = request
        self.addresses = addresses(request, authorization.settings.base_url)
        self.secure = self.addresses.issuer.startswith("https:")
        prefix = "__Host-" if self.secure else ""
        self._names = (f"{prefix}browser", f"{prefix}session")
        given = request.cookies.get(self._names[0], "")
        self.browser = given if 40 <= len(given) <= 100 else made()
        self.cookie = request.cookies.get(self._names[1])
        self._pages = pages

    @property
    def word(self) -> str:
        """What every form of this browser carries."""
        return digest(f"form:{self.browser}")

    async def posted(self) -> dict[str, list[str]] | None:
        """The form; None when it does not come from a page given to this browser."""
        pairs = await form(self.request)
        origin = self.request.headers.get("origin")
        if pairs is None or origin not in (None, self.addresses.issuer):
            return None
        found: dict[str, list[str]] = {}
        for name, value in pairs:
            found.setdefault(name, []).append(value)
        return found if found.get("word") == [self.word] else None

    async def session(self) -> tuple[Session | None, Account | None]:
        """Who is signed in."""
        session = await self.authorization.sessions.of(self.cookie)
        return session, await self.authorization.accounts.get(session.account) if session else None

    async def ask(self) -> Ask | None:
        """The app's request the page is about."""
        return await self.authorization.asks.of(self.request.query_params.get("ask", ""), self.browser)

    def page(self, name: str, values: dict[str, Any], ask: Ask | None = None, status: int = 200) -> Response:
        """A page, with the cookie of the browser."""
        body = self._pages.rendered(f"smart/{name}.html", self.request, {"word": self.word, "ask": ask, **values})
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": _policy(ask), "X-Frame-Options": "DENY"}
        return self.known(HTMLResponse(body, status, headers))

    def known(self, response: Response) -> Response:
        """`response` with the cookie of the browser."""
        self._set(response, self._names[0], self.browser)
        return response

    def signed_in(self, response: Response, cookie: str) -> Response:
        """`response` with the cookie of a session."""
        self._set(response, self._names[1], cookie)
        return response

    def signed_out(self, response: Response) -> Response:
        """`response` without it."""
        response.delete_cookie(self._names[1], path="/", secure=self.secure, httponly=True, samesite="lax")
        return response

    def on(self, ask: Ask | None) -> Response:
        """On to the next step."""
        return self.known(see_other(f"/auth/continue?ask={ask.id}" if ask else "/"))

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self.secure, httponly=True, samesite="lax")


def see_other(location: str) -> RedirectResponse:
    """A redirection after which the browser asks with GET: RFC 9700 §4.12 (307 would carry a password on)."""
    return RedirectResponse(location, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _policy(ask: Ask | None) -> str:
    """The pages' policy; a form may lead to the app that asks, since its answer is a redirection there."""
    if ask is None:
        return POLICY
    parts = urlsplit(ask.redirect_uri)
    origin = f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"
    return POLICY.replace("form-action 'self'", f"form-action 'self' {origin}")


def router(authorization: Authorization, pages: Pages, find: Find) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)
    steps = Steps(authorization, pages, find)
    for path, methods, answer in (
        ("authorize", ["GET", "POST"], steps.authorize),
        ("continue", ["GET"], steps.go_on),
        ("sign-in", ["GET"], steps.show_sign_in),
        ("sign-in", ["POST"], steps.sign_in),
        ("activate", ["POST"], steps.activate),
        ("role", ["POST"], steps.role),
        ("patient", ["POST"], steps.patient),
        ("consent", ["POST"], steps.consent),
        ("sign-out", ["POST"], steps.sign_out),
        ("launch", ["POST"], steps.launch),
    ):
        routes.add_api_route(f"/auth/{path}", answer, methods=methods)
    return routes


class Steps:
    """Each step as a route."""

    def __init__(self, authorization: Authorization, pages: Pages, find: Find) -> None:
        self._authorization = authorization
        self._pages = pages
        self._find = find

    def _visit(self, request: Request) -> Visit:
        return Visit(self._authorization, self._pages, request)

    async def authorize(self, request: Request) -> Response:
        """An app asks."""
        from fhir_server.smart.authorize import Redirect, Unsafe, read

        visit = self._visit(request)
        pairs = await form(request) if request.method == "POST" else request.query_params.multi_items()
        if pairs is None:
            return visit.page("refused", {"reason": "The body is not a form."}, status=400)
        owned, server = list(pairs), self._authorization
        found = await server.bridge.run(lambda: read(server.server, server.asks, owned, visit.addresses, visit.browser))
        match found:
            case Unsafe():
                return visit.page("refused", {"reason": found.reason}, status=400)
            case Redirect():
                return visit.known(see_other(found.location))
            case _:
                return visit.on(found)

    async def go_on(self, request: Request) -> Response:
        """The page of the step that is next, or the answer to the app."""
        from fhir_server.smart import authorize

        visit = self._visit(request)
        ask = await visit.ask()
        if ask is None:
            return visit.page("refused", {"reason": "The request has ended. Start again from the app."}, status=400)
        session, account = await visit.session()
        if account is not None and session is not None and not authorize.allowed(ask, account):
            return await self._refuse(visit, ask, "access_denied", "This account cannot go on with the request.")
        ask = await self._own(ask, account)
        approvals = authorize.Approvals(self._authorization.records)
        approved = account is not None and await approvals.covers(ask, account)
        next_step = authorize.step(ask, session, account, approved)
        if next_step == "done" and session is not None and account is not None:
            return await self._grant(visit, ask, session, account, ask.scope)
        if "none" in ask.prompt.split():
            error = {"sign-in": "login_required", "consent": "consent_required"}.get(next_step, "interaction_required")
            return await self._refuse(visit, ask, error, "A person must be asked.")
        return await self._show(visit, next_step, ask, account)

    async def _own(self, ask: Ask, account: Account | None) -> Ask:
        """Somebody who acts for one patient alone has no choice to make."""
        if account is not None and ask.needs_patient and ask.patient is None and len(account.patients) == 1:
            return await self._authorization.asks.choose(ask, account.patients[0])
        return ask

    async def _show(self, visit: Visit, name: str, ask: Ask, account: Account | None) -> Response:
        client = await self._authorization.clients.get(ask.client)
        values: dict[str, Any] = {"client": client.name if client else ask.client, "account": account}
        if name == "patient" and account is not None:
            asked = visit.request.query_params.get("name", "")[:100]
            values |= {"patients": await self._find(account, asked), "asked": asked}
        if name == "consent":
            values["lines"] = lines(ask.scope)
            values["host"] = urlsplit(ask.redirect_uri).netloc or urlsplit(ask.redirect_uri).scheme
        return visit.page(name, values, ask)

    async def show_sign_in(self, request: Request) -> Response:
        """The sign-in page, for somebody who comes without an app."""
        return self._visit(request).page("sign-in", {"client": ""})

    async def sign_in(self, request: Request) -> Response:
        """Login, password, and a second factor."""
        visit = self._visit(request)
        given, ask = await visit.posted(), await visit.ask()
        if given is None:
            return _foreign(visit)
        login, password, code = (given.get(name, [""])[0] for name in ("login", "password", "code"))
        source = request.client.host if request.client else ""
        found = await self._authorization.people.sign_in(login, password, code.replace(" ", ""), source)
        if isinstance(found, str):
            status = 429 if found == "locked" else 403
            return visit.page("sign-in", {"client": "", "error": found, "login": login[:200]}, ask, status)
        account, strength = found
        if strength == "activate":
            key = made()
            await self._authorization.records.put("activation", digest(key), account.id.encode(), 600)
            return visit.page("activate", {"key": key}, ask)
        cookie = await self._authorization.sessions.begin(account.id, strength)
        # A new session has a new cookie, whatever the browser had (session fixation); the old one ends.
        if visit.cookie:
            await self._authorization.sessions.end(visit.cookie)
        return visit.signed_in(visit.on(ask), cookie)

    async def activate(self, request: Request) -> Response:
        """The first password of an account."""
        visit = self._visit(request)
        given, ask = await visit.posted(), await visit.ask()
        if given is None:
            return _foreign(visit)
        key = given.get("key", [""])[0]
        id = await self._authorization.records.get("activation", digest(key))
        account = await self._authorization.accounts.get(id.decode()) if id else None
        if account is None or account.provisional is None:
            return _foreign(visit)
        try:
            await self._authorization.people.set_password(account, given.get("password", [""])[0])
        except WeakPassword as error:
            return visit.page("activate", {"key": key, "error": str(error)}, ask, 400)
        await self._authorization.records.take("activation", digest(key))
        return visit.page("sign-in", {"client": "", "error": "activated", "login": account.login}, ask)

    async def role(self, request: Request) -> Response:
        """A professional says in which exercise they act."""
        visit = self._visit(request)
        given, ask = await visit.posted(), await visit.ask()
        session, account = await visit.session()
        if given is None or session is None or account is None or not visit.cookie:
            return _foreign(visit)
        chosen = given.get("role", [""])[0]
        if chosen in account.roles:
            await self._authorization.sessions.choose(visit.cookie, session, chosen)
        return visit.on(ask)

    async def patient(self, request: Request) -> Response:
        """Whom it is about."""
        visit = self._visit(request)
        given, ask = await visit.posted(), await visit.ask()
        _, account = await visit.session()
        if given is None or account is None or ask is None or ask.patient is not None:
            return _foreign(visit)
        chosen = given.get("patient", [""])[0]
        if chosen in account.patients or (account.professional and await self._exists(account, chosen)):
            await self._authorization.asks.choose(ask, chosen)
        return visit.on(ask)

    async def _exists(self, account: Account, id: str) -> bool:
        return any(found == id for found, _ in await self._find(account, f"id:{id}"))

    async def consent(self, request: Request) -> Response:
        """What the app may have."""
        from fhir_server.smart import authorize

        visit = self._visit(request)
        given, ask = await visit.posted(), await visit.ask()
        session, account = await visit.session()
        if given is None or ask is None or session is None or account is None or not authorize.allowed(ask, account):
            return _foreign(visit)
        if authorize.step(ask, session, account, approved=False) != "consent":
            return visit.on(ask)
        if given.get("decision") != ["allow"]:
            return await self._refuse(visit, ask, "access_denied", "The person refused.")
        ticked = set(given.get("scope", ()))
        optional = {line.scope for line in lines(ask.scope) if line.optional}
        accepted = tuple(one for one in ask.scope if one in ticked or one not in optional)
        approvals = authorize.Approvals(self._authorization.records)
        await approvals.keep(ask, account, accepted)
        return await self._grant(visit, ask, session, account, accepted)

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        visit = self._visit(request)
        if await visit.posted() is None:
            return _foreign(visit)
        if visit.cookie:
            await self._authorization.sessions.end(visit.cookie)
        return visit.signed_out(see_other("/"))

    async def launch(self, request: Request) -> Response:
        """Open an app on a patient: app-launch.html#launch-app-ehr-launch."""
        from urllib.parse import urlencode

        from fhir_server.smart.asks import Launch

        visit = self._visit(request)
        given = await visit.posted()
        _, account = await visit.session()
        client = await self._authorization.clients.get((given or {}).get("client", [""])[0][:200])
        if given is None or account is None or client is None or not client.launch_uri or client.status != "active":
            return _foreign(visit)
        patient = given.get("patient", [""])[0]
        if patient not in account.patients and not (account.professional and await self._exists(account, patient)):
            return _foreign(visit)
        secret = await self._authorization.asks.launch(Launch(client.id, account.id, patient, {}))
        query = urlencode({"iss": visit.addresses.base, "launch": secret})
        return visit.known(see_other(f"{client.launch_uri}{'&' if '?' in client.launch_uri else '?'}{query}"))

    async def _grant(
        self, visit: Visit, ask: Ask, session: Session, account: Account, scope: Sequence[str]
    ) -> Response:
        from fhir_server.smart.authorize import granted

        if not await self._authorization.asks.decide(ask) or not visit.cookie:
            return _foreign(visit)
        found = await granted(self._authorization.server, ask, account, session, visit.cookie, scope)
        return visit.known(see_other(found.location))

    async def _refuse(self, visit: Visit, ask: Ask, error: str, description: str) -> Response:
        from fhir_server.smart.authorize import refused

        if not await self._authorization.asks.decide(ask):
            return _foreign(visit)
        return visit.known(see_other(refused(ask, error, description).location))


def _foreign(visit: Visit) -> Response:
    """What does not come from a page this browser was given."""
    return visit.page("refused", {"reason": "The page has expired. Start again from the app."}, status=403)
