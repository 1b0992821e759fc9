"""Answers whose content is sent as it is read, in whatever form the client takes: bytes, or base64 inside JSON or XML.

https://hl7.org/fhir/R4/binary.html#rest. However long the content is, an answer has some hundred kilobytes in memory.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import NamedTuple

from fhir_server.interactions.exchange import Response, Stream
from fhir_server.store.blobs.protocol import Blobs, Opened
from fhir_server.store.outside import whole
from fhir_server.store.taking_out import AFTER, BEFORE, put_back


class Sent(NamedTuple):
    """The body of an answer that is made as it is sent.

    Attributes:
        length: bytes.
        pieces: all of them, in order.
        opened: what they are read from; to be closed where they are not asked for.
    """

    length: int
    pieces: AsyncIterator[bytes]
    opened: Opened


async def sent(response: Response, blobs: Blobs, write: Callable[[bytes], bytes]) -> Sent:
    """What is sent of a response that has a stream.

    Args:
        response: whose body is a resource in JSON, or empty where the content is the answer.
        blobs: where the content is.
        write: makes of JSON what the client takes.

    Raises:
        Damaged: the content is not as it was written.
    """
    stream = response.stream
    assert stream is not None
    opened = stream.opened or await blobs.open(stream.content, stream.first, stream.end)
    if stream.at is None:
        return Sent(stream.end - stream.first, opened.pieces(), opened)
    # What nobody can have written there shows, in whatever it becomes, where the content goes.
    mark = secrets.token_hex(16).encode()
    json, at = response.body, stream.at
    before, _, after = write(b"".join((json[:at], BEFORE, mark, AFTER, json[at:]))).partition(mark)
    length = len(before) + (stream.content.size + 2) // 3 * 4 + len(after)
    return Sent(length, _inside(before, opened, after), opened)


async def gathered(response: Response, blobs: Blobs) -> Response:
    """The same response, all of it in its body."""
    stream = response.stream
    if stream is None:
        return response
    if stream.opened is not None:
        content = b"".join([piece async for piece in stream.opened.pieces()])
    else:
        content = await whole(blobs, stream.content)
    body = content if stream.at is None else put_back(response.body, stream.at, content)
    return replace(response, body=body, stream=None)


def length(stream: Stream) -> int:
    """Bytes of the content that is sent."""
    return stream.end - stream.first


def shown_length(response: Response) -> int:
    """About how many bytes it is when all of it is in its body."""
    return len(response.body) + (0 if response.stream is None else length(response.stream) * 4 // 3)


async def _inside(before: bytes, opened: Opened, after: bytes) -> AsyncIterator[bytes]:
    # Held back until it is known to be the last, so that what is short is sent at once.
    held = before
    async for piece in opened.pieces():
        if held is not before:
            yield held
        # Each but the last is a whole number of base64's groups (`blobs.protocol.CHUNK`).
        held = before + b64encode(piece) if held is before else b64encode(piece)
    yield held + after
