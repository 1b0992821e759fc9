"""Many mails of one round leave by one connection, and none is lost or doubled where it ends: RFC 5321 §3.1, §3.8."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fhir_server.jobs.mail import Smtp
from fhir_server.jobs.outbox import Notice, Outbox
from tests.engines import an_engine

FROM = "ne-pas-repondre@fhir.example"
MAILS = 7


class Post:
    """A mail server that ends each connection at its nth mail: as it says, by silence before, or after it took it."""

    def __init__(self, ends: str, after: int) -> None:
        self.ends = ends
        self.after = after
        self.connections = 0
        self.messages: list[str] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._dialogue(reader, writer)
        finally:
            writer.close()

    async def _dialogue(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken, said = 0, "220 mail.example"
        while said:
            writer.write(f"{said}\r\n".encode())
            await writer.drain()
            line = (await reader.readline()).decode().strip()
            verb, said = line[:4].upper(), "250 ok"
            if verb in ("", "QUIT"):
                return
            if taken == self.after and verb == self.ends:
                said = "421 so many and no more"
            if verb == "DATA" and said[0] == "2":
                writer.write(b"354 go on\r\n")
                whole = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.messages.append(whole.partition("To: ")[2].partition("\r\n")[0])
                taken += 1
                if self.ends == "drop" and taken == self.after:
                    writer.write(b"250 ok\r\n")
                    await writer.drain()
                    return


@pytest.mark.parametrize(
    "ends, after, connections",
    [("never", 0, 1), ("drop", 3, 3), ("NOOP", 3, 3), ("MAIL", 3, 3), ("RCPT", 3, 3), ("DATA", 3, 3), ("MAIL", 1, 7)],
)
async def test_each_mail_of_a_round_leaves_once(tmp_path: Path, ends: str, after: int, connections: int) -> None:
    engine, post = an_engine(tmp_path), Post(ends, after)
    server: Any = await asyncio.start_server(post.talk, "127.0.0.1", 0)
    async with server:
        outbox = Outbox(engine.records, Smtp(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"), FROM)
        for number in range(MAILS):
            await engine.records.apply(Outbox.kept(Notice(f"n/{number}", f"p{number}@example.org", "s", "t")))
        assert await outbox.send() == MAILS
        assert await outbox.send() == 0
    assert Counter(post.messages) == Counter(f"p{number}@example.org" for number in range(MAILS))
    assert post.connections == connections
    await engine.close()
