"""A space is handed over to who has come of age: what is written of it, and who is told. Done again it does no harm.

Nobody sees more until then: who acts for whom, and what they let in, is judged by the clock at any moment. What is
written here says so in the resources, and lets the accounts and authorizations go.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, Invalid
from fhir_server.smart.people.accounts import Accounts
from fhir_server.smart.tokens.storage import Tokens
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.informing import Informing
from fhir_server.space.accounts.moving import Asked
from fhir_server.space.acting import ended, of_age_from
from fhir_server.space.delegations import ending, settling, telling
from fhir_server.space.delegations.delegation import DELEGATION, LIVE, Delegation, from_consent
from fhir_server.space.delegations.ending import Asker
from fhir_server.space.notices.telling import Notices
from fhir_server.space.record import choosing
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Refers, both

#: Kind of the records: key = patient (id), value = the majority that their space was handed over at, as ISO 8601.
HANDED = "majority"
_MOST = 50


class HandingOver:
    """Hands over the spaces of one opened server."""

    def __init__(self, around: Surroundings) -> None:
        """Letters are files of the data folder, as those that tell of a space."""
        self._around = around
        self._informing = Informing(around, around.settings.data / "letters")

    async def hand_over(self, tree: dict[str, Any], now: datetime) -> bool:
        """Hand over the space of a Patient who is of age; False where it was before."""
        patient, majority = str(tree["id"]), of_age_from(tree)
        if majority is None or majority > now or await self._around.records.get(HANDED, patient) is not None:
            return False
        own = self._around.repository()
        # Where nobody used it, or it is closed, nothing moves.
        with suppress(Invalid):
            await moving.move(own, patient, Asked("come-of-age", "clock", now))
        await choosing.lapse(own, patient, now)
        await self._let_go(patient, now)
        notices: Notices = self._around.service("notices")
        await notices.tell(patient, "access", f"majority {patient}", occasion="majority", private=True, at=now)
        await self._informing.of_age(patient, now)
        await self._around.records.put(HANDED, patient, majority.isoformat().encode())
        return True

    async def take_back(self, patient: str) -> None:
        """Note that somebody (id) who is a minor still, or again, has not been handed their space."""
        if await self._around.records.get(HANDED, patient) is not None:
            await self._around.records.take(HANDED, patient)

    async def _let_go(self, patient: str, now: datetime) -> None:
        """End what representatives have of it: their delegations, and the authorizations they gave."""
        own, records = self._around.repository(), self._around.records
        where = both(DELEGATION, LIVE, Refers("patient", f"Patient/{patient}"))
        page = await own.find({"Consent": where}, count=_MOST)
        known = [one for version in page.versions if (one := from_consent(parse(version.body))) is not None]
        for account in await Accounts(records).acting_for(patient):
            if await ended(own, account.subject, (patient,), int(now.timestamp() * 1_000_000)):
                await Tokens(records).end_where(account=account.id, patient=patient)
        for one in known:
            if one.kind == "representation":
                await self._end(one, now)

    async def _end(self, one: Delegation, now: datetime) -> None:
        # What was accepted ends as if by who represented; what was not, as if it were taken back.
        side = one.delegate if one.status == "active" else one.patient
        try:
            async with settling.settled(self._around, one.id, one.patient, now):
                await ending.end(self._around.repository(), one.id, Asker(side, f"Patient/{one.patient}"), now)
        except FhirError:
            # Somebody was faster.
            return
        await telling.tell(self._around, one.id, f"Patient/{one.patient}", now)
