"""The keys id_tokens are signed with: made at first need, rotated by command, the same for every node of a store.

RFC 7517, RFC 7518 §3.3. OpenID Connect Core §15.1 and SMART ask every server for RS256. Access tokens are not signed:
they are opaque (looked up in 10 µs, where checking a signature takes 150 to 700) and end when they are revoked.

They stand in the store's records as they are: whoever may read the file of an embedded store, which is its owner alone
(`store/private.py`), or a copy of it, has them, as they have every other secret of the server.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.smart.lifetimes import RETIRED_KEY
from fhir_server.store.protocol import Records

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
#: Bits of a new key: RFC 7518 §3.3 asks for 2048 at least.
BITS = 2048
#: How long a worker signs with the key it knows, in seconds: a retired one stays published for much longer.
KNOWN = 60.0

_PLACE = ("signing-key", "all")


def key_file(data: Path) -> Path:
    """Where earlier servers kept the keys in a data folder."""
    return data / "keys" / "signing.json"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One key: its private JWK, and when it was retired (seconds since 1970; None: it signs)."""

    jwk: dict[str, Any]
    retired: float | None = None


class Keys:
    """The signing keys of one store."""

    def __init__(self, records: Records, file: Path) -> None:
        """Kept in `records`; those that an earlier server left in `file` are taken over from there at first need."""
        self._records = records
        self._file = file
        self._signing: RSAKey | None = None
        self._known_until = 0.0

    async def jwks(self) -> dict[str, Any]:
        """The public keys, the signing one first: RFC 7517 §5. Retired ones stay until what they signed has expired."""
        from joserfc.jwk import RSAKey

        kept = [one for one in _read(await self._value()) if not _over(one)]
        return {"keys": [RSAKey.import_key(one.jwk).as_dict(private=False) for one in kept]}

    async def signing(self) -> RSAKey:
        """The key to sign with, for `signed`."""
        from joserfc.jwk import RSAKey

        if self._signing is None or time.monotonic() > self._known_until:
            self._signing = RSAKey.import_key(_read(await self._value())[0].jwk)
            self._known_until = time.monotonic() + KNOWN
        return self._signing

    async def rotate(self) -> str:
        """Sign with a new key from now on; its `kid` is returned. Running servers follow within a minute."""
        made = await asyncio.to_thread(_made)
        while True:
            value = await self._value()
            if await self._records.swap(*_PLACE, value, _written([_Kept(made), *_retired(_read(value))])):
                self._signing = None
                return str(made["kid"])

    async def _value(self) -> bytes:
        """The keys as they are kept; made or taken over where there are none. Of several workers one makes them."""
        value = await self._records.get(*_PLACE)
        left = await asyncio.to_thread(self._left)
        if value is not None and not left:
            return value
        if value is None:
            made = left or [_Kept(await asyncio.to_thread(_made))]
            await self._records.add(*_PLACE, _written(made))
        else:
            # Another node's were first: what this one signed lately can still be checked.
            known = {one.jwk["kid"] for one in _read(value)}
            missing = _retired([one for one in left if one.jwk["kid"] not in known])
            await self._records.swap(*_PLACE, value, _written([*_read(value), *missing]))
        value = await self._records.get(*_PLACE) or b"[]"
        if {one.jwk["kid"] for one in left} <= {one.jwk["kid"] for one in _read(value)}:
            await asyncio.to_thread(self._file.unlink, missing_ok=True)
        return value

    def _left(self) -> list[_Kept]:
        """What an earlier server left in this node's folder, and is not over."""
        try:
            return [one for one in _read(self._file.read_bytes()) if not _over(one)]
        except FileNotFoundError:
            return []


def signed(claims: dict[str, Any], key: RSAKey) -> str:
    """`claims` as a signed JWT: a millisecond of arithmetic, for a thread."""
    from joserfc import jwt

    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


def _read(value: bytes) -> list[_Kept]:
    return msgspec.json.decode(value, type=list[_Kept])


def _written(kept: list[_Kept]) -> bytes:
    return msgspec.json.encode(kept)


def _retired(kept: list[_Kept]) -> list[_Kept]:
    """Those that still matter, none of them signing."""
    now = time.time()
    return [one if one.retired is not None else _Kept(one.jwk, now) for one in kept if not _over(one)]


def _over(kept: _Kept) -> bool:
    return kept.retired is not None and kept.retired + RETIRED_KEY < time.time()


def _made() -> dict[str, Any]:
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM})
    return {**key.as_dict(private=True), "kid": key.thumbprint()}
