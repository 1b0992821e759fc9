"""Of many mails, with the gateway killed again and again: what was answered 250 is there, and each is there once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiosmtplib
import pytest

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING
from tests import engines
from tests.server.people import kept
from tests.space.messages.mail.gateway import BASE, a_doctor, a_patient
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail, with_file


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The gateway as an operator runs it."""
    more = {"FHIR_BASE_URL": BASE, "FHIR_MAIL_SENDER_MINUTE": "0", "FHIR_MAIL_PEER_MINUTE": "0"}
    command = [sys.executable, "-m", "fhir_server.cli.main", "mail", "--port", str(port), "--lmtp-port", "0"]
    return subprocess.Popen(
        [*command, "--data", str(folder)], env=os.environ | more, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


async def sent(number: int, port: int, answered: set[str]) -> None:
    """One mail, given again until it is taken, as a mail server does."""
    name = f"m{number}@medecin.mssante.fr"
    raw = with_file(a_mail(Message_ID=f"<{name}>"), b"x" * 500, "a.txt", "text/plain").as_bytes()
    while name not in answered:
        try:
            client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=60)
            await client.connect()
            await client.sendmail(DOCTOR, [PATIENT], raw)
            answered.add(name)
            client.close()
        except (OSError, aiosmtplib.SMTPException):
            await asyncio.sleep(0.1)


async def held_out(folder: Path, count: int, kills: int) -> None:
    engines.require_files()
    chosen = Settings(data=folder, base_url=BASE)
    async with opened(chosen) as house:
        await kept(house, a_patient(), a_doctor(), base=BASE)
    port, answered = a_free_port(), set[str]()
    process, lot = started(folder, port), random.Random(7)
    room = asyncio.Semaphore(16)

    async def one(number: int) -> None:
        async with room:
            await sent(number, port, answered)

    sending = asyncio.gather(*(one(number) for number in range(count)))
    try:
        for turn in range(kills):
            wanted = (turn + 1) * count // (kills + 1) - lot.randrange(max(count // (4 * kills), 1))
            while len(answered) < wanted and not sending.done():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait(60)
            process = started(folder, port)
        await sending
    finally:
        process.terminate()
        process.wait(60)
    async with opened(chosen) as house:
        names, after = [], None
        while True:
            page = await house.repository().find({"Communication": EVERYTHING}, after=after, count=500)
            names += [one.body.partition(b'"value":"m')[2].partition(b'"')[0] for one in page.versions]
            after = page.next
            if after is None:
                break
    assert len(names) == len(set(names)) == count


async def test_three_hundred_mails_with_the_gateway_killed_three_times(tmp_path: Path) -> None:
    await held_out(tmp_path, 300, 3)


@pytest.mark.slow
async def test_ten_thousand_mails_with_the_gateway_killed_twenty_times(tmp_path: Path) -> None:
    await held_out(tmp_path, 10_000, 20)
