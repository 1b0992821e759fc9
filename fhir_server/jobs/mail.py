"""How an e-mail leaves: into a folder, or to a mail server. RFC 5321, RFC 5322, RFC 3207."""

from __future__ import annotations

import os
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from fhir_server.store import private


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
        written(self.path, f"{sha256(message['Message-ID'].encode()).hexdigest()[:32]}.eml", bytes(message))


def written(folder: Path, name: str, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all; over one of the same name."""
    private.folder(folder)
    half = folder / f".{name}.part"
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    half.replace(folder / name)


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
