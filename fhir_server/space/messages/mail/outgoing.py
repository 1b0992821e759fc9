"""Messages of patients leave as mail, and receipts of mails that were read: found by what changed, sent, tried again.

What is to be sent is a record until it was handed on; the mail is written anew from the message each time, the same
each time. Of several processes one looks at a time. RFC 5321 §4.5.4.1: tried for five days.
"""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import time
from typing import Any

import msgspec

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.space.messages.mail import composing, in_use, naming, reports
from fhir_server.space.messages.mail.carrying import Carrier, Rejected, carrier
from fhir_server.space.messages.mail.mailboxes import ins_identifier, mailbox_of
from fhir_server.space.messages.mail.names import name_of
from fhir_server.space.messages.mail.parsing import File
from fhir_server.space.messages.mail.reported import Reported
from fhir_server.space.messages.mail.wanted import FOUND, OUT, RECEIPTS, Out, Wanted, receipt_key
from fhir_server.space.messages.model import Message, message_of, side
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Range
from fhir_server.store.leases import Lease
from fhir_server.store.protocol import Drop, Keep, Sort
from fhir_server.store.registry import Registry

_log = logging.getLogger(__name__)

#: Kind of the record that says how far was looked.
PLACE = "mail-place"
#: How long it is remembered that a message was found, in seconds: longer than anybody looks back.
_REMEMBERED = 400 * 86_400
#: After a failure a mail waits for a minute, then twice as long each time, an hour at most; given up after five days.
_FIRST, _LONGEST, _GIVEN_UP = 60.0, 3_600.0, 5 * 86_400.0
_PAGE = 200
_OLDEST = (Sort("_lastUpdated", "own"),)


