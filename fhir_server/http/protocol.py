"""The HTTP/1.1 connection: uvicorn's, with limits to what stands before a body and to how long anything may take.

RFC 9112 §3.2, RFC 6585 §5, RFC 9110 §15.5.9. What the parser refuses never reaches the application, so that the
OperationOutcome every refusal owes its client is written here. Time is kept here too, for every address alike: whoever
dribbles a head or a body, or does not take an answer, holds a connection for a while and nothing else.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_server.fhir.outcome import Issue, Malformed
from fhir_server.http.connection_end import Outlet
from fhir_server.http.connection_limits import STATE, Door, Limits

#: The longest request line and headers together, in bytes, and the most headers.
LONGEST_HEAD = 131_072
#: The longest request target, in bytes (RFC 9112 §3): what the parser of URLs can tell the parts of.
LONGEST_TARGET = 65_535
MOST_HEADERS = 200
#: The one transfer coding that is understood (RFC 9112 §6.1: others are answered with 501).
_CODING = re.compile(rb"chunked[ \t]*", re.IGNORECASE)
#: Where websockets are (RFC 6455 §3); elsewhere a wish for one is not heard.
SOCKETS = "/websocket"
#: A target that names its host itself (RFC 9112 §3.2.2), without a user's name.
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(?:[/?#]|$)", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """One connection of a client.

    A request in one packet, as nearly all are, costs three readings of the clock here.
    """

    _received = 0
    _had_body = False
    _ended = False
    _is_socket = False
    _coming: Literal["nothing", "head", "body"] = "head"
    _address = ""

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        """As uvicorn makes one; the worker's door is in `app_state`."""
        super().__init__(config, server_state, app_state, _loop)
        self._door: Door = app_state.get(STATE) or Door(Limits())
        self._since = 0.0
        self._outlet: Outlet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head, if there is room."""
        self._outlet = Outlet(transport, lambda: self._coming != "nothing", self._door.wrote)
        super().connection_made(self._outlet)  # type: ignore[arg-type]
        self._address = self.client[0] if self.client else ""
        self._since = self.loop.time()
        if not self._door.enter(self, self._address):
            # Not kept waiting for the rest of what it sends: that is what there is no room for.
            self._coming = "nothing"
            self._refuse(429, "Too many connections.", "throttled")

    def connection_lost(self, exc: Exception | None) -> None:
        """Give its place among the connections of this address to others."""
        self._door.leave(self, self._address)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Stop: nobody is waited for who was answered already."""
        if self._outlet.lingering_since is not None:
            self._outlet.abort()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Read on, while the head, and what is no body after it, is not too long and an answer is still to be given."""
        if self._outlet.lingering_since is not None:
            return
        was, self._had_body = self._coming, False
        self._unset_keepalive_if_required()
        try:
            self._read(data)
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._outlet.is_closing() or self._is_socket:
            return
        if self._coming == "nothing" and self._is_answered():
            # Line ends between requests, or the rest of a body answered early: uvicorn has forgotten its idle timer.
            self._came("head")
        elif self._coming == "head":
            self._count(len(data), "The request line and headers are")
        elif self._coming == was == "body":
            # The parts of chunks that are no body, and what follows the last one, are kept by the parser.
            if self._had_body:
                self._received = 0
            else:
                self._count(len(data), "What stands between or after the chunks of the body is")

    def _count(self, size: int, what: str) -> None:
        self._received += size
        if self._received > LONGEST_HEAD:
            self._refuse(431, f"{what} longer than {LONGEST_HEAD} bytes.", "too-long")

    def _read(self, data: bytes) -> None:
        """Have `data` parsed; a wish for another protocol, but for a websocket where these are, is not heard.

        RFC 9110 §7.8: its request is read anew, without it.
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as asked:
                if self._outlet.is_closing():
                    return
                rest = rest[asked.args[0] :]
                if self._asks_for_socket():
                    self._become_socket(bytes(rest))
                    return
                head = [
                    b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
                ]
                head += [b"%s: %s" % pair for pair in self.headers if pair[0] != b"upgrade"]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(b"\r\n".join([*head, b"", b""]))

    def _asks_for_socket(self) -> bool:
        names = {name for name, _ in self.headers}
        wanted = next(value for name, value in self.headers if name == b"upgrade")
        return (
            self.config.ws_protocol_class is not None
            and self.parser.get_method() == b"GET"
            and self.url.partition(b"?")[0] == SOCKETS.encode()
            and wanted.strip().lower() == b"websocket"
            and not names & {b"content-length", b"transfer-encoding"}
            and self._is_answered()
        )

    def _become_socket(self, rest: bytes) -> None:
        """RFC 6455 §4.2: from here on another protocol reads and writes; it is given the head that was read."""
        if rest:
            # §4.1: the client sends nothing before it is answered.
            self._refuse(400, "What follows a handshake waits for its answer.", "structure")
            return
        if wrong := self._wrong():
            self._refuse(*wrong)
            return
        if [value.strip() for name, value in self.headers if name == b"sec-websocket-version"] != [b"13"]:
            # §4.2.2: the version that is understood is said.
            more = "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
            self._refuse(426, "Websockets here are of version 13.", "not-supported", more)
            return
        self._is_socket, self._coming = True, "nothing"
        self._door.leave(self, self._address)
        self.connections.discard(self)
        head = [b"GET %s HTTP/1.1" % self.url, *(b"%s: %s" % pair for pair in self.headers)]
        made = self.config.ws_protocol_class(self.config, self.server_state, self.app_state)  # type: ignore[call-arg, misc]
        made.connection_made(self._outlet)  # type: ignore[arg-type]  # a transport as uvicorn uses it
        self._outlet.set_protocol(made)
        made.data_received(b"\r\n".join([*head, b"", b""]))

    def on_message_begin(self) -> None:
        """A request has begun."""
        if self._coming == "nothing":
            self._came("head")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of it; what follows a body is none (RFC 9110 §6.5.1: it is not merged into the head)."""
        if self._coming == "body":
            return
        super().on_header(name, value)
        if len(self.headers) == MOST_HEADERS + 1:
            self._refuse(431, f"There are more than {MOST_HEADERS} headers.", "too-long")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._outlet.is_closing():
            return
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            return
        if wrong := self._wrong():
            self._refuse(*wrong)
            return
        # A target that is no URL raises here: its request is refused like any that is not HTTP.
        super().on_headers_complete()
        self._came("body")

    def _wrong(self) -> tuple[int, str, str] | None:
        """Status, words and issue code for a head that is refused; None when it is read on."""
        names = [name for name, _ in self.headers]
        hosts = names.count(b"host")
        # RFC 9112 §3.2: one Host, which only HTTP/1.0 may leave out.
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            return 400, "A request has one Host header.", "structure"
        if len(self.url) > LONGEST_TARGET:
            return 414, f"The request target is longer than {LONGEST_TARGET} bytes.", "too-long"
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and not (len(codings) == 1 and _CODING.fullmatch(codings[0])):
            return 501, "The only transfer coding is chunked.", "not-supported"
        if not self.url.startswith(b"/") and (named := _ABSOLUTE.match(self.url)):
            # RFC 9112 §3.2.2: what the target names counts, whatever stands in Host.
            self.headers[:] = [pair for pair in self.headers if pair[0] != b"host"] + [(b"host", named[1])]
        return None

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._had_body = True
        if not self._outlet.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._outlet.is_closing() or self._coming == "head":
            # Refused, or still to be read anew.
            return
        self._came("nothing")
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        if not self._outlet.is_closing():
            self._refuse(400, "This is not an HTTP request.", "structure")

    @property
    def unused(self) -> bool:
        """Whether nothing is asked on it."""
        return self._coming != "body" and self._is_answered() and not self._outlet.owed

    @property
    def owed(self) -> int:
        """Bytes that the client has not taken yet."""
        return 0 if self._ended else self._outlet.owed

    def end(self) -> None:
        """End it at once."""
        self._ended = True
        self._outlet.abort()

    def look(self, now: float) -> None:
        """End what has lasted too long."""
        limits, outlet = self._door.limits, self._outlet
        if outlet.is_stuck(now, limits.write_seconds):
            outlet.abort()
        elif outlet.lingering_since is not None:
            if now - outlet.lingering_since > limits.linger_seconds:
                outlet.abort()
        elif self.flow.read_paused:
            # It is the server that does not read on.
            self._since = now
        elif self._coming == "head" and now - self._since > limits.head_seconds:
            self._late_head()
        elif self._coming == "body" and now - self._since > limits.body_seconds:
            self._late_body()

    def _late_head(self) -> None:
        if self._received:
            self._refuse(408, "The request line and headers took too long to come.", "timeout")
        else:
            self.end()

    def _late_body(self) -> None:
        self._refuse(408, "The body took too long to come.", "timeout")

    def _came(self, next: Literal["nothing", "head", "body"]) -> None:
        self._coming, self._received, self._since = next, 0, self.loop.time()

    def _is_answered(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    def _refuse(self, status: int, words: str, code: str, more: str = "") -> None:
        if not self._is_answered():
            if self.cycle.response_started or self.pipeline:
                self.end()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self._coming == "body":
            # Answered before its body was whole, which it still is not.
            self._outlet.close()
            return
        body = Malformed(issues=[Issue("error", code, words)]).body()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/fhir+json; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\n{more}connection: close\r\n\r\n"
        )
        self._outlet.write(head.encode() + body)
        self._outlet.close()
