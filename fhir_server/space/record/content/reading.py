"""The bytes of a Binary that is about to be written, wherever they are: in the resource, or stored already."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.store.content import Content

#: Characters of base64 read at once: a multiple of four.
_PART = 262_144


async def pieces(context: Context, change: Change) -> AsyncIterator[bytes]:
    """All of them, in order; none of what has no content."""
    tree = change.tree or {}
    if change.content is None:
        async for piece in decoded(tree.get("data")):
            yield piece
    elif context.blobs is not None:
        async for piece in (await context.blobs.open(change.content)).pieces():
            yield piece


async def decoded(data: Any) -> AsyncIterator[bytes]:
    """The bytes that base64 means; none of what is none."""
    if not isinstance(data, str):
        return
    said = "".join(data.split())
    for start in range(0, len(said), _PART):
        try:
            yield b64decode(said[start : start + _PART])
        except ValueError:
            return


async def beginning(context: Context, change: Change, most: int) -> bytes:
    """The first of them, at most so many."""
    if isinstance(change.content, Content):
        return await beginning_of(context, change.content, most)
    # White space may stand between the characters.
    data = str((change.tree or {}).get("data", ""))[: 4 * most]
    return b"".join([piece async for piece in decoded(data[: len(data) // 4 * 4])])[:most]


async def beginning_of(context: Context, content: Content, most: int) -> bytes:
    """The first bytes of stored content."""
    assert context.blobs is not None
    opened = await context.blobs.open(content, 0, most)
    return b"".join([piece async for piece in opened.pieces()])


def size(change: Change) -> int:
    """How many bytes there are; of base64 with white space in it, at most so many."""
    if change.content is not None:
        return change.content.size
    data = str((change.tree or {}).get("data", ""))
    said = "".join(data.split())
    return len(said) * 3 // 4 - said[-2:].count("=")
