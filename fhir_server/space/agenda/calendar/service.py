"""Calendars of the agenda: a service of its own, beside the agenda's pages and rules. RFC 5545, RFC 7986."""

from __future__ import annotations

from fhir_server.space.service import Service

_HERE = "fhir_server.space.agenda.calendar"

CALENDAR = Service(
    "agenda/calendar",
    opens=f"{_HERE}.feed:opened",
    operations={
        "Patient-calendar-address": f"{_HERE}.operations:choose",
        "Patient-export-agenda": f"{_HERE}.operations:export",
        "Patient-import-agenda": f"{_HERE}.importing:take_in",
    },
    pages=f"{_HERE}.rows:pages",
)
