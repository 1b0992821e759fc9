"""Every page of the agenda: its address, what answers, who may, and where it is linked from."""

from __future__ import annotations

from pathlib import Path

from fhir_server.site.service_pages import Page, ServicePages
from fhir_server.space.agenda.calendar.bounds import LARGEST
from fhir_server.space.service import Surroundings
from fhir_server.space.visitors import acts, professional

_MINE = "/mon-agenda/{patient}"

ROWS: tuple[Page, ...] = (
    Page(
        "GET",
        "/mon-agenda",
        "agenda:choose",
        acts,
        label=("Mon agenda", "My agenda"),
        about=("Rendez-vous et rappels de santé", "Health appointments and reminders"),
        rank=25,
    ),
    Page("GET", _MINE, "agenda:show", acts),
    Page("GET", f"{_MINE}/nouveau", "entry:new", acts),
    Page("POST", f"{_MINE}/nouveau", "entry:add", acts, long=True),
    Page("GET", f"{_MINE}/prevention", "prevention:show", acts),
    Page("POST", f"{_MINE}/prevention", "prevention:say", acts),
    Page("GET", f"{_MINE}/calendrier", "exporting:show", acts),
    Page("POST", f"{_MINE}/calendrier", "exporting:choose", acts),
    Page("GET", f"{_MINE}/importer", "bringing:show", acts),
    Page("POST", f"{_MINE}/importer", "bringing:bring", acts, long=True),
    Page("GET", f"{_MINE}/agenda.ics", "exporting:export", acts),
    Page("GET", f"{_MINE}/{{appointment}}", "entry:show", acts),
    Page("POST", f"{_MINE}/{{appointment}}", "entry:change", acts, long=True),
    Page(
        "GET",
        "/agenda",
        "day:show",
        professional,
        label=("Agenda du jour", "Day’s agenda"),
        about=("Rendez-vous et créneaux, par heure", "Appointments and slots, by hour"),
        rank=25,
    ),
)


def pages(around: Surroundings) -> ServicePages:
    """The pages over one opened server."""
    templates = Path(__file__).parents[1] / "templates"
    return ServicePages("agenda", __package__, templates, ROWS, around, largest_file=LARGEST)
