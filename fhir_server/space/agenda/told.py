"""What people are told of their agenda as time passes: appointments they asked to be reminded of, and prevention."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.jobs.clock import Job
from fhir_server.space.agenda.prevention import telling as prevention
from fhir_server.space.agenda.reminders import telling as reminders
from fhir_server.space.service import Surroundings


def jobs(around: Surroundings) -> Sequence[Job]:
    """Both, in this order."""
    return (*reminders.jobs(around), *prevention.jobs(around))
