"""How an e-mail leaves: into a folder, or to a mail server. RFC 5321, RFC 5322, RFC 3207."""

from __future__ import annotations

import os
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from fhir_server.store import private

#: Replies of RFC 5321 §4.2.3.
_OK, _CLOSING = 250, 421


class Round(Protocol):
    """A way to people while some messages leave one after the other; from threads, one at a time."""

    def carry(self, message: EmailMessage) -> None:
        """Send a message.

        Raises:
            OSError: not now; it is tried again.
            smtplib.SMTPException: likewise.
        """

    def end(self) -> None:
        """No further message comes; never fails, since those that were taken are sent."""


class Carrier(Protocol):
    """A way to people."""

    def begin(self) -> Round:
        """Begin to send some messages; nothing is connected before the first of them."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Each message becomes a file, for trials and for a mail system that picks files up."""

    path: Path

    def begin(self) -> Folder:
        """As `Carrier.begin`."""
        return self

    def end(self) -> None:
        """As `Round.end`."""

    def carry(self, message: EmailMessage) -> None:
        """As `Round.carry`; whole or not at all, readable by its owner only."""
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

    def begin(self) -> SmtpRound:
        """As `Carrier.begin`."""
        return SmtpRound(self)

    def connected(self) -> smtplib.SMTP:
        """A new connection, ready to take messages; raises as `Round.carry`."""
        parts = urlsplit(self.url)
        host = parts.hostname or "localhost"
        secure = ssl.create_default_context()
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, parts.port or 465, timeout=self.timeout_seconds, context=secure)
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=self.timeout_seconds)
        try:
            server.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp" and (server.has_extn("starttls") or parts.username):
                server.starttls(context=secure)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server


class SmtpRound:
    """One connection for many messages, and another where the mail server ends it (RFC 5321 §3.1, §3.8).

    A message is given again at once only where the server said that it did not take it: where a connection is lost
    while it is given nobody knows, and the outbox tries it later under the same Message-ID.
    """

    def __init__(self, way: Smtp) -> None:
        """Nothing is connected yet."""
        self._way = way
        self._server: smtplib.SMTP | None = None

    def carry(self, message: EmailMessage) -> None:
        """As `Round.carry`."""
        kept = self._kept()
        server = self._server = kept or self._way.connected()
        try:
            server.send_message(message)
        except smtplib.SMTPException as error:
            if kept is None or not _is_closing(error):
                raise
            self.end()
            self._server = self._way.connected()
            self._server.send_message(message)

    def end(self) -> None:
        """As `Round.end`."""
        server, self._server = self._server, None
        if server is not None:
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _kept(self) -> smtplib.SMTP | None:
        """The connection of the message before, where it still answers."""
        if self._server is not None:
            with suppress(OSError, smtplib.SMTPException):
                if self._server.noop()[0] == _OK:
                    return self._server
            self._server.close()
            self._server = None
        return None


def _is_closing(error: smtplib.SMTPException) -> bool:
    """Whether a mail server took nothing because it ends the connection, as after so many messages: RFC 5321 §3.8."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code == _CLOSING for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code == _CLOSING


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
