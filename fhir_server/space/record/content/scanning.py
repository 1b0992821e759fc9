"""Asks an antivirus daemon about content: clamd's INSTREAM, in pieces. What cannot be asked is not stored.

https://docs.clamav.net/manual/Usage/Scanning.html#clamd, clamd(8): `z` and a NUL end a command; a length of four bytes,
network order, goes before each piece, and a length of zero ends the content.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from fhir_server.fhir.outcome import Invalid, Unavailable

#: How long one content may take, in seconds.
_SECONDS = 30.0
_log = logging.getLogger(__name__)


async def scan(place: str, pieces: AsyncIterator[bytes], element: str) -> None:
    """Have content looked through.

    Args:
        place: `host:port`, or the path of a socket.
        pieces: the content.
        element: what refusals name.

    Raises:
        Invalid: it holds what the daemon knows, or is longer than it takes (422).
        Unavailable: the daemon does not answer, or fails (503).
    """
    try:
        async with asyncio.timeout(_SECONDS):
            said = await _asked(place, pieces)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        _log.error("The antivirus daemon cannot be asked: %s.", type(error).__name__)
        raise _unasked() from None
    if said.endswith(" OK"):
        return
    if said.endswith(" FOUND"):
        name = said.removeprefix("stream: ").removesuffix(" FOUND")
        _log.warning("Content was refused by the antivirus: %s.", name)
        raise Invalid(f"The antivirus refuses this content: {name}.", element, code="security", key="document-virus")
    if "size limit exceeded" in said:
        raise Invalid("The content is longer than the antivirus takes.", element, code="too-long", key="document-virus")
    _log.error("The antivirus daemon failed: %s.", said)
    raise _unasked()


def _unasked() -> Unavailable:
    return Unavailable("Content cannot be looked through for viruses now.", headers={"Retry-After": "30"})


async def _asked(place: str, pieces: AsyncIterator[bytes]) -> str:
    """The daemon's answer, without the NUL that ends it."""
    host, colon, port = place.rpartition(":")
    if colon and port.isdigit():
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    else:
        reader, writer = await asyncio.open_unix_connection(place)
    # A daemon that has had enough says so and hangs up, which takes back what was not read by then.
    answer = asyncio.ensure_future(reader.readuntil(b"\0"))
    try:
        with suppress(ConnectionError):
            await _sent(writer, pieces, answer)
        return (await answer)[:-1].decode("utf-8", "replace").strip()
    finally:
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        writer.close()


async def _sent(writer: asyncio.StreamWriter, pieces: AsyncIterator[bytes], answer: asyncio.Future[bytes]) -> None:
    writer.write(b"zINSTREAM\0")
    async for piece in pieces:
        if answer.done():
            return
        if piece:
            writer.write(len(piece).to_bytes(4) + piece)
            await writer.drain()
    writer.write(bytes(4))
    await writer.drain()
