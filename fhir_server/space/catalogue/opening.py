"""The catalogue over one opened server: the apps, and what patients accept of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fhir_server.jobs.clock import Job
from fhir_server.site.service_pages import ServicePages
from fhir_server.smart.clients.governing import Governing
from fhir_server.space.catalogue.app_notices import AppNotices
from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.conventions import Conventions
from fhir_server.space.catalogue.governing import AppGovernance
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.pages import rows
from fhir_server.space.catalogue.referencing import Referencing
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.space.service import Surroundings


def opened(around: Surroundings) -> Apps:
    """The catalogue of that server."""
    catalogue = Catalogue(around.repository, around.records, around.cache)
    return Apps(catalogue, Consents(catalogue), Referencing(catalogue))


def of(around: Surroundings) -> Apps:
    """The same, made once for the server."""
    found: Apps = around.service("catalogue")
    return found


def governs(around: Surroundings) -> Governing:
    """What apps of the catalogue are given at this moment."""
    here = of(around)
    return AppGovernance(here.catalogue, here.consents)


def pages(around: Surroundings) -> ServicePages:
    """The catalogue's pages, for a server with these surroundings."""
    return rows.pages(of(around))


def jobs(around: Surroundings) -> Sequence[Job]:
    """What the catalogue does as time passes."""
    here, day = of(around), timedelta(days=1)
    notices = AppNotices(here.catalogue, here.consents, around.service("notices"))
    return (
        Job("conventions", day, Conventions(here.catalogue).end),
        Job("synchronised-apps", day, notices.synchronised),
        Job("reconsent", day, notices.reconsent),
    )
