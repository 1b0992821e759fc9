"""Every page of identities: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts, administers

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mes-rectifications",
        "own:show",
        acts,
        label=("Faire rectifier", "Have something put right"),
        about=("Demander, et lire la réponse", "Ask, and read the answer"),
        rank=87,
    ),
    Page("POST", "/mes-rectifications/{patient}", "own:act", acts),
    Page(
        "GET",
        "/identites",
        "desk:show",
        administers,
        label=("Identités", "Identities"),
        about=("Doublons à réunir, demandes de rectification", "Duplicates to merge, rectifications asked for"),
        rank=35,
    ),
    Page("POST", "/identites", "desk:find", administers),
    Page("GET", "/identites/{patient}", "desk:person", administers),
    Page("GET", "/identites/{source}/{target}", "pair:show", administers),
    Page("POST", "/identites/{source}/{target}", "pair:act", administers),
    Page("POST", "/rectifications/{request}", "desk:answer", administers),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("identities", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
