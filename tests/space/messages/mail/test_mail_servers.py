"""Debian's mail server on the other side: what it brings, takes, and what becomes of what is refused on either side.

RFC 5321, RFC 3464. https://www.exim.org
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest

from fhir_server.space.messages.mail.carrying import Relay
from fhir_server.space.messages.mail.outgoing import Outgoing
from tests.space.messages.mail.gateway import Gateway, a_doctor, gateway
from tests.space.messages.mail.mail_server import MailServer, mail_server
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail, with_file
from tests.space.messages.mail.test_documents import a_report, cda
from tests.space.messages.mail.test_outgoing import answer

NOBODY = "nobody@medecin.mssante.fr"


@pytest.fixture
async def between(tmp_path: Path) -> AsyncIterator[tuple[Gateway, MailServer]]:
    async with gateway(tmp_path, a_doctor("d9", NOBODY, "99700218899")) as mail:
        with mail_server(mail.smtp) as server:
            yield mail, server


async def hand_over(server: MailServer, made: EmailMessage, to: str = PATIENT) -> None:
    """A professional's software gives a mail to their operator's server."""
    await aiosmtplib.send(
        made, sender=DOCTOR, recipients=[to], hostname="127.0.0.1", port=server.port, start_tls=False, timeout=60
    )


async def until(found: Callable[[], Any], seconds: float = 120) -> Any:
    """What `found` gives, once it is something."""
    end = time.monotonic() + seconds
    while True:
        value = found()
        if hasattr(value, "__await__"):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, "nothing came"
        await asyncio.sleep(0.05)


async def test_what_a_professional_sends_arrives_and_the_answer_reaches_their_mailbox(
    between: tuple[Gateway, MailServer],
) -> None:
    mail, server = between
    out = Outgoing(mail.house.services, Relay(f"smtp://127.0.0.1:{server.port}"))
    await out.once()
    await hand_over(server, with_file(a_report(cda()), b"%PDF-1.4 x", "cr.pdf"))
    [message] = await until(lambda: mail.all("Communication"))
    assert message["topic"]["text"] == "Votre résultat" and len(await mail.all("DocumentReference")) == 1
    await answer(mail, {"contentString": "Merci"})
    assert await out.once() == 1
    [raw] = await until(server.arrived)
    made = message_from_bytes(raw, policy=policy.default)
    assert (made["From"], made["In-Reply-To"]) == (PATIENT, "<first@medecin.mssante.fr>")
    assert isinstance(made, EmailMessage) and made.get_content().strip() == "Merci"


async def test_what_the_gateway_refuses_comes_back_to_the_professional_with_the_rule(
    between: tuple[Gateway, MailServer],
) -> None:
    mail, server = between
    await hand_over(server, a_mail(Date="Thu, 01 Jan 1970 00:00:00 +0000"))
    [raw] = await until(server.arrived)
    assert b"550" in raw and b"[date]" in raw and b"Action: failed" in raw
    assert await mail.all("Communication") == []


async def test_an_answer_that_no_mailbox_takes_is_told_on_the_message(between: tuple[Gateway, MailServer]) -> None:
    mail, server = between
    out = Outgoing(mail.house.services, Relay(f"smtp://127.0.0.1:{server.port}"))
    await out.once()
    assert (await mail.send(a_mail(From=NOBODY), sender=NOBODY)).startswith("250 ")
    await answer(mail)
    assert await out.once() == 1

    async def told() -> list[Any]:
        return [one["note"] for one in await mail.all("Communication") if "note" in one]

    [[note]] = await until(told)
    assert "n'a pas pu être remis" in note["text"]
    assert server.arrived() == []
