"""People of the catalogue at their desks, for tests of pages: staff, a form that lacks nothing, pages sent back."""

from __future__ import annotations

from typing import Any

import httpx
from lxml import html

from fhir_server.space.catalogue.dossiers import Dossier
from fhir_server.space.catalogue.pages import dossier_form
from fhir_server.space.catalogue.step_input import Act
from tests.server.closed import ROOT, Space
from tests.smart.browser import Browser, a_person
from tests.space.catalogue.filing import ACTS, ANSWERS, APP, DPIA, MET, OWNERS, PEOPLE, Desk

#: Login → the account's duties and organization.
STAFF: dict[str, dict[str, Any]] = {
    "camille": {"duties": ("publisher",), "organization": "Organization/alize"},
    "dominique": {"duties": ("publisher",), "organization": "Organization/melisse"},
    "sacha": {"duties": ("verifier",)},
    "claude": {"duties": ("commission",)},
    "alix": {"duties": ("administrator",)},
}
#: The form of a file that lacks nothing.
FORM: dict[str, Any] = {name: list(values) for name, values in dossier_form.fields(APP, ANSWERS).items()}
FILE = {"dpia": ("aipd.pdf", DPIA.data, "text/plain")}
CRITERIA = {f"criterion.{code}": "met" for code in MET}


async def staffed(space: Space) -> None:
    """The staff, and what they work for."""
    for id, name in (("alize", "Éditeur Alizé Santé"), ("melisse", "Mélisse Logiciels")):
        await space.put({"resourceType": "Organization", "id": id, "name": name})
    for login, more in STAFF.items():
        await space.put({"resourceType": "Person", "id": login, "name": [{"family": login.upper(), "given": ["Jo"]}]})
        await a_person(space, login, f"Person/{login}", **more)


async def at_desk(space: Space, login: str) -> Browser:
    browser = Browser(space)
    await browser.sign_in(await browser.http.get("/auth/sign-in"), login)
    return browser


async def post(
    browser: Browser, address: str, page: httpx.Response, files: Any = None, **fields: Any
) -> httpx.Response:
    """Fields sent as from the page, with its word and version of the file."""
    hidden = {one.get("name"): one.get("value") for one in _hidden(page)}
    data = {**hidden, **fields}
    answer = await browser.http.post(address, data=data, files=files, headers={"Origin": ROOT})
    return await browser._followed(answer)


def _hidden(page: httpx.Response) -> Any:
    return html.document_fromstring(page.text).xpath("//main//form[@method='post']//input[@type='hidden']")


def desk(space: Space) -> Desk:
    return Desk(space.house)


async def walked(space: Space, *steps: str) -> Dossier:
    """A file that took steps, by the domain's own hand."""
    found = await desk(space).file()
    for step in steps:
        actor = PEOPLE[OWNERS[step]]
        found = await desk(space).referencing.step(actor, found.id, step, ACTS.get(step, Act()))
    return found
