"""A mail server of the outside world, by aiosmtpd (RFC 5321)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

_SMTP: Any = pytest.importorskip("aiosmtpd.smtp", reason="the mail server of these tests is not installed").SMTP


class Mailbox:
    """The messages that it took: (address that they were for, message). It refuses those of `unknown` for good."""

    def __init__(self, *unknown: str) -> None:
        self.taken: list[tuple[str, EmailMessage]] = []
        self._unknown = unknown

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self._unknown:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = message_from_bytes(bytes(envelope.content or b""), policy=default)
        self.taken.append((envelope.rcpt_tos[0], message))  # type: ignore[arg-type]
        return "250 OK"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The address of it, as the setting of the outbox takes it."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _SMTP(self, loop=loop), "127.0.0.1", 0)
        async with server:
            yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
