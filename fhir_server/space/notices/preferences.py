"""What a person wants to be written of, and how: kept with the person, for themself and for all whom they act for.

They are records of the space and no Consents: they let nobody see anything. Only what differs from the beginning is
kept, so that a kind that comes later is told of as the others are: by e-mail, and by SMS to who asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from fhir_server.jobs.outbox import Channel
from fhir_server.space.notices.occasions import KINDS, Kind
from fhir_server.store.protocol import Keep, Records

#: Kind of the records: key = "Patient/1", value = `Preferences`.
PREFERENCES = "notice-preferences"
CHANNELS: tuple[Channel, ...] = ("email", "sms")


class Preferences(msgspec.Struct, frozen=True):
    """What one person chose.

    Attributes:
        without_email: kinds of which they get no e-mail.
        with_sms: kinds of which they get an SMS.
    """

    without_email: tuple[Kind, ...] = ()
    with_sms: tuple[Kind, ...] = ()

    def wants(self, kind: Kind, channel: Channel) -> bool:
        """Whether they are written to of a kind by a channel."""
        return kind not in self.without_email if channel == "email" else kind in self.with_sms

    def changed(self, wanted: Mapping[tuple[Kind, Channel], bool]) -> Preferences:
        """The same with some of it chosen anew."""

        def chosen(channel: Channel, on: bool) -> tuple[Kind, ...]:
            return tuple(one for one in KINDS if wanted.get((one, channel), self.wants(one, channel)) is on)

        return Preferences(chosen("email", False), chosen("sms", True))


async def preferences(records: Records, person: str) -> Preferences:
    """What a person ("Patient/1") chose."""
    return _read(await records.get(PREFERENCES, person))


async def prefer(records: Records, person: str, wanted: Mapping[tuple[Kind, Channel], bool]) -> Preferences:
    """Keep what a person chooses; what they do not speak of stays, also what they choose elsewhere meanwhile."""
    while True:
        [before] = await records.get_each([(PREFERENCES, person)])
        after = _read(before).changed(wanted)
        keep = Keep(PREFERENCES, person, msgspec.json.encode(after), new=before is None, old=before)
        if await records.apply([keep]):
            return after


def none_of(kinds: Iterable[Kind], channel: Channel) -> dict[tuple[Kind, Channel], bool]:
    """Nothing any more of some kinds by a channel."""
    return dict.fromkeys(((kind, channel) for kind in kinds), False)


def _read(value: bytes | None) -> Preferences:
    return Preferences() if value is None else msgspec.json.decode(value, type=Preferences)
