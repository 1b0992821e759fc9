"""Every job, and how often it is done."""

from __future__ import annotations

from datetime import datetime, timedelta

from fhir_server.jobs.clock import Job
from fhir_server.jobs.outbox import Outbox
from fhir_server.space.accesses.emergencies import EmergencyNotices
from fhir_server.space.catalogue.app_notices import AppNotices
from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.conventions import Conventions
from fhir_server.space.catalogue.registry import Catalogue

DAY = timedelta(days=1)


def jobs(catalogue: Catalogue, consents: Consents, outbox: Outbox, link: str) -> list[Job]:
    """What is to be done, in this order: what is sent comes last.

    Args:
        catalogue, consents, outbox: of one opened store.
        link: address of the page "Mes applications".
    """
    notices = AppNotices(catalogue, consents, outbox, link)
    emergencies = EmergencyNotices(catalogue.repository, outbox, link)

    async def send(now: datetime) -> int:
        return await outbox.send(lambda: now)

    return [
        Job("conventions", DAY, Conventions(catalogue).end),
        Job("synchronised-apps", DAY, notices.synchronised),
        Job("reconsent", DAY, notices.reconsent),
        Job("emergencies", timedelta(minutes=10), emergencies.tell),
        Job("outbox", timedelta(0), send),
    ]
