"""The way out of a connection: counts what the client takes, and closes so that the last answer is read.

RFC 9112 §9.6: who closes while the client still sends has the answer destroyed by a reset. The server half-closes
instead, throws away what comes for a while, then closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

#: The least a client takes of an answer within `Limits.write_seconds`, in bytes, unless it takes it all.
LEAST_TAKEN = 65_536


class Outlet:
    """A transport as uvicorn uses it.

    Attributes:
        lingering_since: when it was half-closed, in the event loop's time; None while it is open.
    """

    __slots__ = ("_is_reading", "_paused", "_taken", "_taken_at", "_transport", "_written", "_wrote", "lingering_since")

    def __init__(
        self, transport: asyncio.Transport, is_reading: Callable[[], bool], wrote: Callable[[int], None] | None = None
    ) -> None:
        """`is_reading` says whether a request is still coming in; `wrote` is told the bytes of each large write."""
        self._wrote = wrote
        self._transport = transport
        self._is_reading = is_reading
        self._written = 0
        self._taken = 0
        self._taken_at: float | None = None
        self._paused = False
        self.lingering_since: float | None = None

    @property
    def owed(self) -> int:
        """Bytes written that the client's side has not taken yet."""
        return self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """As a transport does; what nobody is left to read, as the answers to a pipeline, is let go."""
        if self.lingering_since is None and not self._transport.is_closing():
            self._written += len(data)
            self._transport.write(data)
            if self._wrote is not None and len(data) >= LEAST_TAKEN:
                self._wrote(len(data))

    def close(self) -> None:
        """Close, at once when the request was read to its end; else when the client stops sending, or after a while."""
        if self.is_closing():
            return
        if not self._is_reading():
            self._transport.close()
            return
        self.lingering_since = asyncio.get_running_loop().time()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.resume_reading()

    def abort(self) -> None:
        """Close at once, whatever is still to be sent."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether nothing more may be written."""
        return self.lingering_since is not None or self._transport.is_closing()

    def is_stuck(self, now: float, seconds: float) -> bool:
        """Whether the client takes its answer so slowly that it holds the server; asked now and then."""
        owed = self.owed
        if not owed:
            self._taken_at = None
            return False
        taken = self._written - owed
        if self._taken_at is None or taken - self._taken >= LEAST_TAKEN:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at > seconds

    def pause_reading(self) -> None:
        """As a transport does, but never while what comes is thrown away."""
        if self.lingering_since is None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As a transport does."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """As a transport does."""
        self._transport.set_protocol(protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As a transport does."""
        return self._transport.get_extra_info(name, default)
