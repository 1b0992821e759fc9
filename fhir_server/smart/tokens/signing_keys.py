"""The keys id_tokens are signed with: made at first need, rotated by command, readable by their owner alone.

RFC 7517, RFC 7518 §3.3. OpenID Connect Core §15.1 and SMART ask every server for RS256. Access tokens are not signed:
they are opaque (looked up in 10 µs, where checking a signature takes 150 to 700) and end when they are revoked.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fhir_server.smart.lifetimes import RETIRED_KEY
from fhir_server.store import private

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
#: Bits of a new key: RFC 7518 §3.3 asks for 2048 at least.
BITS = 2048


def key_file(data: Path) -> Path:
    """Where the keys are in a data folder."""
    return data / "keys" / "signing.json"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One key of the file: its private JWK, and when it was retired (seconds since 1970; None: it signs)."""

    jwk: dict[str, Any]
    retired: float | None = None


class Keys:
    """The signing keys in one file, read again when another process has changed it."""

    def __init__(self, file: Path) -> None:
        """`file` need not exist: the first need makes it."""
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._kept: list[_Kept] = []
        self._signing: RSAKey | None = None

    def jwks(self) -> dict[str, Any]:
        """The public keys, the signing one first: RFC 7517 §5. Retired ones stay until what they signed has expired."""
        from joserfc.jwk import RSAKey

        self._load()
        kept = [one for one in self._kept if not _over(one)]
        return {"keys": [RSAKey.import_key(one.jwk).as_dict(private=False) for one in kept]}

    def sign(self, claims: dict[str, Any]) -> str:
        """`claims` as a signed JWT."""
        from joserfc import jwt

        key = self._load()
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    def rotate(self) -> str:
        """Sign with a new key from now on; its `kid` is returned. Running servers follow at once."""
        self._load()
        now = time.time()
        retired = [one if one.retired is not None else _Kept(one.jwk, now) for one in self._kept if not _over(one)]
        made = _made()
        self._write([_Kept(made), *retired])
        return str(made["kid"])

    def _load(self) -> RSAKey:
        from joserfc.jwk import RSAKey

        if not self._file.exists():
            self._create()
        status = self._file.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._stamp or self._signing is None:
            self._kept = msgspec.json.decode(self._file.read_bytes(), type=list[_Kept])
            self._signing = RSAKey.import_key(self._kept[0].jwk)
            self._stamp = stamp
        return self._signing

    def _create(self) -> None:
        """Make the file; of several workers that start together the first one's stays."""
        private.folder(self._file.parent)
        draft = self._draft([_Kept(_made())])
        try:
            os.link(draft, self._file)
        except FileExistsError:
            return
        finally:
            draft.unlink()

    def _write(self, kept: list[_Kept]) -> None:
        self._draft(kept).replace(self._file)

    def _draft(self, kept: list[_Kept]) -> Path:
        draft = self._file.with_name(f"{self._file.name}.{os.getpid()}.{time.monotonic_ns()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        return draft


def _over(kept: _Kept) -> bool:
    return kept.retired is not None and kept.retired + RETIRED_KEY < time.time()


def _made() -> dict[str, Any]:
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM})
    return {**key.as_dict(private=True), "kid": key.thumbprint()}
