"""Telling people: the one way in which a service has somebody told of something."""

from __future__ import annotations

from datetime import datetime

from fhir_server.jobs.outbox import Notice
from fhir_server.jobs.recipients import holder
from fhir_server.space.notices.occasions import OCCASIONS, Kind
from fhir_server.space.service import Surroundings


class Notices:
    """The notices of one opened server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around

    async def tell(
        self,
        patient: str,
        kind: Kind,
        key: str,
        *,
        occasion: str = "",
        private: bool = False,
        at: datetime | None = None,
    ) -> bool:
        """Have whom it concerns told of something in a patient's (id) space; durable when this returns.

        Args:
            patient: id.
            kind: of notice, by which people turn them on and off.
            key: names what happened, for all time: nobody is told twice of one. It appears in no message.
            occasion: of `OCCASIONS`, where it is closer than the kind alone.
            private: kept from who acts for the patient: they are not told.
            at: the time it is; now where it is not said.

        Returns:
            False when it was told before, or there is nobody to tell.
        """
        told = OCCASIONS[occasion or kind]
        to = await holder(self._around.repository(), patient)
        if to is None:
            return False
        subject, sentence = told.own[to.language]
        link = f"\n{self._around.address(told.path)}\n" if told.path else "\n"
        return await self._around.outbox.put(Notice(key, to.email, subject, f"{sentence}{link}"))


def opened(around: Surroundings) -> Notices:
    """The notices of that server."""
    return Notices(around)
