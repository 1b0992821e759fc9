"""What is sent to people: a notice each, kept until it is sent, by e-mail or SMS, to folders or through a provider.

Notices hold no health data (CSP R1111-43; the national product's own rule): they say that there is something to see,
and where. What could not be sent is tried again, later and later, and then given up to whoever runs the server.
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from typing import Literal

import msgspec

from fhir_server.jobs.mail import Carrier, Round
from fhir_server.jobs.sms import Sms, SmsProvider
from fhir_server.store.protocol import Drop, Keep, Records
from fhir_server.store.registry import Registry

#: After how many seconds a notice that could not be sent is tried again, each time; after the last it is given up. As
#: long as RFC 5321 §4.5.4.1 has mail tried, four to five days, but sooner at first: the relay is a server of our own.
BACK_OFF = (60, 600, 1_800, 3_600, 4 * 3_600, 12 * 3_600, 86_400, 86_400, 86_400, 86_400)
#: A notice is not made twice within this time: as long as the longest period of a job and more.
REMEMBERED_SECONDS = 400 * 86_400
#: How long what was given up is kept for the operator to look at.
DEAD_SECONDS = 90 * 86_400
#: How long a worker that died while sending keeps others from it, in seconds.
LEASE_SECONDS = 600
#: Failures to reach a provider at all, one after the other, that end a round: the others would wait as long in vain.
_UNREACHABLE = 3
_PERMANENT = 500
#: More messages than this are not counted: a scrape of `/metrics` reads them.
COUNTED = 1_000
_NOT_REACHED = (ConnectionError, TimeoutError, smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected)

Channel = Literal["email", "sms"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one person.

    Attributes:
        key: names it; a notice whose key was used before is not made again.
        to: e-mail address, or number.
        subject: one line; none in an SMS.
        text: plain text.
        tried: how often sending it has failed.
        channel: how it goes.
        headers: (name, value) of further ones of an e-mail.
        failed: what kind of failure came last; "" before. Never its words, which may hold the address.
        since: when it was given up, s since 1970; 0 before.
    """

    key: str
    to: str
    subject: str
    text: str
    tried: int = 0
    channel: Channel = "email"
    headers: tuple[tuple[str, str], ...] = ()
    failed: str = ""
    since: int = 0


class Outbox:
    """Notices waiting to be sent, kept in the records so that none is lost or made twice."""

    def __init__(self, records: Records, way: Carrier, sender: str, sms: SmsProvider | None = None) -> None:
        """`sender` is the address that messages come from; without `sms` no number is written to."""
        self._records = records
        self._notices = Registry(records, "outbox", Notice)
        self._dead = Registry(records, "outbox-dead", Notice)
        self._way = way
        self._sender = sender
        self._sms = sms

    @property
    def channels(self) -> tuple[Channel, ...]:
        """By which people can be written to."""
        return ("email",) if self._sms is None else ("email", "sms")

    @staticmethod
    def kept(notice: Notice) -> Sequence[Keep]:
        """The changes that keep a notice until it is sent, for `Records.apply`: none where its key was used before."""
        # In one commit: what is remembered as made is there to be sent, whenever the process dies.
        return [
            Keep("noticed", notice.key, b"1", REMEMBERED_SECONDS, new=True),
            Keep("outbox", notice.key, msgspec.json.encode(notice)),
        ]

    async def send(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
        """Send what is waiting; how many were sent. Of several workers one sends a notice at a time."""
        sent = unreachable = 0
        way = self._way.begin()
        try:
            async for key, notice in self._notices.everything():
                if unreachable < _UNREACHABLE and await self._records.add("outbox-lease", key, b"1", LEASE_SECONDS):
                    failed = await self._try(way, notice, now())
                    unreachable = unreachable + 1 if isinstance(failed, _NOT_REACHED) else 0
                    sent += failed is None
        finally:
            await asyncio.to_thread(way.end)
        return sent

    async def sizes(self) -> dict[str, float]:
        """How many messages wait to be sent, and were given up; counting stops at `COUNTED`."""
        kinds = {"waiting": "outbox", "dead": "outbox-dead"}
        return {name: float(len(await self._records.list(kind, count=COUNTED))) for name, kind in kinds.items()}

    def dead(self) -> AsyncIterator[tuple[str, Notice]]:
        """Key and notice of each that was given up."""
        return self._dead.everything()

    async def revive(self, key: str) -> bool:
        """Have what was given up tried again from the beginning; False when there is no such notice."""
        if (found := await self._dead.get(key)) is None:
            return False
        again = replace(found, tried=0, failed="", since=0)
        return await self._records.apply(
            [
                Keep("outbox-dead", key, b"", 0.0, old=msgspec.json.encode(found)),
                Drop("outbox-lease", key),
                Keep("outbox", key, msgspec.json.encode(again)),
            ]
        )

    async def _try(self, way: Round, notice: Notice, now: datetime) -> Exception | None:
        """Send a notice; what failed, None when it was sent."""
        if await self._records.get("outbox", notice.key) is None:
            return LookupError(notice.key)
        try:
            await asyncio.to_thread(self._carry, way, notice, now)
        except (OSError, smtplib.SMTPException, MessageError, ValueError, LookupError) as error:
            await self._again(notice, error, now)
            return error
        await self._records.take("outbox", notice.key)
        return None

    def _carry(self, way: Round, notice: Notice, now: datetime) -> None:
        if notice.channel == "email":
            way.carry(self._message(notice, now))
        elif self._sms is not None:
            self._sms.send(Sms(_id(notice), notice.to, notice.text))
        else:
            raise LookupError("There is no way to numbers.")

    async def _again(self, notice: Notice, error: Exception, now: datetime) -> None:
        """Wait before the next try, or give up: the lease is kept that long."""
        kind = type(error).__name__
        if notice.tried >= len(BACK_OFF) or _is_for_good(error):
            dead = replace(notice, tried=notice.tried + 1, failed=kind, since=int(now.timestamp()))
            await self._records.apply(
                [
                    Drop("outbox", notice.key),
                    Keep("outbox-dead", notice.key, msgspec.json.encode(dead), DEAD_SECONDS),
                ]
            )
            return
        later = replace(notice, tried=notice.tried + 1, failed=kind)
        await self._records.apply(
            [
                Keep("outbox-lease", notice.key, b"1", BACK_OFF[notice.tried]),
                Keep("outbox", notice.key, msgspec.json.encode(later)),
            ]
        )

    def _message(self, notice: Notice, now: datetime) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = notice.to
        message["Subject"] = notice.subject
        message["Date"] = format_datetime(now)
        # Stable, so that one sent twice after a crash is recognized as one by mail systems.
        message["Message-ID"] = f"<{_id(notice)}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        for name, value in notice.headers:
            message[name] = value
        message.set_content(notice.text)
        return message


def _id(notice: Notice) -> str:
    return sha256(notice.key.encode()).hexdigest()[:40]


def _is_for_good(error: Exception) -> bool:
    """Whether trying again cannot help: the address is none, or the mail server takes no mail for it."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= _PERMANENT for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= _PERMANENT
    return isinstance(error, smtplib.SMTPNotSupportedError | MessageError | ValueError | LookupError)
