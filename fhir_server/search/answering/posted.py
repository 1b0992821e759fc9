"""Page links of a search that was posted: they say nothing of what was posted, and are never longer than a URL may be.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/http.html#paging. Who posts a search keeps its values
out of addresses, which logs, proxies and histories keep; a link that repeated them would put them there. What was
posted is sealed into the link (AES-GCM, RFC 5116); what is too long for that is kept for a while, so many at most a
caller. The pages of a search in a URL that would become too long with a position in it have such links too.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from fhir_server.fhir.outcome import Gone, InvalidParameter, TooCostly, TooManyRequests
from fhir_server.search.answering.bundle import url
from fhir_server.store.protocol import Records

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Pair = tuple[str, str]

#: Characters of a link as long as proxies and servers let pass (RFC 9110 §4.1 asks for 8,000 octets).
LONGEST = 8_000
#: Bytes sealed into a link; longer ones are kept. In base64 four thirds of it, well below the longest URL read.
SEALED = 6_000
#: How long what is too long to be sealed is kept after the last of its pages.
KEPT_SECONDS = 600.0
#: Long searches of one caller kept at once.
SLOTS = 128
#: Slots looked at for a free one.
PROBES = 8
#: Bytes of a search once unpacked: what a form may hold, and a little.
_LARGEST = 4_000_000
#: In front of the token of such a link; a cursor's own alphabet has no point.
PREFIX = "posted."
_KIND = "posted-search"
_NONCE = 12


class _Sealed(msgspec.Struct, array_like=True):
    """What a link holds.

    Attributes:
        cursor: the signed position; "" for the first page.
        packed: the parameters; b"" where they are kept.
        slot, name: where they are kept then.
    """

    cursor: str
    packed: bytes = b""
    slot: int = 0
    name: bytes = b""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Sealed).decode
_pairs = msgspec.msgpack.Decoder(list[Pair]).decode


@dataclass(frozen=True, slots=True)
class Posted:
    """The links of one posted search.

    Attributes:
        key: the server's secret that cursors are signed with.
        records: where long ones are kept; None where nothing is.
        hides: whether it was posted; else only links that would be longer than `LONGEST` are made here.
        caller: who asks, so that nobody's are crowded out by another's; None for nobody, who has none kept.
    """

    key: bytes
    records: Records | None
    caller: str | None
    hides: bool = True
    _held: dict[str, tuple[bytes, int, bytes]] = field(default_factory=dict)

    async def link(self, base: str, path: str, pairs: Sequence[Pair], cursor: str) -> str:
        """The address of a page: as a GET of it would be, or sealed where it was posted or would be too long.

        Args:
            base: of the server.
            path: that is searched, relative to it.
            pairs: the parameters used.
            cursor: the signed position; "" for the first page.

        Raises:
            TooCostly, TooManyRequests: as `token`.
        """
        plain = url(base, path, [*pairs, *([("_cursor", cursor)] if cursor else [])])
        if not (self.hides or (cursor and len(plain) > LONGEST)):
            return plain
        return url(base, path, [("_cursor", await self.token(path, pairs, cursor))])

    async def token(self, path: str, pairs: Sequence[Pair], cursor: str) -> str:
        """The value of `_cursor` in a link.

        Args:
            path: that is searched, which the link is good for.
            pairs: the parameters used.
            cursor: the signed position; "" for the first page.

        Raises:
            TooCostly: too long, and nothing is kept for this caller.
            TooManyRequests: too many of this caller's are kept already.
        """
        held = self._held.get(path)
        if held is None:
            held = self._held[path] = await self._hold(path, pairs)
        whole = _pack(_Sealed(cursor, *held))
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._cipher().encrypt(nonce, whole, path.encode())
        return PREFIX + urlsafe_b64encode(sealed).rstrip(b"=").decode()

    async def opened(self, token: str, path: str) -> list[Pair]:
        """The parameters of a link's page, `_cursor` last where it is not the first.

        Raises:
            InvalidParameter: not made by this server, or for another path.
            Gone: what it stands for is kept no longer.
        """
        found = self._unsealed(token, path)
        packed = found.packed or await self._kept(found.slot, found.name)
        pairs = _pairs(await asyncio.to_thread(_inflated, packed))
        return [*pairs, *([("_cursor", found.cursor)] if found.cursor else [])]

    def _unsealed(self, token: str, path: str) -> _Sealed:
        from cryptography.exceptions import InvalidTag

        try:
            sealed = urlsafe_b64decode(token.removeprefix(PREFIX).encode("ascii") + b"=" * (-len(token) % 4))
            content = self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], path.encode())
            return _unpack(content)
        except (ValueError, InvalidTag, msgspec.MsgspecError):
            raise InvalidParameter("This page link is not one this server gave for this search.") from None

    async def _hold(self, path: str, pairs: Sequence[Pair]) -> tuple[bytes, int, bytes]:
        """What every link of the search holds: packed once, since a form may have a million characters."""
        packed = await asyncio.to_thread(zlib.compress, _pack(list(pairs)), 6)
        if len(packed) <= SEALED:
            return packed, 0, b""
        return b"", *await self._keep(path, packed)

    async def _keep(self, path: str, packed: bytes) -> tuple[int, bytes]:
        if self.records is None or self.caller is None:
            raise TooCostly("A search this long is answered in pages to known callers only: ask for less at once.")
        name = hmac.digest(self.key, path.encode() + b"\0" + packed, "sha256")[:16]
        first = int.from_bytes(name[:4])
        for probe in range(PROBES):
            slot = (first + probe) % SLOTS
            place = self._place(slot)
            if await self.records.add(_KIND, place, name + packed, KEPT_SECONDS):
                return slot, name
            there = await self.records.get(_KIND, place)
            if there is not None and hmac.compare_digest(there[:16], name):
                await self.records.put(_KIND, place, there, KEPT_SECONDS)
                return slot, name
        raise TooManyRequests(
            "Too many long searches of this caller are being paged through.", headers={"Retry-After": "60"}
        )

    async def _kept(self, slot: int, name: bytes) -> bytes:
        there = await self.records.get(_KIND, self._place(slot)) if self.records is not None else None
        if there is None or not hmac.compare_digest(there[:16], name):
            raise Gone("The search of this page link is kept no longer: post it again.", "http._cursor")
        return there[16:]

    def _place(self, slot: int) -> str:
        owner = hmac.digest(self.key, (self.caller or "").encode(), "sha256")[:12].hex()
        return f"{owner}:{slot}"

    def _cipher(self) -> AESGCM:
        # Imported with the first posted search: it is as large as all that a plain one needs.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hmac.digest(self.key, b"links of posted searches", "sha256"))


def _inflated(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(packed, _LARGEST)
    if unpacker.unconsumed_tail:
        raise ValueError("longer than any search")
    return found
