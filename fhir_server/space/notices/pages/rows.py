"""Every page of notices: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.notices.unsubscribing import PATH
from fhir_server.space.service import Surroundings

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account

_CENTRE = "/mes-notifications"
_CHOICES = f"{_CENTRE}/preferences"
_WAY_OUT = f"{PATH}/{{word}}"


def told(account: Account) -> bool:
    """Whether somebody is told of things: whoever is of the health space, and not staff who review software."""
    return not account.staff


ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        _CENTRE,
        "centre:show",
        told,
        label=("Mes notifications", "My notifications"),
        about=("Ce qui vous a été signalé", "What you were told of"),
        rank=30,
        counted="centre:waiting",
    ),
    Page("POST", f"{_CENTRE}/ouvrir", "centre:open_one", told),
    Page("POST", f"{_CENTRE}/lues", "centre:read_all", told),
    Page("GET", _CHOICES, "choosing:show", told),
    Page("POST", _CHOICES, "choosing:choose", told),
    # Of whoever reads the message, signed in or not.
    Page("GET", _WAY_OUT, "leaving:show", None),
    Page("POST", _WAY_OUT, "leaving:leave", None),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("notices", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
