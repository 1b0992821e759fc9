"""One request of a browser: its cookies and what they stand for, the form it sends, the page it is given.

RFC 9700 §4.7 and §4.16 (CSRF, clickjacking), OWASP ASVS 3.4 and 4.2: cookies are for the server alone, every form
carries a word only this browser was given, no page is shown inside another.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.audit.access_events import AccessEvent
from fhir_server.audit.kinds import AccessKind
from fhir_server.http.front import POLICY
from fhir_server.oauth.endpoints import addresses, form
from fhir_server.site.rendering import Pages
from fhir_server.site.service_pages import ServicePages
from fhir_server.site.words import Language, language
from fhir_server.smart import lifetimes
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorizing.requests import AuthorizationRequest
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.people.sessions import Session
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Put

#: Name of a field → its values; a form of ours is small.
Form = Mapping[str, Sequence[str]]
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")
#: Where somebody begins who is signed in.
OWN_SPACE = "/mon-espace"
#: What waits unread is counted no further.
MANY = 100
NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class Way:
    """Where somebody signed in may go.

    Attributes:
        path: from the root.
        words: what it is called; about: what is found there, None where nothing is said.
        waiting: how much is unread there, `MANY` for that or more.
    """

    path: str
    words: tuple[str, str]
    about: tuple[str, str] | None = None
    waiting: int = 0

    @property
    def counted(self) -> str:
        """How much waits, as it is shown."""
        return str(self.waiting) if self.waiting < MANY else f"{MANY - 1}+"


@dataclass(frozen=True, slots=True)
class Entrance:
    """What the pages stand on.

    Attributes:
        authorization: who gets in.
        pages: the templates.
        repository: gives the store as a grant may see it, with what rules must know of the caller.
        services: whose pages stand beside these.
        after: paths that somebody may be taken to after signing in, and nothing else (open redirects).
        providers: (name shown, path) of identity providers, for the sign-in page.
        acting: an account with those alone for whom it acts now.
    """

    authorization: Authorization
    pages: Pages
    repository: Callable[[Grant], Awaitable[Repository]]
    services: tuple[ServicePages, ...]
    after: re.Pattern[str]
    providers: tuple[tuple[str, str], ...] = ()
    acting: Callable[[Account], Awaitable[Account]] | None = None

    async def account(self, id: str) -> Account | None:
        """The account, with those alone for whom it acts now."""
        found = await self.authorization.accounts.get(id)
        return found if found is None or self.acting is None else await self.acting(found)

    async def patients(self, account: Account, asked: str) -> Sequence[tuple[str, str]]:
        """(id, label) of patients the account may choose, by name or by "id:" and an id."""
        from fhir_server.smart.people.patients import find

        place = self.authorization.verifier.place(self.pages.settings.base_url)
        return await find(self.repository, place, account, asked)

    async def sexes(self, account: Account, patients: Sequence[str]) -> dict[str, str]:
        """Patient → administrative gender, as far as it is said and the account may see them."""
        from fhir_server.smart.people.patients import sexes

        return await sexes(self.repository, account, patients)

    async def may_choose(self, account: Account, patient: str) -> bool:
        """Whether the account may act for the patient."""
        if patient in account.patients:
            return True
        return account.professional and any(id == patient for id, _ in await self.patients(account, f"id:{patient}"))

    async def name_of(self, account: Account, patient: str) -> str:
        """What a patient is called, to somebody who may choose them; their id to anyone else."""
        return next((label for id, label in await self.patients(account, f"id:{patient}") if id == patient), patient)


class Visit:
    """One request of a browser.

    Attributes:
        entrance: what the pages stand on.
        request: as it came.
        addresses: where this server answers, as the browser sees it.
        secure: whether it came by https.
        browser: what this browser is known by.
        cookie: of a session, whether it still holds or not.
        language: of the pages.
        ways: where who is signed in may go: what the head of their pages leads to.
    """

    def __init__(self, entrance: Entrance, request: Request) -> None:
        self.entrance = entrance
        self.request = request
        self.addresses = addresses(request, entrance.authorization.settings.base_url)
        self.secure = self.addresses.issuer.startswith("https:")
        prefix = "__Host-" if self.secure else ""
        self._names = (f"{prefix}browser", f"{prefix}session", f"{prefix}lang")
        given = request.cookies.get(self._names[0], "")
        self.browser = given if 40 <= len(given) <= 100 else made()
        self.cookie = request.cookies.get(self._names[1])
        asked = request.query_params.get("lang") or request.cookies.get(self._names[2])
        self.language: Language = language(asked, request.headers.get("accept-language"))
        self.ways: tuple[Way, ...] = ()

    @property
    def authorization(self) -> Authorization:
        """What knows accounts, sessions, clients and what they were granted."""
        return self.entrance.authorization

    @property
    def source(self) -> str:
        """Network address of the browser, "" when it is not known."""
        return self.request.client.host if self.request.client else ""

    @property
    def word(self) -> str:
        """What every form of this browser carries."""
        return digest(f"form:{self.browser}")

    @property
    def after(self) -> str:
        """Where the person goes after signing in without an app: a page of ours."""
        asked = self.request.query_params.get("then", "")
        return asked if self.entrance.after.fullmatch(asked) else OWN_SPACE

    async def posted(self) -> Form | None:
        """The form; None when it does not come from a page given to this browser."""
        pairs = await form(self.request)
        if pairs is None:
            return None
        found: dict[str, list[str]] = {}
        for name, value in pairs:
            found.setdefault(name, []).append(value)
        return found if self.ours(found) else None

    def ours(self, given: Form) -> bool:
        """Whether a form carries this browser's word, and comes from a page of this server."""
        origin = self.request.headers.get("origin")
        return origin in (None, self.addresses.issuer) and given.get("word") == [self.word]

    async def record(self, kind: AccessKind, **known: Any) -> None:
        """Keep an AuditEvent of what is decided or refused here; `known` are further attributes of `AccessEvent`."""
        await self.authorization.audit.record(AccessEvent(kind, address=self.source, **known), self.addresses.base)

    async def trace(self, kind: AccessKind, **known: Any) -> list[Put]:
        """As `record`, the AuditEvent's write instead, for the commit of what is decided."""
        return await self.authorization.audit.written(
            AccessEvent(kind, address=self.source, **known), self.addresses.base
        )

    async def session(self) -> tuple[Session | None, Account | None]:
        """Who is signed in."""
        session = await self.authorization.sessions.of(self.cookie)
        return session, await self.entrance.account(session.account) if session else None

    async def asked_by(self) -> tuple[AuthorizationRequest | None, Session | None, Account | None]:
        """The app's request the page is about, and who is signed in: as `ask` and `session`, in one journey."""
        requests, sessions = self.authorization.requests, self.authorization.sessions
        id = self.request.query_params.get("ask", "")
        places = [requests.places(id), sessions.places(self.cookie)]
        found = await self.authorization.records.get_each([place for some in places for place in some])
        ask = await requests.read(id, self.browser, found[: len(places[0])])
        session = await sessions.read(self.cookie, found[len(places[0]) :])
        return ask, session, await self.entrance.account(session.account) if session else None

    async def ask(self) -> AuthorizationRequest | None:
        """The app's request the page is about."""
        return await self.authorization.requests.of(self.request.query_params.get("ask", ""), self.browser)

    def page(
        self,
        template: str,
        values: Mapping[str, Any],
        ask: AuthorizationRequest | None = None,
        status: int = 200,
        leads: Iterable[str] = (),
    ) -> Response:
        """A page, with the cookie of the browser.

        Args:
            template: its name without `.html`, such as "smart/consent".
            values: what it shows.
            ask: the app's request it is about.
            status: of HTTP.
            leads: addresses outside that a form of it may end at, after redirections.
        """
        given = {"mine": self.ways, "at": self.request.url.path, "posted": self.request.method == "POST"}
        shown = {"word": self.word, "ask": ask, **given, **values}
        body = self.entrance.pages.rendered(f"{template}.html", self.request, shown, self.language)
        outside = [*leads, *([ask.redirect_uri] if ask else [])]
        headers = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": _policy(outside),
            "X-Frame-Options": "DENY",
            "Content-Language": self.language,
            **({"Retry-After": str(lifetimes.LOCK)} if status == 429 else {}),
        }
        return self.known(HTMLResponse(body, status, headers))

    def known(self, response: Response) -> Response:
        """`response` with the cookie of the browser, and of the language it chose."""
        self._set(response, self._names[0], self.browser)
        if self.request.query_params.get("lang") == self.language:
            self._set(response, self._names[2], self.language)
        return response

    def signed_in(self, response: Response, cookie: str) -> Response:
        """`response` with the cookie of a session."""
        self._set(response, self._names[1], cookie)
        return response

    def signed_out(self, response: Response) -> Response:
        """`response` that takes the cookie of a session away."""
        response.delete_cookie(self._names[1], path="/", secure=self.secure, httponly=True, samesite="lax")
        return response

    def on(self, ask: AuthorizationRequest | None) -> Response:
        """On to the next step: of the app's request, or the page that was asked for."""
        return self.known(see_other(f"/auth/continue?ask={ask.id}" if ask else self.after))

    def to_sign_in(self) -> Response:
        """To the sign-in page, and back here after."""
        return self.known(see_other(f"/auth/sign-in?{urlencode({'then': self.request.url.path})}"))

    def foreign(self) -> Response:
        """The answer to what does not come from a page this browser was given."""
        return self.refused("The page has expired. Start again from the app.", 403)

    def refused(self, reason: str, status: int) -> Response:
        """A page that says why nothing was done, from the sentences of `REASONS`."""
        said = REASONS.get(reason) if self.language == "fr" else None
        return self.page("smart/refused", {"reason": said or reason, "spoken": "fr" if said else "en"}, status=status)

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self.secure, httponly=True, samesite="lax")


