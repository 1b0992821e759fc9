"""Somebody signed in, on a page of a service: who they are, what they sent, and pages that are not theirs.

OWASP ASVS 4.1: refused unless allowed; every form carries this browser's word.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server.site.service_pages import Page, ServicePages, places
from fhir_server.site.visit import Entrance, Form, Visit, Way, first, see_other

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account
    from fhir_server.smart.people.sessions import Session


S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Guest(Generic[S]):
    """One request by somebody signed in, of a page that stands on a service.

    Attributes:
        service: the page stands on.
        visit: of their browser.
        session, account: theirs.
        given: the form they sent; empty when the page is only asked for.
        files: that came with it: name of the field → (name of the file, its bytes) of each.
    """

    service: S
    visit: Visit
    session: Session
    account: Account
    given: Form
    files: Mapping[str, Sequence[tuple[str, bytes]]]

    @property
    def entrance(self) -> Entrance:
        """What the pages stand on."""
        return self.visit.entrance

    def field(self, name: str, most: int = 200) -> str:
        """The first value of a field, spaces at its ends left out."""
        return first(self.given, name, most).strip()

    def file(self, name: str) -> tuple[str, bytes]:
        """Name and bytes of the first file of a field; both empty without one."""
        return next(iter(self.files.get(name, ())), ("", b""))

    def path(self, name: str) -> str:
        """A part of the address."""
        return str(self.visit.request.path_params[name])

    def query(self, name: str) -> str:
        """A parameter of the address; "" without one."""
        return self.visit.request.query_params.get(name, "")[:200]

    async def proves(self) -> bool:
        """Whether who sent the form has the password (`password`) and the second factor (`second`) of the account.

        Of whom there is no password here, since a provider alone signs them in, none is asked.
        """
        if self.account.password is None:
            return True
        password, code = first(self.given, "password"), self.field("second", 20).replace(" ", "")
        people = self.visit.authorization.people
        strength, _ = await people.again(self.account, password, code, self.visit.source)
        return strength is not None

    def page(self, template: str, values: Mapping[str, Any], status: int = 200, leads: Iterable[str] = ()) -> Response:
        """A page of this person's; `template` is its name without `.html`, such as "catalogue/desk"."""
        return self.visit.page(template, {"account": self.account, **values}, status=status, leads=leads)

    def to(self, location: str) -> Response:
        """On to another page, after a form."""
        return self.visit.known(see_other(location))

    def nothing(self) -> Response:
        """There is nothing at this address, or nothing for this person: the same answer."""
        return self.visit.refused("There is nothing at this address.", 404)


def router(entrance: Entrance) -> APIRouter:
    """The routes of every service."""
    routes = APIRouter(include_in_schema=False)
    for pages in entrance.services:
        for row in pages.rows:
            answered = _open(entrance, pages, row) if row.allowed is None else _guarded(entrance, pages, row)
            routes.add_api_route(row.path, answered, methods=[row.method])
    return routes


def answering(pages: ServicePages, row: Page) -> Callable[..., Awaitable[Response]]:
    """What answers a row; its module is read now."""
    found: Callable[..., Awaitable[Response]] = _named(pages, row.answer)
    return found


async def greet(visit: Visit, session: Session, account: Account) -> None:
    """Give the pages of this visit the ways that are open to who is signed in, with how much waits at each.

    What a form is answered with, which mostly is a redirection, counts nothing.
    """
    counts = visit.request.method != "POST"
    ways = []
    for pages, row in places(visit.entrance.services, account):
        waiting = 0
        if counts and row.counted:
            waiting = await _named(pages, row.counted)(Guest(pages.service, visit, session, account, {}, {}))
        ways.append(Way(row.path, row.label or ("", ""), row.about, waiting))
    visit.ways = tuple(ways)


def _named(pages: ServicePages, place: str) -> Any:
    """What a row names of its service's package; its module is read now."""
    module, _, name = place.partition(":")
    return getattr(import_module(f"{pages.package}.{module}"), name)


def _open(entrance: Entrance, pages: ServicePages, row: Page) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        visit = Visit(entrance, request)
        session, account = await visit.session() if visit.cookie else (None, None)
        if session is not None and account is not None and account.open:
            await greet(visit, session, account)
        return await answering(pages, row)(visit, pages.service)

    return answered


def _guarded(entrance: Entrance, pages: ServicePages, row: Page) -> Callable[[Request], Awaitable[Response]]:
    """A page for those who are signed in and allowed; others are asked to sign in, or refused.

    Forms of many fields, and files, are not read before it is known that they may be sent.
    """
    allowed = row.allowed or _nobody

    async def answered(request: Request) -> Response:
        visit = Visit(entrance, request)
        posts = request.method == "POST"
        session, account = await visit.session()
        if session is None or account is None or not account.open:
            return visit.foreign() if posts else visit.to_sign_in()
        await greet(visit, session, account)
        if posts and row.long:
            return await _long(pages, row, Guest(pages.service, visit, session, account, {}, {}))
        given = await visit.posted() if posts else {}
        if given is None:
            return visit.foreign()
        if not allowed(account):
            return visit.refused("This account may not see this page.", 403)
        return await answering(pages, row)(Guest(pages.service, visit, session, account, given, {}))

    return answered


async def _long(pages: ServicePages, row: Page, guest: Guest[Any]) -> Response:
    from fhir_server.site.long_forms import is_form, sent

    visit = guest.visit
    if not (row.allowed or _nobody)(guest.account):
        return visit.refused("This account may not see this page.", 403)
    if not is_form(visit.request):
        return visit.foreign()
    form = await sent(visit.request, pages.largest_file)
    if form is None:
        return visit.refused("The form is too large.", 413)
    if not visit.ours(form.fields):
        return visit.foreign()
    return await answering(pages, row)(replace(guest, given=form.fields, files=form.files))


def _nobody(_: Account) -> bool:
    return False
