"""Hands a mail to the mail server that sends it on, or to a folder where there is none.

RFC 5321; RFC 3207: STARTTLS where it is offered, and always before a password.
"""

from __future__ import annotations

import os
import smtplib
import ssl
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from fhir_server.store import private

_SECONDS = 30.0


class Rejected(Exception):
    """The other server refuses the mail for good.

    Attributes:
        code: what it answered, "550".
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Carrier(Protocol):
    """A way for mails."""

    def carry(self, sender: str, to: str, raw: bytes) -> None:
        """Hand on a mail; from a thread.

        Args:
            sender: of the envelope; "" for the null one.
            to: of the envelope.
            raw: the mail.

        Raises:
            Rejected: never.
            OSError, smtplib.SMTPException: not now.
        """


@dataclass(frozen=True, slots=True)
class Folder:
    """Each mail becomes a file, whole or not at all, readable by its owner alone."""

    path: Path

    def carry(self, sender: str, to: str, raw: bytes) -> None:
        """As `Carrier.carry`."""
        private.folder(self.path)
        name = sha256(raw).hexdigest()[:32]
        half = self.path / f".{name}.part"
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(raw)
        half.replace(self.path / f"{name}.eml")


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server: `smtp://USER:PASSWORD@HOST:PORT` or `smtps://…`."""

    url: str

    def carry(self, sender: str, to: str, raw: bytes) -> None:
        """As `Carrier.carry`."""
        try:
            self._carry(sender, to, raw)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            if codes and codes[0] >= 500:
                raise Rejected(str(codes[0])) from None
            raise
        except smtplib.SMTPResponseException as error:
            # A relay that wants a password, or TLS, is set up wrongly: the mails wait until it is mended.
            if error.smtp_code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError):
                raise Rejected(str(error.smtp_code)) from None
            raise

    def _carry(self, sender: str, to: str, raw: bytes) -> None:
        parts = urlsplit(self.url)
        host, secure = parts.hostname or "localhost", ssl.create_default_context()
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=_SECONDS, context=secure)
        else:
            server = smtplib.SMTP(host, parts.port or 25, timeout=_SECONDS)
        with server:
            server.ehlo_or_helo_if_needed()
            if parts.scheme == "smtp" and (server.has_extn("starttls") or parts.username):
                server.starttls(context=secure)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            options = ["BODY=8BITMIME"] if server.has_extn("8bitmime") else []
            server.sendmail(sender, [to], raw, mail_options=options)


def carrier(url: str, folder: Path) -> Carrier:
    """The way that a setting names; "" for files in `folder`."""
    return Relay(url) if url else Folder(folder)
