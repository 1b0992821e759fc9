"""Telling people: the one way in which a service has somebody told of something."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from msgspec.structs import replace

from fhir_server.jobs.outbox import REMEMBERED_SECONDS
from fhir_server.space.notices import centre, people
from fhir_server.space.notices.centre import Told
from fhir_server.space.notices.occasions import OCCASIONS, Kind
from fhir_server.space.notices.people import Person
from fhir_server.space.notices.preferences import preferences
from fhir_server.space.notices.quiet import after_quiet
from fhir_server.space.notices.waiting import Waiting, counted, millis
from fhir_server.space.service import Surroundings
from fhir_server.store.protocol import Drop, Keep, Records

#: Kind of the records: key = what was told of once.
NOTICED = "noticed"


class Notices:
    """The notices of one opened server."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self._around = around
        self._channels = around.outbox.channels

    @property
    def records(self) -> Records:
        """Where they are kept."""
        return self._around.records

    async def waiting(self) -> int:
        """How many wait until they may be written, counted up to a bound: for morning, the next hour, an address."""
        return await counted(self._around.records)

    async def told(self, key: str) -> bool:
        """Whether something of that key was told of before: what asks first need not look anything up."""
        return await self._around.records.get(NOTICED, key) is not None

    async def tell(
        self,
        patient: str,
        kind: Kind,
        key: str,
        *,
        occasion: str = "",
        private: bool = False,
        at: datetime | None = None,
        but: Collection[str] = (),
    ) -> bool:
        """Have whom it concerns told of something in a patient's (id) space; durable when this returns.

        Args:
            patient: id.
            kind: of notice, by which people turn them on and off.
            key: names what happened, for all time: nobody is told twice of one. It appears in no message.
            occasion: of `OCCASIONS`, where it is closer than the kind alone.
            private: kept from who acts for the patient: they are not told.
            at: the time it is; now where it is not said.
            but: who is not told ("Patient/1"), since they did it.

        Returns:
            False when it was told before, or there is nobody to tell.

        Raises:
            ValueError: the occasion is none of that kind.
        """
        name, now = occasion or kind, at or datetime.now(UTC)
        if OCCASIONS[name].kind != kind:
            raise ValueError(f"{name} is no occasion of the kind {kind}.")
        if await self.told(key):
            return False
        told = [one for one in await people.told_of(self._around, patient, private, now) if one.reference not in but]
        return await self._keep(told, name, patient, private, key, now)

    async def tell_professional(self, reference: str, occasion: str, key: str, at: datetime) -> bool:
        """Have a professional ("Practitioner/1") told of something; as `tell`, but that no patient is named to them."""
        if await self.told(key):
            return False
        found = await people.professional(self._around, reference, at)
        return await self._keep([found] if found is not None else [], occasion, "", False, key, at)

    async def _keep(
        self, told: Sequence[Person], occasion: str, patient: str, private: bool, key: str, now: datetime
    ) -> bool:
        if not told:
            return False
        changes: list[Keep | Drop] = [Keep(NOTICED, key, b"1", REMEMBERED_SECONDS, new=True)]
        written: set[str] = set()
        for person in told:
            name = sha256(f"{key}\n{person.reference}".encode()).hexdigest()[:24]
            said = Told(occasion, patient, int(now.timestamp() * 1_000_000), person.acts)
            changes += centre.kept(person.reference, said, name)
            one = Waiting(person.reference, "email", occasion, patient, private, person.acts, millis(now), name)
            changes += await self._waiting(person, one, written, now)
        # In one commit: what is remembered as told is there to be sent, whenever the process dies.
        return await self._around.records.apply(changes)

    async def _waiting(self, person: Person, one: Waiting, written: set[str], now: datetime) -> list[Keep]:
        """What waits to be written to a person; who shares an address with another is written to once."""
        if person.reach is None:
            return []
        found, chosen = [], await preferences(self._around.records, person.reference)
        told = OCCASIONS[one.occasion]
        for channel in self._channels:
            place = person.reach.by(channel)
            always = told.at_once and channel == "email"
            if not (always or chosen.wants(told.kind, channel)) or place in written:
                continue
            written |= {place} if place else set()
            due = now if always else after_quiet(now, self._around.settings.notices_quiet)
            found.append(replace(one, channel=channel, name=f"{channel}-{one.name}").kept(due))
        return found


def opened(around: Surroundings) -> Notices:
    """The notices of that server."""
    return Notices(around)
