"""What a professional has before them, kept with their session: the patient whose record they opened last.

Every page for professionals is about that patient, so that nobody is looked for twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.site.signed_in import Guest
from fhir_server.smart import lifetimes
from fhir_server.smart.secret import digest

_KIND = "at-hand"


@dataclass(frozen=True, slots=True)
class AtHand:
    """What a professional has before them.

    Attributes:
        patient: id of the patient chosen.
    """

    patient: str | None = None


async def at_hand(guest: Guest[Any]) -> AtHand:
    """What is kept with the session."""
    kept = await guest.visit.authorization.records.get(_KIND, _key(guest))
    return msgspec.json.decode(kept, type=AtHand) if kept is not None else AtHand()


async def keep(guest: Guest[Any], hand: AtHand) -> None:
    """Keep it, in place of what was there."""
    await guest.visit.authorization.records.put(_KIND, _key(guest), msgspec.json.encode(hand), lifetimes.SESSION)


def _key(guest: Guest[Any]) -> str:
    return digest(guest.visit.cookie or "")
