"""Every page of indicators: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import administers

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/indicateurs",
        "show:everything",
        None,
        home=("Indicateurs : documents, espaces, consultations", "Indicators: documents, spaces, consultations"),
    ),
    Page("GET", "/indicateurs/{code}", "show:one", None),
    Page("GET", "/indicateurs/{code}/series.csv", "show:series", None),
    Page(
        "GET",
        "/pilotage",
        "show:desk",
        administers,
        label=("Indicateurs de pilotage", "Operators’ indicators"),
        about=("Documents, espaces, consultations, accès en urgence", "Documents, spaces, consultations, emergencies"),
        rank=35,
    ),
    Page("GET", "/pilotage/{code}", "show:desk_one", administers),
    Page("GET", "/pilotage/{code}/series.csv", "show:desk_series", administers),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("indicators", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
