"""Every page of accesses: its address, what answers, who may, and where it is linked from.

What a patient is told of who opened their record is a page of the record.
"""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import administers

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/urgences",
        "emergencies:show",
        administers,
        label=("Accès en urgence à examiner", "Emergency accesses to review"),
        about=("Dossiers ouverts sans accord préalable", "Records opened without prior agreement"),
        rank=30,
    ),
    Page("POST", "/urgences/{emergency}", "emergencies:review", administers),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("accesses", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
