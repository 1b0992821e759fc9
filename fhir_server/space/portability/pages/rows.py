"""Every page of portability: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mes-donnees",
        "own:show",
        acts,
        label=("Télécharger mes données", "Download my data"),
        about=("Tout ce que l’espace contient, en un fichier", "All that the space holds, in one file"),
        rank=82,
    ),
    Page("POST", "/mes-donnees/{patient}", "own:ask", acts),
    Page("GET", "/mes-donnees/{patient}/archive", "own:download", acts),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("portability", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
