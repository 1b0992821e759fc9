"""Notices reach people once, in a file or by SMTP (RFC 5321, RFC 5322), and survive what fails on the way."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from fhir_server.jobs.outbox import RETRY_SECONDS, TRIES, Folder, Notice, Outbox, Smtp, carrier
from fhir_server.store.protocol import Records
from tests.engines import an_engine

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
    assert await outbox.put(NOTICE)
    assert await outbox.send() == 1
    [file] = (tmp_path / "outbox").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    message = message_from_bytes(file.read_bytes(), policy=default)
    assert message["To"] == NOTICE.to
    assert message["Subject"] == NOTICE.subject
    assert message.get_content().strip() == "Carnet Tension"


async def test_the_same_notice_is_made_once_even_after_it_was_sent(records: Records, tmp_path: Path) -> None:
    outbox = Outbox(records, Folder(tmp_path / "outbox"), FROM)
    assert await outbox.put(NOTICE)
    assert not await outbox.put(NOTICE)
    assert await outbox.send() == 1
    assert not await outbox.put(NOTICE)
    assert await outbox.send() == 0


async def test_two_workers_send_a_notice_once(records: Records) -> None:
    post = Post()
    async with post.listening() as url:
        one, other = (Outbox(records, Smtp(url), FROM) for _ in range(2))
        await one.put(NOTICE)
        assert sum(await asyncio.gather(one.send(), other.send())) == 1
    assert len(post.messages) == 1
    message = message_from_bytes(post.messages[0], policy=default)
    assert (message["From"], message["Auto-Submitted"]) == (FROM, "auto-generated")


async def test_what_a_mail_server_refuses_waits_and_is_sent_later(records: Records) -> None:
    refusing, post = Post("554 no"), Post()
    async with refusing.listening() as closed, post.listening() as url:
        outbox = Outbox(records, Smtp(closed), FROM)
        await outbox.put(NOTICE)
        assert await outbox.send() == 0
        # It is not tried again at once…
        assert await Outbox(records, Smtp(url), FROM).send() == 0
        assert RETRY_SECONDS > 60
        # …but when its time has come.
        await records.take("outbox-lease", NOTICE.key)
        assert await Outbox(records, Smtp(url), FROM).send() == 1
    assert len(post.messages) == 1


async def test_a_notice_that_never_leaves_is_given_up(records: Records) -> None:
    post = Post("554 no")
    async with post.listening() as url:
        outbox = Outbox(records, Smtp(url), FROM)
        await outbox.put(Notice(NOTICE.key, NOTICE.to, NOTICE.subject, NOTICE.text, TRIES - 1))
        assert await outbox.send() == 0
    assert await records.list("outbox") == []


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
