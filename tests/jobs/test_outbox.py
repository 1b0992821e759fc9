"""Notices reach people once, in a file or by SMTP (RFC 5321, RFC 5322), and survive what fails on the way."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from fhir_server.jobs.mail import Folder, Smtp, carrier
from fhir_server.jobs.outbox import BACK_OFF, Notice, Outbox
from fhir_server.store.protocol import Records
from tests.engines import an_engine


async def put(records: Records, notice: Notice) -> bool:
    return await records.apply(Outbox.kept(notice))


NOTICE = Notice("reminder/1", "nathalie@example.org", "Vos services synchronisés", "Carnet Tension\n")
FROM = "ne-pas-repondre@fhir.example"


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    engine = an_engine(tmp_path)
    yield engine.records
    await engine.close()


class Post:
    """A mail server of the outside world that takes what RFC 5321 says, for one message at a time."""

    def __init__(self, greeting: str = "220 mail.example") -> None:
        self.greeting = greeting
        self.messages: list[bytes] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        async with server:
            yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = self.greeting
        while True:
            writer.write(f"{said}\r\n".encode())
            await writer.drain()
            verb = (await reader.readline())[:4].upper().strip()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                self.messages.append((await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n"))
            said = "221 bye" if verb == b"QUIT" else "250 ok"
            if not verb or verb == b"QUIT":
                writer.write(f"{said}\r\n".encode())
                writer.close()
                return


async def test_a_notice_becomes_one_file_that_only_its_owner_reads(records: Records, tmp_path: Path) -> None:
    outbox = Outbox(records, Folder(tmp_path / "outbox"), FROM)
    assert await put(records, NOTICE)
    assert await outbox.send() == 1
    [file] = (tmp_path / "outbox").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["To"] == NOTICE.to
    assert message["Subject"] == NOTICE.subject
    assert message.get_content().strip() == "Carnet Tension"


async def test_the_same_notice_is_made_once_even_after_it_was_sent(records: Records, tmp_path: Path) -> None:
    outbox = Outbox(records, Folder(tmp_path / "outbox"), FROM)
    assert await put(records, NOTICE)
    assert not await put(records, NOTICE)
    assert await outbox.send() == 1
    assert not await put(records, NOTICE)
    assert await outbox.send() == 0


async def test_two_workers_send_a_notice_once(records: Records) -> None:
    post = Post()
    async with post.listening() as url:
        one, other = (Outbox(records, Smtp(url), FROM) for _ in range(2))
        await put(records, NOTICE)
        assert sum(await asyncio.gather(one.send(), other.send())) == 1
    assert len(post.messages) == 1
    message = message_from_bytes(post.messages[0], policy=default)
    assert (message["From"], message["Auto-Submitted"]) == (FROM, "auto-generated")


async def test_what_a_mail_server_refuses_waits_and_is_sent_later(records: Records) -> None:
    refusing, post = Post("554 no"), Post()
    async with refusing.listening() as closed, post.listening() as url:
        outbox = Outbox(records, Smtp(closed), FROM)
        await put(records, NOTICE)
        assert await outbox.send() == 0
        # It is not tried again at once…
        assert await Outbox(records, Smtp(url), FROM).send() == 0
        assert BACK_OFF[0] >= 60
        # …but when its time has come.
        await records.take("outbox-lease", NOTICE.key)
        assert await Outbox(records, Smtp(url), FROM).send() == 1
    assert len(post.messages) == 1


async def test_a_notice_that_never_leaves_is_given_up_to_the_operator_who_may_try_it_again(records: Records) -> None:
    refusing, post = Post("554 no"), Post()
    async with refusing.listening() as closed, post.listening() as url:
        outbox = Outbox(records, Smtp(closed), FROM)
        await put(records, replace(NOTICE, tried=len(BACK_OFF)))
        assert await outbox.send() == 0
        assert await records.list("outbox") == []
        [(key, dead)] = [one async for one in outbox.dead()]
        assert (key, dead.tried, dead.failed) == (NOTICE.key, len(BACK_OFF) + 1, "SMTPConnectError")
        assert await outbox.revive(key)
        assert not await outbox.revive(key)
        assert await Outbox(records, Smtp(url), FROM).send() == 1
    assert len(post.messages) == 1


async def test_each_try_waits_longer_than_the_one_before_and_for_days_in_all() -> None:
    assert list(BACK_OFF) == sorted(BACK_OFF)
    # RFC 5321 §4.5.4.1: four to five days.
    assert 4 * 86_400 <= sum(BACK_OFF) <= 5 * 86_400


#: Address, number or subject that nothing can be sent to, or with.
HOPELESS = {
    "an address with a line break": replace(NOTICE, to="a@example.org\r\nBcc: b@example.org"),
    "a subject with a line break": replace(NOTICE, subject="Bonjour\r\nBcc: b@example.org"),
    "an address that this server takes no mail for": replace(NOTICE, to="né@example.org"),
    "an SMS without a provider": replace(NOTICE, to="+33600000000", channel="sms"),
}


@pytest.mark.parametrize("name", HOPELESS)
async def test_what_can_never_be_sent_is_given_up_at_once_and_keeps_nothing_else_back(
    records: Records, name: str
) -> None:
    post = Post()
    async with post.listening() as url:
        outbox = Outbox(records, Smtp(url), FROM)
        await put(records, HOPELESS[name])
        await put(records, replace(NOTICE, key="other"))
        assert await outbox.send() == 1
        assert [key async for key, _ in outbox.dead()] == [NOTICE.key]
    assert len(post.messages) == 1 and b"b@example.org" not in post.messages[0]


async def test_a_mail_server_that_is_away_is_not_waited_for_once_for_each_message(records: Records) -> None:
    away, tries = Post("421 later"), []

    @dataclass(frozen=True)
    class Counting:
        """The way to that server, and how often it is tried."""

        way: Smtp

        def begin(self) -> Counting:
            return self

        def carry(self, message: EmailMessage) -> None:
            tries.append(message["To"])
            self.way.begin().carry(message)

        def end(self) -> None:
            pass

    async with away.listening() as url:
        for number in range(20):
            await put(records, replace(NOTICE, key=str(number)))
        assert await Outbox(records, Counting(Smtp(url)), FROM).send() == 0
    assert 0 < len(tries) < 5


async def test_a_message_sent_twice_after_a_crash_has_one_id(records: Records, tmp_path: Path) -> None:
    outbox = Outbox(records, Folder(tmp_path), FROM)
    first = outbox._message(NOTICE, datetime(2026, 1, 1, tzinfo=UTC))
    second = outbox._message(NOTICE, datetime(2026, 1, 2, tzinfo=UTC))
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Message-ID"].endswith("@fhir.example>")


@pytest.mark.parametrize("text", ["Bonjour\r\nBcc: other@example.org", "a\nb"])
async def test_a_subject_cannot_add_headers(records: Records, tmp_path: Path, text: str) -> None:
    outbox = Outbox(records, Folder(tmp_path), FROM)
    with pytest.raises(ValueError, match="line"):
        outbox._message(Notice("k", NOTICE.to, text, ""), datetime(2026, 1, 1, tzinfo=UTC))


def test_an_unknown_way_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outbox"):
        carrier("pigeon://roof", tmp_path)
    assert carrier("", tmp_path) == Folder(tmp_path)
