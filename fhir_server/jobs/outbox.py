"""What is sent to people: a notice each, kept until it is sent, and sent to a folder or by SMTP.

Notices hold no health data (CSP R1111-43; the national product's own rule): they say that there is something to see,
and where. RFC 5322, RFC 3207.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from fhir_server.store import private
from fhir_server.store.protocol import Keep, Records
from fhir_server.store.registry import Registry

#: A notice that could not be sent is tried again this often, and given up after so many times.
RETRY_SECONDS, TRIES = 600, 50
#: A notice is not made twice within this time: as long as the longest period of a job and more.
REMEMBERED_SECONDS = 400 * 86_400
#: How long a worker that died while sending keeps others from it, in seconds.
LEASE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one person.

    Attributes:
        key: names it; a notice whose key was used before is not made again.
        to: e-mail address.
        subject: one line.
        text: plain text.
        tried: how often sending it has failed.
    """

    key: str
    to: str
    subject: str
    text: str
    tried: int = 0


class Carrier(Protocol):
    """A way to people."""

    def carry(self, message: EmailMessage) -> None:
        """Send a message; from a thread.

        Raises:
            OSError: not now; it is tried again.
            smtplib.SMTPException: likewise.
        """


@dataclass(frozen=True, slots=True)
class Folder:
    """Each message becomes a file, for trials and for a mail system that picks files up."""

    path: Path

    def carry(self, message: EmailMessage) -> None:
        """As `Carrier.carry`; whole or not at all, readable by its owner only."""
        private.folder(self.path)
        name = sha256(message["Message-ID"].encode()).hexdigest()[:32]
        half = self.path / f".{name}.part"
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(bytes(message))
        half.replace(self.path / f"{name}.eml")


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server: `smtp://` (STARTTLS where it is offered, always before a password) or `smtps://`."""

    url: str
    timeout_seconds: float = 20

    def carry(self, message: EmailMessage) -> None:
        """As `Carrier.carry`."""
        parts = urlsplit(self.url)
        host = parts.hostname or "localhost"
        secure = ssl.create_default_context()
        if parts.scheme == "smtps":
            with smtplib.SMTP_SSL(host, parts.port or 465, timeout=self.timeout_seconds, context=secure) as server:
                self._send(server, message)
            return
        with smtplib.SMTP(host, parts.port or 25, timeout=self.timeout_seconds) as server:
            server.ehlo_or_helo_if_needed()
            if server.has_extn("starttls") or parts.username:
                server.starttls(context=secure)
            self._send(server, message)

    def _send(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        parts = urlsplit(self.url)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def carrier(url: str, folder: Path) -> Carrier:
    """The way that `url` names: `smtp://…`, `smtps://…`, or "" for files in `folder`.

    Raises:
        ValueError: it names no way this server knows.
    """
    if not url:
        return Folder(folder)
    if urlsplit(url).scheme in ("smtp", "smtps"):
        return Smtp(url)
    raise ValueError("The outbox is smtp://host:port, smtps://host:port, or empty for files.")


class Outbox:
    """Notices waiting to be sent, kept in the records so that none is lost or made twice."""

    def __init__(self, records: Records, way: Carrier, sender: str) -> None:
        """`sender` is the address that messages come from."""
        self._records = records
        self._notices = Registry(records, "outbox", Notice)
        self._way = way
        self._sender = sender

    async def put(self, notice: Notice) -> bool:
        """Keep a notice until it is sent; False when one with its key was made before."""
        # In one commit: what is remembered as made is there to be sent, whenever the process dies.
        return await self._records.apply(
            [
                Keep("noticed", notice.key, b"1", REMEMBERED_SECONDS, new=True),
                Keep("outbox", notice.key, msgspec.json.encode(notice)),
            ]
        )

    async def made(self, key: str) -> bool:
        """Whether a notice of that key was made before: what asks first need not make it anew."""
        return await self._records.get("noticed", key) is not None

    async def send(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
        """Send what is waiting; how many were sent. Of several workers one sends a notice at a time."""
        sent = 0
        async for key, notice in self._notices.everything():
            if await self._records.add("outbox-lease", key, b"1", LEASE_SECONDS):
                sent += await self._try(notice, now())
        return sent

    async def _try(self, notice: Notice, now: datetime) -> bool:
        if await self._records.get("outbox", notice.key) is None:
            return False
        try:
            await asyncio.to_thread(self._way.carry, self._message(notice, now))
        except (OSError, smtplib.SMTPException):
            await self._again(notice)
            return False
        await self._records.take("outbox", notice.key)
        return True

    async def _again(self, notice: Notice) -> None:
        """Wait before the next try, or give up: the lease is kept that long."""
        if notice.tried + 1 >= TRIES:
            await self._records.take("outbox", notice.key)
            return
        later = Notice(notice.key, notice.to, notice.subject, notice.text, notice.tried + 1)
        await self._records.put("outbox-lease", notice.key, b"1", RETRY_SECONDS)
        await self._records.put("outbox", notice.key, msgspec.json.encode(later))

    def _message(self, notice: Notice, now: datetime) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = notice.to
        message["Subject"] = notice.subject
        message["Date"] = format_datetime(now)
        # Stable, so that one sent twice after a crash is recognized as one by mail systems.
        message["Message-ID"] = f"<{sha256(notice.key.encode()).hexdigest()[:40]}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text)
        return message
