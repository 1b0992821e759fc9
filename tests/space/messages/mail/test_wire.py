"""The content of a mail on its way in: whole, bounded in memory, and ended by nothing but a line of one dot.

RFC 5321 §2.3.8 (CR and LF), §4.1.1.4 (DATA), §4.5.2 (transparency), §4.5.3.1.6 (lines), RFC 2920 (pipelining).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.space.messages.mail.room import AtWork, Received
from tests import engines
from tests.server.people import kept
from tests.space.messages.mail.gateway import BASE, Gateway, a_doctor, a_patient, gateway
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail, with_file
from tests.space.messages.mail.test_kill import a_free_port, started

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENVELOPE = f"MAIL FROM:<{DOCTOR}>\r\nRCPT TO:<{PATIENT}>\r\nDATA\r\n".encode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mail(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path_factory.mktemp("wire"), mail_sender_minute=0, mail_max_bytes=400_000) as found:
        yield found


async def spoken(port: int, *pieces: bytes) -> list[str]:
    """What is answered after the greeting to pieces that are sent one after the other, with QUIT behind them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"EHLO x\r\n")
    while not (await reader.readline()).startswith(b"250 "):
        pass
    for one in pieces:
        writer.write(one)
        await writer.drain()
        # That each is a piece of its own, as a slow sender's are.
        await asyncio.sleep(0.01)
    writer.write(b"QUIT\r\n")
    answers = (await asyncio.wait_for(reader.read(), 60)).decode().splitlines()
    writer.close()
    return [one for one in answers if not one.startswith(("354", "221", "250 2.1", "250 OK"))]


def raw(name: str, text: bytes) -> bytes:
    head = a_mail(Message_ID=f"<{name}@x>").as_bytes().partition(b"\n\n")[0].replace(b"\n", b"\r\n")
    return head + b"\r\n\r\n" + text


#: What → the text as it travels, cut where a piece ends, and as it is read.
WHOLE: dict[str, tuple[tuple[bytes, ...], str]] = {
    "dots that begin a line": ((b"..a\r\n...\r\nb.\r\n..\r\nc\r\n.\r\n",), ".a\n..\nb.\n.\nc"),
    "an end in four pieces": ((b"a\r", b"\n.", b"\r", b"\n"), "a"),
    "lines that end in a dot": ((b"a.\r\n", b"b.\r\n.\r", b"\n"), "a.\nb."),
    "a long text": (((b"x" * 70 + b".\r\n") * 3_000, b".\r\n"), "\n".join(["x" * 70 + "."] * 3_000)),
}


@pytest.mark.parametrize("what", WHOLE)
async def test_a_mail_is_whole_however_it_is_cut(mail: Gateway, what: str) -> None:
    (first, *others), read = WHOLE[what]
    name = what.replace(" ", "-")
    [said] = await spoken(mail.smtp, ENVELOPE, raw(name, first), *others)
    assert said.startswith("250 2.6.0")
    message = next(one for one in await mail.all("Communication") if one["identifier"][0]["value"] == f"{name}@x")
    assert message["payload"][0]["contentString"] == read[:20_000]


async def test_a_mail_may_follow_another_in_the_same_piece(mail: Gateway) -> None:
    both = raw("one", b"1\r\n.\r\n") + ENVELOPE + raw("two", b"2\r\n.\r\n")
    assert [one[:9] for one in await spoken(mail.smtp, ENVELOPE, both)] == ["250 2.6.0"] * 2


