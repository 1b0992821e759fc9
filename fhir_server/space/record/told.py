"""What the record tells patients as time passes: every notice of its own."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.jobs.clock import Job
from fhir_server.space.record import agreements, announcements, arrivals, first_accesses
from fhir_server.space.service import Surroundings


def jobs(around: Surroundings) -> Sequence[Job]:
    """The jobs of the record."""
    return tuple(job for one in (agreements, announcements, arrivals, first_accesses) for job in one.jobs(around))
