"""Where mails arrive: SMTP and LMTP, spoken by aiosmtpd, and what is answered to each command.

RFC 5321, RFC 2033 (LMTP), RFC 3207 (STARTTLS), RFC 1870 (SIZE), RFC 6152 (8BITMIME). A 250 after the content is said
only when the message is durable. aiosmtpd has no DSN (RFC 3461): it is not announced, so the sender's server makes its
own reports.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP

from fhir_server.fhir.outcome import FhirError
from fhir_server.fhir.version import VERSION
from fhir_server.settings import Settings
from fhir_server.space.messages.mail.floods import Floods
from fhir_server.space.messages.mail.incoming import Recipient
from fhir_server.space.messages.mail.mailboxes import Holder
from fhir_server.space.messages.mail.refusals import Refused, Rule
from fhir_server.space.messages.mail.room import AtWork, Received
from fhir_server.space.messages.mail.wire import Lmtp, Smtp, require_taken

_log = logging.getLogger(__name__)

#: Commands of one connection; a server that sends many mails comes again.
_MOST_COMMANDS = {"*": 20, "NOOP": 100, "RSET": 1_000, "MAIL": 1_000, "RCPT": 2_000, "DATA": 1_000}
#: Refusals of one connection, after which it is ended: who tries addresses learns no more.
MOST_REFUSALS = 20
_RECEIVED = "250 2.6.0 Message accepted"
_OK = "250 2.1.0 OK"
#: RFC 5321 §4.5.3.2.7: a server waits five minutes for the next command.
_SECONDS = 300.0


class Gateway(Protocol):
    """What the doors lead to: `incoming.Incoming`."""

    async def sender(self, address: str) -> Holder | None:
        """Whose mailbox a mail comes from; None for the null sender. Refused where it is nobody's."""

    async def recipient(self, address: str) -> Recipient:
        """Whom it is to."""

    async def receive(self, raw: bytes, holder: Holder | None, to: Recipient) -> None:
        """Take a mail for one of its recipients; what it became is durable when this returns."""


#: (rule, sender, peer): notes that a mail was refused.
Trace = Callable[[Rule, str, str], Awaitable[None]]


class Doors:
    """The handler of both protocols, for one process."""

    def __init__(self, gateway: Gateway, settings: Settings, trace: Trace) -> None:
        """`trace` is told of each refusal."""
        self._gateway = gateway
        self._trace = trace
        self._networks = [ipaddress.ip_network(one, strict=False) for one in settings.mail_peers]
        self._senders = Floods(settings.mail_sender_minute)
        self._peers = Floods(settings.mail_peer_minute)
        self._most = settings.mail_connections
        self._bytes = settings.mail_max_bytes
        self._host = settings.mail_domain
        self._tls = _tls(settings)
        self._open = 0
        self._received, self._at_work = Received(), AtWork()

    # aiosmtpd's hooks, by the names it knows them

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Who sends: a mailbox of the directory, from a server of the trust space, within the limits."""
        sender = "" if address == "<>" else address

        async def judged() -> str:
            if not self._trusts(_peer(session)):
                raise Refused("peer")
            if not self._peers.take(_peer(session)) or (sender and not self._senders.take(sender.lower())):
                raise Refused("flood")
            envelope.holder = await self._gateway.sender(sender)
            envelope.mail_from = address
            envelope.mail_options.extend(options)
            return _OK

        return await self._answer(judged, session, sender)

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """Whom it is to: one patient."""

        async def judged() -> str:
            if envelope.rcpt_tos and envelope.rcpt_tos != [address]:
                raise Refused("recipients")
            if not envelope.rcpt_tos:
                envelope.recipient = await self._gateway.recipient(address)
                envelope.rcpt_tos.append(address)
            return "250 2.1.5 OK"

        return await self._answer(judged, session, _sender(envelope))

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        """The mail itself. LMTP answers once for each recipient (RFC 2033 §4.2): there is one."""

        async def judged() -> str:
            raw = require_taken(envelope)
            async with self._at_work.room(len(raw)):
                await self._gateway.receive(raw, envelope.holder, envelope.recipient)
            return _RECEIVED

        return await self._answer(judged, session, _sender(envelope))

    async def handle_exception(self, error: Exception) -> str:
        """What is answered when this server is at fault; the words of the error may hold what is in a mail."""
        _log.error("mail: %s", type(error).__name__)
        return Refused("busy").line

    async def _answer(self, judged: Callable[[], Awaitable[str]], session: Any, sender: str) -> str:
        try:
            return await judged()
        except Refused as error:
            refused = error
        except FhirError:
            # The store does not answer: nothing was taken, and the sender's server comes again.
            refused = Refused("busy")
        session.refusals = getattr(session, "refusals", 0) + 1
        if refused.is_final:
            await self._trace(refused.rule, sender, _peer(session))
        if session.refusals >= MOST_REFUSALS:
            return "421 4.7.0 Too many refusals: the connection is ended."
        return refused.line

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)

    # Protocols

    def protocol(self, lmtp: bool) -> asyncio.Protocol:
        """What speaks on a new connection."""
        if self._open >= self._most:
            return _Busy()
        self._open += 1
        made = Lmtp if lmtp else Smtp
        spoken = made(
            self,
            holding=self._received,
            data_size_limit=self._bytes,
            enable_SMTPUTF8=True,
            hostname=self._host,
            ident=f"fhir-server {VERSION}",
            tls_context=self._tls,
            timeout=_SECONDS,
            command_call_limit=_MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )
        return _counted(spoken, self._left)

    def _left(self) -> None:
        self._open -= 1


def _counted(protocol: SMTP, left: Callable[[], None]) -> SMTP:
    """The protocol, which says when its connection is over."""
    lost = protocol.connection_lost
    told = False

    def connection_lost(error: Exception | None) -> None:
        nonlocal told
        if not told:
            told = True
            left()
        lost(error)

    protocol.connection_lost = connection_lost  # type: ignore[method-assign]
    return protocol


class _Busy(asyncio.Protocol):
    """Says that there are too many connections, and ends this one (RFC 5321 §3.8)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"421 4.3.2 Too many connections: try again later.\r\n")
        transport.close()


def _peer(session: Any) -> str:
    return str(session.peer[0]) if isinstance(session.peer, tuple) else ""


def _sender(envelope: Any) -> str:
    return "" if envelope.mail_from == "<>" else str(envelope.mail_from or "")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.mail_certificate is None:
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(settings.mail_certificate, settings.mail_key)
    return made


async def listening(doors: Doors, ports: Sequence[tuple[str, int, bool]]) -> list[asyncio.Server]:
    """Servers that listen: (host, port, whether LMTP) each; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    return [await loop.create_server(_spoken(doors, lmtp), host, port, reuse_port=True) for host, port, lmtp in ports]


def _spoken(doors: Doors, lmtp: bool) -> Callable[[], asyncio.Protocol]:
    return lambda: doors.protocol(lmtp)
