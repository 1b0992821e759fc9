"""What the agenda does as time passes: people are told and reminded, and slots of what is open are made."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.jobs.clock import Job
from fhir_server.space.agenda import news
from fhir_server.space.agenda.availability import filling
from fhir_server.space.agenda.prevention import telling as prevention
from fhir_server.space.agenda.reminders import telling as reminders
from fhir_server.space.service import Surroundings


def jobs(around: Surroundings) -> Sequence[Job]:
    """All of them, in this order."""
    return (*news.jobs(around), *reminders.jobs(around), *prevention.jobs(around), *filling.jobs(around))