SMUGGLED = b"MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\n"
#: What → the text, the rule that refuses all of it, with its code.
REFUSED: dict[str, tuple[bytes, str]] = {
    "LF . LF": (b"a\n.\n" + SMUGGLED, "550 5.5.2 lines"),
    "LF . CR LF": (b"a\n.\r\n" + SMUGGLED, "550 5.5.2 lines"),
    "CR . CR LF": (b"a\r.\r\n" + SMUGGLED, "550 5.5.2 lines"),
    "CR LF . LF": (b"a\r\n.\n" + SMUGGLED, "550 5.5.2 lines"),
    "CR LF . CR": (b"a\r\n.\r" + SMUGGLED, "550 5.5.2 lines"),
    "a CR by itself": (b"a\rb\r\n", "550 5.5.2 lines"),
    "a line of 1,100": (b"x" * 1_100 + b"\r\n", "550 5.5.2 lines"),
    "a line of 300,000": (b"x" * 300_000 + b"\r\n", "550 5.5.2 lines"),
    "more than is taken": (b"x" * 70 + b"\r\n" * 200_000, "552 5.3.4 size"),
    "a NUL": (b"a\0b\r\n", "550 5.6.0 mime"),
    "nothing": (b"", "250 2.6.0"),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_would_be_read_in_two_ways_or_is_too_long_is_refused_whole(mail: Gateway, what: str) -> None:
    text, rule = REFUSED[what]
    before, traces = len(await mail.all("Communication")), len(await mail.all("AuditEvent"))
    [said] = await spoken(mail.smtp, ENVELOPE, raw(what.replace(" ", ""), text), b"\r\n.\r\n")
    code, status, *names = rule.split()
    assert said.startswith(f"{code} {status}") and all(f"[{one}]" in said for one in names)
    if names:
        assert len(await mail.all("Communication")) == before
        assert len(await mail.all("AuditEvent")) == traces + 1


async def test_without_any_content_it_is_no_mail(mail: Gateway) -> None:
    [said] = await spoken(mail.smtp, ENVELOPE, b".\r\n")
    assert said.startswith("550 ") and "[mime]" in said


async def test_what_is_taken_apart_at_once_has_a_bound_and_each_has_its_turn() -> None:
    work, order = AtWork(10), list[int]()

    async def one(size: int) -> None:
        async with work.room(size):
            order.append(size)
            await asyncio.sleep(0)
            assert size == 99 or sum(order[-2:]) <= 12

    await asyncio.gather(*(one(size) for size in (6, 99, 3, 6, 4)))
    assert order == [6, 99, 3, 6, 4]


async def test_what_is_received_at_once_has_a_bound() -> None:
    held = Received(10)
    assert [held.take(6), held.take(5), held.take(4)] == [True, False, True]
    held.leave(6)
    assert held.take(6) and not held.take(1)


def resident(process: int) -> float:
    """Memory of a process, in MB."""
    said = Path(f"/proc/{process}/status").read_text().partition("RssAnon:")[2]
    return int(said.split()[0]) / 1_024


async def test_memory_does_not_grow_with_what_came(tmp_path: Path) -> None:
    engines.require_files()
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        await kept(house, a_patient(), a_doctor(), base=BASE)
    port = a_free_port()
    process = started(tmp_path, port)
    try:
        await _listening(port)
        await _many(port, 0, 8)
        before = resident(process.pid)
        await _many(port, 8, 24)
        # Of 24 mails of 1.4 MB, one copy of each that is kept would be 33 MB and more.
        assert resident(process.pid) - before < 30
    finally:
        process.terminate()
        process.wait(60)


async def _many(port: int, first: int, count: int) -> None:
    """Mails with a file of 1 MB of its own, eight at a time."""

    async def one(number: int) -> None:
        made = with_file(a_mail(Message_ID=f"<{number}@x>"), bytes([number]) * 1_000_000, "a.bin", "image/x-a")
        content = made.as_bytes().replace(b"\n", b"\r\n")
        [said] = await spoken(port, ENVELOPE, content, b"\r\n.\r\n")
        assert said.startswith("250 2.6.0")

    for start in range(first, first + count, 8):
        await asyncio.gather(*(one(number) for number in range(start, start + 8)))


async def _listening(port: int) -> None:
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise AssertionError("The gateway does not start.")
