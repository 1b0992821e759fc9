"""What the record tells patients as time passes: every notice of its own."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.jobs.clock import Job
from fhir_server.space.record import agreements, announcements, arrivals
from fhir_server.space.service import Surroundings


def jobs(around: Surroundings) -> Sequence[Job]:
    """The jobs of the record."""
    return (*agreements.jobs(around), *announcements.jobs(around), *arrivals.jobs(around))
