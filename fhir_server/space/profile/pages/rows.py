"""Every page of the profile: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts, professional

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mon-profil",
        "own:people",
        acts,
        label=("Mon profil médical", "My medical profile"),
        about=("L’essentiel sur une santé, à lire ou à emporter en voyage", "The essentials, to read or to take along"),
        rank=15,
    ),
    Page("GET", "/mon-profil/{patient}", "own:show", acts),
    Page("POST", "/mon-profil/{patient}", "own:say", acts),
    Page("GET", "/mon-profil/{patient}/ips.json", "own:download", acts),
    Page("GET", "/mon-profil/{patient}/resume.pdf", "own:prints", acts),
    Page("POST", "/mon-profil/{patient}/partager", "own:share", acts),
    Page("GET", "/mon-profil/{patient}/medecin-traitant", "attending:show", acts),
    Page("POST", "/mon-profil/{patient}/medecin-traitant", "attending:change", acts),
    Page("GET", "/mon-profil/{patient}/{kind}", "entries:show", acts),
    Page("POST", "/mon-profil/{patient}/{kind}", "entries:add", acts),
    Page("GET", "/mon-profil/{patient}/{kind}/{entry}", "entries:edit", acts),
    Page("POST", "/mon-profil/{patient}/{kind}/{entry}", "entries:change", acts),
    Page("GET", "/patients/{patient}/profil", "practice:show", professional),
    Page("GET", "/patients/{patient}/profil/resume.pdf", "practice:prints", professional),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    return ServicePages("profile", __package__, Path(__file__).parents[1] / "templates", ROWS, around)
