"""Somebody signed in, on one of the space's pages: who they are, what they sent, and pages that are not theirs.

OWASP ASVS 4.1: refused unless allowed; every form carries this browser's word.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import Response

from fhir_server.http.smart.visit import Entrance, Form, Visit, first, see_other

if TYPE_CHECKING:
    from fhir_server.smart.accounts import Account
    from fhir_server.smart.sessions import Session


@dataclass(frozen=True, slots=True)
class Guest:
    """One request by somebody signed in.

    Attributes:
        visit: of their browser.
        session, account: theirs.
        given: the form they sent; empty when the page is only asked for.
    """

    visit: Visit
    session: Session
    account: Account
    given: Form

    @property
    def entrance(self) -> Entrance:
        """What the pages stand on."""
        return self.visit.entrance

    def field(self, name: str, most: int = 200) -> str:
        """The first value of a field, spaces at its ends left out."""
        return first(self.given, name, most).strip()

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.visit.request.path_params[name])

    def query(self, name: str) -> str:
        """A parameter of the address; "" without one."""
        return self.visit.request.query_params.get(name, "")[:200]

    def page(self, template: str, values: Mapping[str, Any], status: int = 200, leads: Iterable[str] = ()) -> Response:
        """A page of this person's."""
        return self.visit.page(f"space/{template}", {"account": self.account, **values}, status=status, leads=leads)

    def to(self, location: str) -> Response:
        """On to another page, after a form."""
        return self.visit.known(see_other(location))

    def nothing(self) -> Response:
        """There is nothing at this address, or nothing for this person: the same answer."""
        return self.visit.refused("There is nothing at this address.", 404)


Handler = Callable[[Guest], Awaitable[Response]]
#: Whether an account may be on a page.
Allowed = Callable[["Account"], bool]
#: Method, path, what answers, who may.
Route = tuple[str, str, Handler, Allowed]


def guarded(entrance: Entrance, handler: Handler, allowed: Allowed) -> Callable[[Request], Awaitable[Response]]:
    """`handler` for those who are signed in and allowed; others are asked to sign in, or refused."""

    async def answered(request: Request) -> Response:
        visit = Visit(entrance, request)
        posts = request.method == "POST"
        given = await visit.posted() if posts else {}
        session, account = await visit.session()
        if given is None:
            return visit.foreign()
        if session is None or account is None or not account.open:
            return visit.foreign() if posts else visit.to_sign_in()
        if not allowed(account):
            return visit.refused("This account may not see this page.", 403)
        return await handler(Guest(visit, session, account, given))

    return answered
