"""The HTTP/1.1 connection: uvicorn's, with a limit to what stands before a body and how long it may take to come.

RFC 9112 §3.2, RFC 6585 §5, RFC 9110 §15.5.9. What the parser refuses never reaches the application, so that the
OperationOutcome every refusal owes its client is written here.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_server.fhir.outcome import Issue, Malformed

#: The longest request line and headers together, in bytes.
LONGEST_HEAD = 131_072
#: How long they may take to come, in seconds from the first byte or, on a new connection, from its start.
HEAD_SECONDS = 20.0


class Connection(HttpToolsProtocol):
    """One connection of a client.

    A head in one packet, as nearly all are, costs nothing here: only one that is cut off is counted and timed.
    """

    _in_head = True
    _received = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expected()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, while the head is not too long."""
        super().data_received(data)
        if not self._in_head or self.transport.is_closing():
            return
        self._received += len(data)
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._too_late)
        if self._received > LONGEST_HEAD:
            self._refuse(431, f"The request line and headers are longer than {LONGEST_HEAD} bytes.", "too-long")

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._expected()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(400, "This is not an HTTP request.", "structure")

    def _expected(self) -> None:
        self._in_head, self._received = False, 0
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _too_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            if self._received:
                self._refuse(408, "The request line and headers took too long to come.", "timeout")
            else:
                self.transport.close()

    def _refuse(self, status: int, words: str, code: str) -> None:
        body = Malformed(issues=[Issue("error", code, words)]).body()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/fhir+json; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
