"""A websocket (RFC 6455) that an HTTP connection has become: uvicorn's, counted and watched as every connection is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from fhir_server.http.connection_end import Outlet
from fhir_server.http.connection_limits import STATE, Door, Limits

#: The longest message, in bytes: a client says which Subscription, or a token, and nothing else.
LONGEST_MESSAGE = 4_096
#: Fragments of a message: an empty one costs its sender six bytes, and is kept until the last has come.
MOST_FRAGMENTS = 64
#: Pings and pongs between two looks (a second).
MOST_SIGNS = 50
#: Seconds between two pings of ours, and for which an answer is waited for: who has gone without a word is noticed.
PING_SECONDS = 20.0


class SocketConnection(WebSocketsSansIOProtocol):
    """One websocket of a client."""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        """As uvicorn makes one; the worker's door is in `app_state`."""
        super().__init__(config, server_state, app_state, _loop)
        self._door: Door = app_state.get(STATE) or Door(Limits())
        self._outlet: Outlet
        self._address = ""
        self._since = self.loop.time()
        self._signs = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the place of the HTTP connection that it was, which has left."""
        self._outlet = cast(Outlet, transport)
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        if not self._door.enter(self, self._address):
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place among the connections of this address to others."""
        self._door.leave(self, self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; who sends before they are answered is no client of RFC 6455 (§4.1), and is ended."""
        if self.handshake_initiated and not self.handshake_complete:
            self.end()
            return
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        """Hand a message over. Text that is no UTF-8 ends it (§8.1): anybody may send it, so no log tells of it."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(self.frames):
            self.frames = []
            self.conn.send_close(1007)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """A fragment of a message."""
        if len(self.frames) >= MOST_FRAGMENTS:
            self.end()
            return
        super().handle_cont(event)

    def handle_ping(self) -> None:
        """A ping, which was answered."""
        self._signs += 1
        if self._signs > MOST_SIGNS:
            self.end()
            return
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """A pong, of ours or of nobody's ping."""
        self._signs += 1
        if self._signs > MOST_SIGNS:
            self.end()
            return
        super().handle_pong(event)

    async def send(self, message: Any) -> None:
        """Send what the application says."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # Whom it refuses it has answered: to uvicorn that would be a failure, which it tells of in the log.
            self.handshake_complete = True

    @property
    def unused(self) -> bool:
        """Never: somebody waits to be told."""
        return False

    @property
    def owed(self) -> int:
        """Bytes that the client has not taken yet."""
        return self._outlet.owed

    def end(self) -> None:
        """End it at once, without a word."""
        self._outlet.abort()

    def look(self, now: float) -> None:
        """End what has lasted too long: what is sent is not taken, or the handshake is not over."""
        self._signs = 0
        limits = self._door.limits
        late = not self.handshake_complete and now - self._since > limits.head_seconds
        if late or self._outlet.is_stuck(now, limits.write_seconds):
            self.end()


def _is_text(frames: Sequence[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True
