"""Every page of accounts: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts

ROWS: tuple[Page, ...] = (
    # Of whoever was sent a code: they have no account yet.
    Page(
        "GET",
        "/activer",
        "activating:show",
        None,
        home=(
            "J’ai reçu un code : activer mon espace, ou m’y opposer",
            "I was sent a code: activate my space, or object",
        ),
    ),
    Page("POST", "/activer", "activating:prove", None),
    Page("POST", "/activer/compte", "activating:activate", None),
    Page("POST", "/activer/opposition", "activating:decide", None),
    Page("POST", "/activer/preuve", "activating:proof", None),
    Page(
        "GET",
        "/mon-compte",
        "own:show",
        acts,
        label=("Mon espace : ouvert ou fermé", "My space: open or closed"),
        about=("Où il en est, le fermer, le rouvrir", "Where it stands, close it, open it again"),
        rank=80,
    ),
    Page("POST", "/mon-compte/{patient}", "own:move", acts),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("accounts", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