class Outgoing:
    """What leaves one opened server."""

    def __init__(self, around: Surroundings, way: Carrier | None = None) -> None:
        """By the way of the setting, or another `way`."""
        self._around = around
        self._records = around.records
        self._waiting = Registry(around.records, OUT, Out)
        self._reported = Reported(around)
        self._said = 0.0
        settings = around.settings
        self._way = way or carrier(settings.mail_relay.get_secret_value(), settings.data / "mail")
        self._domain, self._nil = settings.mail_domain, settings.mail_nil

    async def once(self, now: float | None = None) -> int:
        """Look for what is new and send what is due; how many mails were handed on. 0 while another process does."""
        at = time() if now is None else now
        return await Lease(self._records, "mail-out").hold(lambda: self._once(at)) or 0

    async def _once(self, now: float) -> int:
        if now - self._said >= in_use.EVERY:
            await in_use.say(self._records, now)
            self._said = now
        await self._look(now)
        sent = 0
        async for key, out in self._waiting.everything():
            if out.due <= now:
                sent += await self._try(key, out, now)
        return sent

    # What is new

    async def _look(self, now: float) -> None:
        place = await self._records.get(PLACE, "")
        if place is None:
            # Messages of before the gateway are nobody's mail.
            await self._records.put(PLACE, "", str(int(now * 1_000_000)).encode())
            return
        since = int(place)
        async for tree, at in self._changed(since):
            for key, out in await self._found(message_of(tree, self._around.repository().base), now):
                kept = Keep(OUT, key, msgspec.json.encode(out))
                await self._records.apply([Keep(FOUND, key, b"", _REMEMBERED, new=True), kept])
            since = max(since, at)
        await self._records.put(PLACE, "", str(since).encode())

    async def _changed(self, since: int) -> AsyncIterator[tuple[dict[str, Any], int]]:
        own, after = self._around.repository(), None
        while True:
            where = {"Communication": Range("_lastUpdated", low_from=since)}
            page = await own.find(where, _OLDEST, after, _PAGE)
            for version in page.versions:
                yield parse(version.body), version.at * 1_000
            after = page.next
            if after is None:
                return

    async def _found(self, message: Message, now: float) -> list[tuple[str, Out]]:
        if not message.is_sent:
            return []
        if message.side == "patient" or (message.ends and message.message_id is None):
            boxes = [
                mailbox_of(await referred(self._around.repository(), one))
                for one in message.recipients
                if side(one) == "professional"
            ]
            return [(f"{message.id}/{box}", Out(message.id, box, now, now)) for box in dict.fromkeys(boxes) if box]
        if message.received is None or message.message_id is None:
            return []
        value = await self._records.get(RECEIPTS, receipt_key(message.message_id, message.sender))
        if value is None:
            return []
        wanted = msgspec.json.decode(value, type=Wanted)
        return [(f"{message.id}/receipt", Out(message.id, wanted.to, now, now, receipt=wanted))]

    # What is due

    async def _try(self, key: str, out: Out, now: float) -> bool:
        try:
            mail = await self._written(out)
            if mail is not None:
                sender = mail[0]
                await asyncio.to_thread(self._way.carry, sender, out.to, mail[1])
        except Rejected as error:
            await self._give_up(key, out, error.code)
            return False
        except FhirError:
            raise
        except Exception as error:
            # Also one that cannot be written as a mail: it waits, and is given up, and holds up none of the others.
            _log.warning("mail out: put off (%s)", type(error).__name__)
            await self._again(key, out, now)
            return False
        await self._done(key, out)
        return mail is not None

    async def _done(self, key: str, out: Out) -> None:
        dropped = [Drop(OUT, key)]
        if out.receipt is not None:
            dropped.append(Drop(RECEIPTS, receipt_key(out.receipt.message_id, out.receipt.holder)))
        await self._records.apply(dropped)

    async def _again(self, key: str, out: Out, now: float) -> None:
        if now - out.since >= _GIVEN_UP:
            await self._give_up(key, out, "")
            return
        wait = min(_FIRST * 2**out.tried, _LONGEST)
        later = Out(out.message, out.to, out.since, now + wait, min(out.tried + 1, 20), out.receipt)
        await self._records.put(OUT, key, msgspec.json.encode(later))

    async def _give_up(self, key: str, out: Out, code: str) -> None:
        message = await self._message(out.message)
        if message is not None and out.receipt is None:
            await self._reported.note(message, "failed", code)
        await self._records.apply([Drop(OUT, key)])

    async def _message(self, id: str) -> Message | None:
        tree = await referred(self._around.repository(), f"Communication/{id}")
        return message_of(tree, self._around.repository().base) if tree else None

    async def _written(self, out: Out) -> tuple[str, bytes] | None:
        """The envelope's sender ("" of what is nobody's own) and the mail; None where message or patient are gone."""
        if out.receipt is not None:
            sender = naming.patient_address(out.receipt.ins, self._domain)
            return "", _receipt(out.receipt, sender, self._nil)
        own = self._around.repository()
        message = await self._message(out.message)
        patient = await referred(own, message.patient) if message is not None else {}
        ins = ins_identifier(patient)
        if message is None or not ins[1]:
            return None
        sender = naming.patient_address(ins[1], self._domain)
        letter = composing.Letter(
            message=message,
            name=name_of(message, self._domain),
            before=[one async for one in self._before(message)],
            sender=sender,
            to=out.to,
            patient=patient,
            ins=ins,
            files=[one async for one in _files(own, message)],
            documents=[one async for one in _documents(own, message)],
            nil=self._nil,
        )
        return letter.envelope, await asyncio.to_thread(composing.written, letter)

    async def _before(self, message: Message) -> AsyncIterator[str]:
        ids = dict.fromkeys(one for one in (message.first, message.answers) if one and one != message.id)
        for id in ids:
            before = await self._message(id)
            if before is not None:
                yield name_of(before, self._domain)


def _receipt(wanted: Wanted, reader: str, nil: str) -> bytes:
    about = reports.About(wanted.message_id, wanted.subject)
    return reports.receipt(wanted.head, about, reader, wanted.to, datetime.now(UTC), error=wanted.error, nil=nil)


async def _files(own: Repository, message: Message) -> AsyncIterator[File]:
    for one in message.attached:
        if one.reference.startswith("Binary/"):
            kind, content = await _content(own, one.reference)
            yield File(one.title, one.content_type or kind, content)


async def _documents(own: Repository, message: Message) -> AsyncIterator[composing.Sent]:
    for one in message.attached:
        if one.reference.startswith("DocumentReference/"):
            tree = await referred(own, one.reference)
            url = str(tree["content"][0]["attachment"].get("url", "")) if tree else ""
            reference = url.removeprefix(f"{own.base}/")
            if reference.startswith("Binary/"):
                yield composing.Sent(tree, (await _content(own, reference))[1])


async def _content(own: Repository, reference: str) -> tuple[str, bytes]:
    tree = await referred(own, reference)
    return str(tree.get("contentType", "")), await asyncio.to_thread(b64decode, str(tree.get("data", "")))
