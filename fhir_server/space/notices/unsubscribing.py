"""Ways out of being written to that stand in the messages themselves, for whoever does not sign in.

RFC 8058: one POST, without cookies or questions. What is asked to end stands in the address, encrypted and signed under
a key of this server (AES-GCM, NIST SP 800-38D): it names nobody to whoever reads it in a log, nobody makes or changes
one, and nothing is kept for it. It is good for as long as what was told is kept where the person signs in: an old mail
that comes into others' hands undoes nothing of what its reader has chosen since.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from fhir_server.jobs.outbox import Channel
from fhir_server.space.notices.centre import LASTS_SECONDS
from fhir_server.space.notices.occasions import Kind
from fhir_server.store.protocol import Keep, Records

PATH = "/notifications/arret"
LASTS = timedelta(seconds=LASTS_SECONDS)
_LONGEST = 600
_NONCE = 12
_FOR = b"notices"


@dataclass(frozen=True, slots=True)
class WayOut:
    """What a message lets its reader end.

    Attributes:
        person: "Patient/1", to whom it was written.
        channel: by which.
        kinds: that it is about.
    """

    person: str
    channel: Channel
    kinds: tuple[Kind, ...]


class _Sealed(msgspec.Struct, array_like=True):
    """What stands in an address: a way out, and until when it is one, in seconds since 1970."""

    way: WayOut
    until: int


async def path(records: Records, way: WayOut, now: datetime) -> str:
    """The path of a way out, from the root, in a message that is written now."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, sealed = os.urandom(_NONCE), _Sealed(way, int((now + LASTS).timestamp()))
    packed = AESGCM(await _key(records)).encrypt(nonce, msgspec.msgpack.encode(sealed), _FOR)
    return f"{PATH}/{base64.urlsafe_b64encode(nonce + packed).decode().rstrip('=')}"


async def way_out(records: Records, word: str, now: datetime) -> WayOut | None:
    """What the last part of such a path ends; None where it is none of ours, or was one for too long."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(word) > _LONGEST or not word.isascii():
        return None
    try:
        packed = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
        plain = AESGCM(await _key(records)).decrypt(packed[:_NONCE], packed[_NONCE:], _FOR)
        found = msgspec.msgpack.decode(plain, type=_Sealed)
    except (binascii.Error, ValueError, InvalidTag, msgspec.MsgspecError):
        return None
    return found.way if now.timestamp() < found.until else None


async def _key(records: Records) -> bytes:
    found = await records.get("key", "notices")
    if found is None:
        await records.apply([Keep("key", "notices", secrets.token_bytes(32), new=True)])
        found = await records.get("key", "notices")
    return found or b""