#: What a person may be told → the same in French.
REASONS: Mapping[str, str] = {
    "The page has expired. Start again from the app.": "La page a expiré. Recommencez depuis l’application.",
    "The request has ended. Start again from the app.": "La demande est terminée. Recommencez depuis l’application.",
    "The body is not a form.": "La demande n’est pas un formulaire.",
    "A parameter was sent twice.": "Un paramètre a été envoyé deux fois.",
    "The application or its return address is not known here.": (
        "L’application, ou l’adresse où elle attend la réponse, n’est pas connue ici."
    ),
    "The request is malformed.": "La demande est mal formée.",
    "The purpose of the access is not said as it must be.": (
        "Le motif de l’accès manque, ou sa raison est trop courte ou trop longue."
    ),
    "This account may not see this page.": "Ce compte n’a pas accès à cette page.",
    "The form is too large.": "Le formulaire est trop volumineux.",
    "Too many people are signing in at once. Try again in a few minutes.": (
        "Trop de personnes se connectent en même temps. Réessayez dans quelques minutes."
    ),
    "There is nothing at this address.": "Il n’y a rien à cette adresse.",
}

Handler = Callable[[Visit], Awaitable[Response]]
Route = tuple[str, str, Handler]


def first(given: Form, name: str, most: int = 200) -> str:
    """The first value of a field, `most` characters of it; "" without one."""
    return given.get(name, ("",))[0][:most]


def see_other(location: str) -> RedirectResponse:
    """A redirection after which the browser asks with GET: RFC 9700 §4.12 (307 would carry a password on)."""
    return RedirectResponse(location, 303, NO_STORE)


def _policy(outside: Iterable[str]) -> str:
    """The pages' policy; a form may lead to the app that asks, since its answer is a redirection there."""
    origins = dict.fromkeys(filter(None, map(_origin, outside)))
    return POLICY.replace("form-action 'self'", " ".join(["form-action 'self'", *origins])) if origins else POLICY


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        # Written into a header: nothing but a host and a port.
        return f"{parts.scheme}://{parts.netloc}" if _HOST.fullmatch(parts.netloc) else ""
    return f"{parts.scheme}:"
