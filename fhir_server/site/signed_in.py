"""Somebody signed in, on one of the space's pages: who they are, what they sent, and pages that are not theirs.

OWASP ASVS 4.1: refused unless allowed; every form carries this browser's word.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import Response

from fhir_server.site.visit import Entrance, Form, Visit, first, see_other

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session


@dataclass(frozen=True, slots=True)
class Guest:
    """One request by somebody signed in.

    Attributes:
        visit: of their browser.
        session, account: theirs.
        given: the form they sent; empty when the page is only asked for.
        files: that came with it: name of the field → (name of the file, its bytes).
    """

    visit: Visit
    session: Session
    account: Account
    given: Form
    files: Mapping[str, tuple[str, bytes]]

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


def staff(account: Account) -> bool:
    """Whether the account works on the catalogue."""
    return account.staff and bool(account.duties)


def publishes(account: Account) -> bool:
    """Whether the account files apps."""
    return account.staff and "publisher" in account.duties and account.organization is not None


def administers(account: Account) -> bool:
    """Whether the account is an administrator's."""
    return account.staff and "administrator" in account.duties


def guarded(
    entrance: Entrance, handler: Handler, allowed: Allowed, long: bool = False
) -> Callable[[Request], Awaitable[Response]]:
    """`handler` for those who are signed in and allowed; others are asked to sign in, or refused.

    `long`: forms of many fields, and files, are read; not before it is known that they may be sent.
    """

    async def answered(request: Request) -> Response:
        visit = Visit(entrance, request)
        posts = request.method == "POST"
        session, account = await visit.session()
        if session is None or account is None or not account.open:
            return visit.foreign() if posts else visit.to_sign_in()
        if posts and long:
            return await _long(visit, session, account, handler, allowed)
        given = await visit.posted() if posts else {}
        if given is None:
            return visit.foreign()
        if not allowed(account):
            return visit.refused("This account may not see this page.", 403)
        return await handler(Guest(visit, session, account, given, {}))

    return answered


async def _long(visit: Visit, session: Session, account: Account, handler: Handler, allowed: Allowed) -> Response:
    from fhir_server.site.long_forms import sent

    if not allowed(account):
        return visit.refused("This account may not see this page.", 403)
    form = await sent(visit.request)
    if form is None:
        return visit.refused("The form is too large.", 413)
    if not visit.ours(form.fields):
        return visit.foreign()
    return await handler(Guest(visit, session, account, form.fields, form.files))
