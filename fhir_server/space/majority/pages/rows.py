"""The page of majority: its address, what answers, who may."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.smart.people.accounts import Account
from fhir_server.space.service import Surroundings


def holds(account: Account) -> bool:
    """Whether the account is of somebody who has a space of their own."""
    return account.subject.startswith("Patient/")


ROWS: tuple[Page, ...] = (
    # A notice leads to it, and the page of relatives: most people never need it again.
    Page("GET", "/majorite", "own:show", holds),
    Page("POST", "/majorite/applications/{app}", "own:decide_app", holds),
    Page("POST", "/majorite/choix", "own:decide_choice", holds),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("majority", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
