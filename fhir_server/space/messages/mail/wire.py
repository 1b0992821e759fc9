"""SMTP and LMTP as aiosmtpd speaks them, but for the content of a mail, which is read in large pieces and bounded.

RFC 5321 §4.1.1.4, §4.5.2 (DATA, transparency). aiosmtpd takes a mail line by line, as three objects a line: of a mail
of 5 MB that is most of the work, and four times its memory. How commands are read stays aiosmtpd's.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Protocol

from aiosmtpd.lmtp import LMTP as _LMTP
from aiosmtpd.smtp import SMTP as _SMTP

from fhir_server.space.messages.mail.refusals import Refused, Rule

#: Bytes of a mail that are read at once. Of commands aiosmtpd itself takes 512, and more of extensions.
_PIECE = 65_536
#: Pieces after which others have their turn: what came already is read without waiting for anything.
_OTHERS = 256
#: An address as nearly all are: atoms between dots, at a host (RFC 5321 §4.1.2); what else there is takes the long way.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"\s*<({_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)>((?: .*)?)", re.ASCII)
_END, _EMPTY = b"\r\n.\r\n", b".\r\n"


class Holding(Protocol):
    """How much of mails a process holds at once."""

    def take(self, size: int) -> bool:
        """Whether there is room for so many bytes more; then they are counted."""

    def leave(self, size: int) -> None:
        """So many bytes are held no more."""


class _Wire(_SMTP):
    """What both protocols share."""

    line_length_limit = _PIECE

    def __init__(self, handler: Any, *, holding: Holding, **more: Any) -> None:
        """As aiosmtpd's; what is being received is counted in `holding`."""
        super().__init__(handler, **more)
        self._holding = holding

    async def smtp_DATA(self, arg: str) -> None:
        """Receive a mail and ask the handler, whatever was wrong with it: it is told, and answers."""
        if await self.check_helo_needed():
            return
        envelope: Any = self.envelope
        if not envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        received = _Received(self.data_size_limit or 0, self._holding)
        try:
            await self._receive(received)
            envelope.refused = received.refused
            envelope.original_content = received.content()
            status = await self._call_handler_hook("DATA")
        finally:
            received.let_go()
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        await self.push(status)

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        found = _ADDRESS.fullmatch(arg)
        return super()._getaddr(arg) if found is None else (found[1], found[2])

    async def _receive(self, received: _Received) -> None:
        """Read to the end of the mail, also of one that is refused: RFC 5321 §4.2.5 has no earlier answer."""
        is_whole, pieces = False, 0
        while not is_whole:
            pieces += 1
            if pieces % _OTHERS == 0:
                await asyncio.sleep(0)
            try:
                is_whole = received.took(await self._reader.readuntil(_EMPTY))
            except asyncio.LimitOverrunError as error:
                received.took(await self._reader.read(error.consumed))


class _Received:
    """A mail on its way in.

    Attributes:
        refused: the rule that it breaks already; None while it breaks none.
    """

    def __init__(self, most: int, holding: Holding) -> None:
        self.refused: Rule | None = None
        self._most, self._holding = most, holding
        self._bytes, self._size, self._held = bytearray(), 0, 0

    def took(self, piece: bytes) -> bool:
        """Take what came; whether that was the end: a line of one dot."""
        is_end = (self._bytes[-4:] + piece).endswith(_END) or (piece == _EMPTY and not self._size)
        self._size += len(piece)
        if self.refused is None and self._size > self._most + len(_EMPTY):
            self._refuse("size")
        elif self.refused is None and not self._holding.take(len(piece)):
            self._refuse("busy")
        if self.refused is None:
            self._held += len(piece)
            self._bytes += piece
        else:
            self._bytes[:] = (self._bytes[-4:] + piece)[-4:]
        return is_end

    def content(self) -> bytes:
        """The mail, without the dots that make its lines transparent; b"" of one that is refused."""
        if self.refused is not None:
            return b""
        whole, self._bytes = self._bytes, bytearray()
        del whole[-len(_EMPTY) :]
        if whole[:1] == b".":
            del whole[:1]
        return bytes(whole.replace(b"\r\n.", b"\r\n"))

    def let_go(self) -> None:
        """It is held no more."""
        self._holding.leave(self._held)
        self._held = 0

    def _refuse(self, rule: Rule) -> None:
        self.refused = rule
        self.let_go()


class Smtp(_Wire):
    """A connection of SMTP."""


class Lmtp(_Wire, _LMTP):
    """A connection of LMTP."""


def require_taken(envelope: Any) -> bytes:
    """The mail that an envelope holds, which it holds no more.

    Raises:
        Refused: it was not taken, by its size or for want of room.
    """
    raw: bytes = envelope.original_content
    envelope.content = envelope.original_content = None
    if envelope.refused is not None:
        raise Refused(envelope.refused)
    return raw
