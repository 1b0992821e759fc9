"""What a token of a catalogue's app gives now: the scopes it holds, met with purposes, consents and the app's status.

Consent is asked of patients, representatives and caregivers; professionals' apps are held to purposes and status, and
the policy holds everybody to their own rights. An app of one audience gives the other nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fhir_server.access.scopes import SPECIAL
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.people.accounts import Account, Accounts, acts_for
from fhir_server.smart.tokens.storage import Family
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.registry import Catalogue


class AppRights:
    """Judges by the catalogue and the consents of one opened store."""

    def __init__(self, catalogue: Catalogue | None, accounts: Accounts) -> None:
        """Without a catalogue the clients that say they are of it get nothing."""
        self._catalogue = catalogue
        self._accounts = accounts
        self._consents = Consents(catalogue) if catalogue is not None else None

    async def app(self, client: Client) -> App | None:
        """The app that the client is; None when it is not of the catalogue, or no more there."""
        if client.device is None or self._catalogue is None:
            return None
        found = await self._catalogue.get(client.device)
        return found if found is not None and found.client == client.id else None

    async def held(
        self, client: Client, scope: Sequence[str], account: Account | None, patient: str | None
    ) -> tuple[str, ...]:
        """The scopes that give something now; all of them for a client outside the catalogue.

        Args:
            client: the software.
            scope: granted before, or asked for.
            account: the person; None for software alone.
            patient: id of the patient in context.
        """
        if client.device is None:
            return tuple(scope)
        app = await self.app(client)
        now = datetime.now(UTC)
        if app is None or self._catalogue is None or self._consents is None:
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

    async def admits(self, client: Client, account: Account, patient: str | None, scope: Sequence[str]) -> bool:
        """Whether the person may open the client for `scope`, on the patient.

        An app in pre-series is for invented people, and the data of an app for one audience are not for the other.
        """
        app = await self.app(client)
        if app is None:
            return True
        data = any(one not in SPECIAL for one in scope)
        return (not data or _is_for(app, account)) and await self._admitted(app, account, patient)

    async def _admitted(self, app: App, account: Account, patient: str | None) -> bool:
        """Who is real, or acts for somebody real, is not even named to an app that nobody has reviewed."""
        if app.status != "PRESERIE":
            return True
        if self._catalogue is None or account.staff:
            return False
        patients = {*account.patients, *([patient] if patient else [])}
        return bool(patients) and all([await self._catalogue.synthetic(one) for one in patients])

    async def of_family(self, client: Client, family: Family, scope: Sequence[str]) -> tuple[str, ...]:
        """As `held`, for a person's authorization.

        () when their account is closed, they act for the patient no more, or nothing about data is left.
        """
        account = await self._accounts.get(family.account)
        if account is None or not account.open or not acts_for(account, family.patient):
            return ()
        if client.device is None:
            return tuple(scope)
        found = await self.held(client, scope, account, family.patient)
        asked = any(one not in SPECIAL for one in scope)
        return found if not asked or any(one not in SPECIAL for one in found) else ()


def _is_for(app: App, account: Account) -> bool:
    """Whether the app's data are for people like this one."""
    return not account.staff and account.professional == (app.audience == "professional")
