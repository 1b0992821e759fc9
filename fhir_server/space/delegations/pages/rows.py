"""Every page of delegations: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.smart.people.accounts import Account
from fhir_server.space.service import Surroundings


def holds(account: Account) -> bool:
    """Whether the account is of somebody who has a space of their own, or acts for somebody."""
    return account.subject.startswith("Patient/") or (bool(account.wards) and not account.professional)


ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mes-proches",
        "relatives:show",
        holds,
        label=("Mes proches", "My relatives"),
        about=("Qui agit pour moi, et pour qui j’agis", "Who acts for me, and for whom I act"),
        rank=75,
    ),
    Page("POST", "/mes-proches", "relatives:invite", holds),
    Page("POST", "/mes-proches/{delegation}", "relatives:decide", holds),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("delegations", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
