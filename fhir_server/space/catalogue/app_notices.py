"""Notices about the apps a patient shares with: every 90 days which they are, and when one asks anew.

CSP R1111-39 and the national product's rules: the list of synchronised services every 90 days; a new version whose
purposes changed needs a new consent before a deadline.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.consents import Consents, Shared
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.space.notices.telling import Notices

#: How often a patient is told which apps they share with.
PERIOD = timedelta(days=90)
#: How long before the deadline a patient who has not answered is told once more.
LAST_CALL = timedelta(days=7)


class AppNotices:
    """The notices of one opened store."""

    def __init__(self, catalogue: Catalogue, consents: Consents, notices: Notices) -> None:
        """The catalogue of that store, what patients accept of it, and how they are told."""
        self._catalogue = catalogue
        self._consents = consents
        self._notices = notices

    async def synchronised(self, now: datetime) -> int:
        """Tell those who accepted something 90 days ago, or a multiple of that; how many were told."""
        told = 0
        for patient in await self._consents.active():
            shared = [one for one in await self._consents.of(patient) if one.active]
            period = (now - min(map(_since, shared))) // PERIOD if shared else 0
            if period > 0:
                # The number of the period is in the key, so that each is told of once, however often this runs.
                told += await self._notices.tell(patient, "service", f"synchronised/{patient}/{period}", at=now)
        return told

    async def reconsent(self, now: datetime) -> int:
        """Tell those whose consent to an app's earlier version is about to give nothing; how many were told."""
        told = 0
        for app in await self._catalogue.all():
            if app.status == "EN_LIGNE" and app.reconsent_by is not None and now.date() <= app.reconsent_by:
                call = "last" if app.reconsent_by - now.date() <= LAST_CALL else "first"
                for patient in await self._consents.patients_of(app):
                    told += await self._tell_reconsent(patient, app, call, now)
        return told

    async def _tell_reconsent(self, patient: str, app: App, call: str, now: datetime) -> bool:
        decisions = await self._consents.decided(patient, app)
        asked = (purpose for purpose in app.purposes if (known := decisions.get(purpose.code)) and known.permit)
        if all(decisions[purpose.code].terms == purpose.terms for purpose in asked):
            return False
        key = f"reconsent/{patient}/{app.id}/{app.reconsent_by}/{call}"
        return await self._notices.tell(patient, "service", key, occasion="reconsent", at=now)


def _since(shared: Shared) -> datetime:
    return min(decision.when for decision in shared.decisions.values() if decision.permit)
