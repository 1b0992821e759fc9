"""What a token of a catalogue's app gives now: the scopes it holds, met with purposes, consents and the app's status.

Consent is asked of patients, representatives and caregivers; professionals' apps are held to purposes and status, and
the policy holds everybody to their own rights. An app of one audience gives the other nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fhir_server.access.scopes import SPECIAL
from fhir_server.smart.people.accounts import Account
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.registry import Catalogue


class AppRights:
    """Judges by the catalogue and the consents of one opened store."""

    def __init__(self, catalogue: Catalogue, consents: Consents) -> None:
        """Both of one store."""
        self._catalogue = catalogue
        self._consents = consents

    async def held(
        self, app: App | None, scope: Sequence[str], account: Account | None, patient: str | None
    ) -> tuple[str, ...]:
        """The scopes that give something now: as `smart.clients.governing.Governing.held`, of an app; () of none."""
        now = datetime.now(UTC)
        if app is None:
            return ()
        if account is None:
            return rights.effective(app, scope, None, now)
        if not await self._admitted(app, account, patient):
            return ()
        if not _is_for(app, account):
            return rights.effective(app, [one for one in scope if one in SPECIAL], {}, now)
        invented = patient is not None and app.status == "PRESERIE"
        if account.professional:
            return rights.effective(app, scope, None, now, invented)
        decisions = await self._consents.decided(patient, app) if patient is not None else {}
        return rights.effective(app, scope, decisions, now, invented)

    async def admits(self, app: App | None, account: Account, patient: str | None, scope: Sequence[str]) -> bool:
        """Whether the person may open the app for `scope`, on the patient (id).

        An app in pre-series is for invented people, and the data of an app for one audience are not for the other.
        """
        if app is None:
            return True
        data = any(one not in SPECIAL for one in scope)
        return (not data or _is_for(app, account)) and await self._admitted(app, account, patient)

    async def _admitted(self, app: App, account: Account, patient: str | None) -> bool:
        """Who is real, or acts for somebody real, is not even named to an app that nobody has reviewed."""
        if app.status != "PRESERIE":
            return True
        if account.staff:
            return False
        patients = {*account.patients, *([patient] if patient else [])}
        return bool(patients) and all([await self._catalogue.synthetic(one) for one in patients])


def _is_for(app: App, account: Account) -> bool:
    """Whether the app's data are for people like this one."""
    return not account.staff and account.professional == (app.audience == "professional")
