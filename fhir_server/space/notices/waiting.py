"""What waits to be written to somebody: kept by when it is due, so that a look reads what is due and no more."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from fhir_server.jobs.outbox import COUNTED, Channel
from fhir_server.store.protocol import Keep, Records

#: Kind of the records: key = when it is due, ms since 1970, and a name; value = `Waiting`.
DUE = "notice-due"
#: Read at once.
PAGE = 500


class Waiting(msgspec.Struct, frozen=True):
    """One notice by one channel.

    Attributes:
        person: "Patient/1": who is to be written to.
        channel: how.
        occasion: of `OCCASIONS`.
        patient: id of whom it is about; "" for a professional.
        private: kept from who acts for the patient.
        acts: whether the person is one of these.
        at: when it was told, ms since 1970.
        name: of it, by person, channel and what happened.
    """

    person: str
    channel: Channel
    occasion: str
    patient: str
    private: bool
    acts: bool
    at: int
    name: str

    def kept(self, due: datetime) -> Keep:
        """The change that has it wait until then."""
        return Keep(DUE, f"{millis(due):015d}\n{self.name}", msgspec.json.encode(self))

    def is_older(self, than: timedelta, now: datetime) -> bool:
        """Whether it was told longer ago."""
        return self.at < millis(now - than)


async def due(records: Records, now: datetime, after: str = "") -> list[tuple[str, bytes, Waiting]]:
    """(key, value, what it says) of what is due, a page of it following the key `after`, the earliest first."""
    rows = await records.list(DUE, "", after, PAGE)
    last = f"{millis(now):015d}\n\U0010ffff"
    return [(key, value, msgspec.json.decode(value, type=Waiting)) for key, value in rows if key <= last]


async def counted(records: Records) -> int:
    """How many wait, due or not; counting stops at `COUNTED`."""
    return len(await records.list(DUE, count=COUNTED))


def taken(key: str, value: bytes) -> Keep:
    """The change that takes it away, of several who would to one: nothing is done where it is there no more."""
    return Keep(DUE, key, b"", 0.0, old=value)


def millis(at: datetime) -> int:
    """An instant in whole milliseconds since 1970."""
    return int(at.timestamp() * 1_000)
