"""Packing and unpacking by gzip, in threads of their own, in time that grows with what was sent and no faster.

RFC 1952 §2.2: a file is any number of members. An empty one takes 20 bytes to send and a fresh unpacker to read, so
their number is limited by what real packers make: blocks of 64 KiB (BGZF, https://samtools.github.io/hts-specs §4.1).
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor

from fhir_server.fhir.outcome import Malformed, TooLarge

#: Up to this size, in bytes, packing or unpacking costs less than a thread: of the latter some megabytes can come.
SHORT_PACKED, SHORT_PLAIN = 4_096, 200_000
#: Members of a body, and one more for so many bytes of the limit.
_MEMBERS, _EACH = 1_000, 16_384
#: What is handed to an unpacker at once, in bytes: it copies what it leaves.
_PART = 65_536
_threads = ThreadPoolExecutor(2, "packing")


async def unpacked(body: bytes, limit: int) -> bytes:
    """What `body` holds.

    Raises:
        TooLarge: more than `limit` bytes.
        Malformed: it is not gzip, not all of it, or has more members than a packer makes.
    """
    if len(body) <= SHORT_PACKED:
        return _unpacked(body, limit)
    return await asyncio.get_running_loop().run_in_executor(_threads, _unpacked, body, limit)


async def packed(body: bytes) -> bytes:
    """`body` packed, quickly rather than well."""
    if len(body) <= SHORT_PLAIN:
        return _packed(body)
    return await asyncio.get_running_loop().run_in_executor(_threads, _packed, body)


def too_large(limit: int) -> TooLarge:
    """The refusal of a body over the limit; what has not been read is not going to be: the connection ends with it."""
    return TooLarge(f"The body is larger than {limit} bytes.", headers={"Connection": "close"})


def _packed(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=2, mtime=0)


def _unpacked(body: bytes, limit: int) -> bytes:
    found = bytearray()
    rest = memoryview(body)
    members = 0
    while rest:
        members += 1
        if members > _MEMBERS + limit // _EACH:
            raise _wrong("The gzip has too many members.", "too-costly")
        rest = _member(rest, found, limit)
    return bytes(found)


def _member(rest: memoryview, found: bytearray, limit: int) -> memoryview:
    """Add the first member of `rest` to `found`; what follows it."""
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    while not unpacker.eof:
        if not rest:
            raise _wrong("The body ends before its gzip does.", "value")
        part = rest[:_PART]
        try:
            found += unpacker.decompress(part, limit + 1 - len(found))
        except zlib.error:
            raise _wrong("The body is not gzip.", "value") from None
        if len(found) > limit:
            raise too_large(limit)
        rest = rest[len(part) - len(unpacker.unused_data) :]
    return rest


def _wrong(words: str, code: str) -> Malformed:
    return Malformed(words, "http.Content-Encoding", code=code)
