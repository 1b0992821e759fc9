"""Every page of the record: its address, what answers, who may, and where it is linked from.

The modules that answer are read when somebody first comes to them, not when the server starts.
"""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts, professional

#: The largest file that a form of these pages may bring, in bytes.
LARGEST = 10 * 1024 * 1024
_RECORD = "/mon-dossier/{patient}"
_DOCUMENT = f"{_RECORD}/document/{{document}}"
_OPEN = "/patients/{patient}"

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mon-dossier",
        "documents:choose",
        acts,
        label=("Mon dossier", "My record"),
        about=(
            "Documents, mesures, professionnels et leurs accès",
            "Documents, measures, professionals and their access",
        ),
        rank=10,
        home=("Patients et proches : mon dossier", "Patients and those who act for them: my record"),
    ),
    Page("GET", _RECORD, "documents:show", acts),
    Page("POST", f"{_RECORD}/recherche", "documents:search", acts),
    Page("GET", _DOCUMENT, "document:show", acts),
    Page("GET", f"{_DOCUMENT}/contenu", "document:content", acts),
    Page("POST", f"{_DOCUMENT}/visibilite", "visibility:change", acts),
    Page("POST", f"{_DOCUMENT}/epingler", "arranging:pin", acts),
    Page("POST", f"{_DOCUMENT}/classer", "arranging:file", acts),
    Page("POST", f"{_RECORD}/dossier", "arranging:add_folder", acts),
    Page("POST", f"{_RECORD}/dossier/{{folder}}/supprimer", "arranging:remove_folder", acts),
    Page("GET", f"{_RECORD}/ajouter", "adding:show", acts),
    Page("POST", f"{_RECORD}/ajouter", "adding:add", acts, long=True),
    Page("GET", f"{_RECORD}/supprimer", "removing:show", acts),
    Page("POST", f"{_RECORD}/supprimer", "removing:remove", acts),
    Page("GET", f"{_RECORD}/mesures", "measures:show", acts),
    Page("GET", f"{_RECORD}/professionnels", "professionals:show", acts),
    Page("POST", f"{_RECORD}/professionnels", "professionals:change", acts),
    Page("GET", f"{_RECORD}/urgence", "emergency:show", acts),
    Page("POST", f"{_RECORD}/urgence", "emergency:change", acts),
    Page(
        "GET",
        "/mes-acces",
        "accesses:choose",
        acts,
        label=("Qui a consulté mon dossier", "Who looked at my record"),
        about=("Jour par jour : qui, quoi et pourquoi", "Day by day: who, what and why"),
        rank=50,
    ),
    Page("GET", "/mes-acces/{patient}", "accesses:show", acts),
    Page(
        "GET",
        "/patients",
        "finding:show",
        professional,
        label=("Ouvrir un dossier", "Open a record"),
        about=("D’un patient que vous prenez en charge", "Of a patient in your care"),
        rank=10,
        home=("Professionnels : ouvrir le dossier d’un patient", "Professionals: open a patient’s record"),
    ),
    Page("POST", "/patients/recherche", "finding:find", professional),
    Page("GET", _OPEN, "practice:show", professional),
    Page("POST", f"{_OPEN}/recherche", "practice:search", professional),
    Page("POST", f"{_OPEN}/accord", "practising:agree", professional),
    Page("POST", f"{_OPEN}/motif", "practising:hurry", professional),
    Page("GET", f"{_OPEN}/deposer", "practice_filing:show", professional),
    Page("POST", f"{_OPEN}/deposer", "practice_filing:add", professional, long=True),
    Page("GET", f"{_OPEN}/document/{{document}}", "practice:show_document", professional),
    Page("GET", f"{_OPEN}/document/{{document}}/contenu", "practice:content", professional),
    Page("POST", f"{_OPEN}/document/{{document}}/visibilite", "practising:change", professional),
    Page("GET", "/mes-acces/{patient}/export", "accesses:export", acts),
)


def pages(around: Surroundings) -> ServicePages:
    """The record's pages over one opened server."""
    return ServicePages("record", __package__, Path(__file__).parents[1] / "templates", ROWS, around, LARGEST)
