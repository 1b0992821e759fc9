"""Private addresses at which a person's calendar programs find the agenda of a patient whom they act for.

A calendar program has no token: who knows the address reads what is there. So it holds 256 random bits of which only
the digest is kept, it is one person's for one patient, it is judged by what that person may see now, and it says
nothing of anybody's health unless they chose so. RFC 6749 §10.10 (guessing), RFC 7986 §5.7 (subscribing).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Drop, Keep, Records

#: Kinds of the records: digest of the secret → `Address`; "Patient/1 2" (person, id of the patient) → that digest.
ADDRESSES, HELD = "calendar-address", "calendar-address-of"
PATH = "/calendar"
#: Alarms of each event, and how long before it they may be, in minutes (four weeks).
MOST_ALARMS, EARLIEST_ALARM = 3, 40_320


class Shown(msgspec.Struct, frozen=True):
    """What a calendar tells.

    Attributes:
        content: whether titles, places, names and notes are in it; without them it says when, and nothing else.
        alarms: minutes before each appointment at which the calendar program reminds of it.
    """

    content: bool = False
    alarms: tuple[int, ...] = ()


class Address(msgspec.Struct, frozen=True):
    """One address.

    Attributes:
        person: "Patient/1" or "RelatedPerson/1", whose it is.
        patient: id of the patient whose agenda is there.
        since: when it was made, in ms since 1970 UTC.
        changed: when it was chosen what it tells, likewise.
        shown: what it tells.
    """

    person: str
    patient: str
    since: int
    changed: int
    shown: Shown = Shown()


def path(secret: str) -> str:
    """The path of an address, from the root."""
    return f"{PATH}/{secret}.ics"


async def address(records: Records, person: str, patient: str) -> Address | None:
    """The address that a person has for a patient; its secret is not known any more."""
    held = await records.get(HELD, _held(person, patient))
    return None if held is None else _read(await records.get(ADDRESSES, held.decode()))


async def at(records: Records, secret: str) -> Address | None:
    """What the secret of an address leads to; None where it was never made, or was revoked."""
    return _read(await records.get(ADDRESSES, digest(secret)))


async def make(records: Records, person: str, patient: str, shown: Shown, now: datetime) -> str:
    """A new address instead of the one that there was, which leads nowhere from now on; its secret, told this once."""
    secret, at_ms = made(), int(now.timestamp() * 1000)
    key, held = _held(person, patient), digest(secret)
    value = msgspec.json.encode(Address(person, patient, at_ms, at_ms, shown))
    while True:
        before = await records.get(HELD, key)
        ended = [] if before is None else [Drop(ADDRESSES, before.decode())]
        keep = Keep(HELD, key, held.encode(), new=before is None, old=before)
        if await records.apply([keep, Keep(ADDRESSES, held, value), *ended]):
            return secret


async def change(records: Records, person: str, patient: str, shown: Shown, now: datetime) -> bool:
    """Choose anew what an address tells; False where there is none."""
    while (held := await records.get(HELD, _held(person, patient))) is not None:
        before = await records.get(ADDRESSES, held.decode())
        if before is None:
            return False
        after = msgspec.structs.replace(_decoded(before), shown=shown, changed=int(now.timestamp() * 1000))
        if await records.apply([Keep(ADDRESSES, held.decode(), msgspec.json.encode(after), old=before)]):
            return True
    return False


async def revoke(records: Records, person: str, patient: str) -> bool:
    """End an address; whether there was one."""
    held = await records.take(HELD, _held(person, patient))
    return held is not None and await records.take(ADDRESSES, held.decode()) is not None


def _held(person: str, patient: str) -> str:
    return f"{person} {patient}"


def _read(value: bytes | None) -> Address | None:
    return None if value is None else _decoded(value)


def _decoded(value: bytes) -> Address:
    return msgspec.json.decode(value, type=Address)
