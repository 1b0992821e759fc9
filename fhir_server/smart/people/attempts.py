"""Counts attempts, so that what may be tried is not tried without end.

OWASP ASVS 2.2.1 (sign-in) and 11.1.4 (automation); RFC 7591 §5 asks it of open registration.
"""

from __future__ import annotations

import ipaddress

import msgspec

from fhir_server.store.protocol import Keep, Records


async def admitted(records: Records, kind: str, key: str, limit: int, seconds: float) -> bool:
    """Count one more attempt; False once there are more than `limit` within `seconds`. They are forgotten together.

    Counted before anything is looked at: simultaneous attempts, on any worker, cannot all pass under the limit.
    """
    while True:
        before = await records.get(kind, key)
        if before is None:
            if await records.add(kind, key, msgspec.json.encode(1), seconds):
                return True
            continue
        count = msgspec.json.decode(before, type=int)
        if count >= limit:
            return False
        if await records.swap(kind, key, before, msgspec.json.encode(count + 1)):
            return True


def counted(kind: str, key: str, before: bytes | None, limit: int, seconds: float) -> Keep | None:
    """The change that counts one more attempt, given what is there; None where the limit is reached already.

    To be applied with others: as `admitted`, simultaneous attempts cannot all pass under the limit.
    """
    if before is None:
        return Keep(kind, key, msgspec.json.encode(1), seconds, new=True)
    count = msgspec.json.decode(before, type=int)
    return Keep(kind, key, msgspec.json.encode(count + 1), old=before) if count < limit else None


def given_back(counted: Keep) -> Keep:
    """The change that takes back what `counted` did, where nothing came after it."""
    count = msgspec.json.decode(counted.value, type=int)
    return Keep(counted.kind, counted.key, msgspec.json.encode(count - 1), old=counted.value)


async def give_back(records: Records, kind: str, key: str) -> None:
    """Count one attempt less: it was no failure."""
    while (before := await records.get(kind, key)) is not None:
        count = msgspec.json.decode(before, type=int)
        if count <= 0 or await records.swap(kind, key, before, msgspec.json.encode(count - 1)):
            return


def network(address: str) -> str:
    """What attempts from `address` are counted under: the address, or the /64 that one IPv6 subscriber has whole."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))
