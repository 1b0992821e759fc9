"""One websocket as a conversation sees it: text in, text out, and an end."""

from __future__ import annotations

from typing import Protocol

#: RFC 6455 §7.4.1: what was sent is of a kind, or says something, that is not taken; the server goes on no more.
UNSUPPORTED, POLICY = 1003, 1008


class Over(Exception):
    """The conversation is ended by this side.

    Attributes:
        code: of RFC 6455 §7.4.1.
        words: why, of 123 bytes at most: nothing of what is told.
    """

    def __init__(self, words: str, code: int = POLICY) -> None:
        super().__init__(words)
        self.words = words
        self.code = code


class Link(Protocol):
    """A websocket whose handshake is over."""

    @property
    def address(self) -> str:
        """Where its client is, as far as it is known."""

    async def heard(self) -> str | None:
        """The next message; None when the client has gone, or the server stops.

        Raises:
            Over: it is no text.
        """

    async def tell(self, text: str) -> None:
        """Send a message, when the client takes it.

        Raises:
            Over: the client has gone.
        """

    async def end(self, code: int, words: str) -> None:
        """Close it; nothing happens where it is closed."""
