"""Every page of the notebook: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts, professional

_OWN, _OPEN = "/carnet/{patient}", "/patients/{patient}/carnet"

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/carnet",
        "shown:choose",
        acts,
        label=("Carnet de santé de l’enfant", "Child’s health notebook"),
        about=("Examens, certificats, croissance et vaccins", "Examinations, certificates, growth and vaccines"),
        rank=17,
    ),
    Page("GET", _OWN, "shown:show", acts),
    Page("POST", _OWN, "shown:add", acts),
    Page("GET", f"{_OWN}/carnet.pdf", "shown:prints", acts),
    Page("GET", _OPEN, "shown:practice", professional),
    Page("POST", _OPEN, "shown:practice_add", professional),
    Page("GET", f"{_OPEN}/carnet.pdf", "shown:practice_prints", professional),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("childhood", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
