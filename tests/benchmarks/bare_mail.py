"""The ceiling of the mail gateway: the same SMTP server, delivering each mail as a Maildir does. `… FOLDER PORT`.

https://cr.yp.to/proto/maildir.html: written under `tmp`, made durable, named under `new`; the folder is made durable too,
since a file whose name is lost with the power is a mail that was answered 250 and is not there (RFC 5321 §6.1).
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import uvloop

from fhir_server.space.messages.mail.room import Received
from fhir_server.space.messages.mail.wire import Smtp, require_taken


class _Files:
    def __init__(self, folder: Path) -> None:
        self._written, self._named = folder / "tmp", folder / "new"
        for one in (self._written, self._named):
            one.mkdir(exist_ok=True)
        self._names = os.open(self._named, os.O_RDONLY)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.to_thread(self._write, require_taken(envelope))
        return "250 OK"

    def _write(self, content: bytes) -> None:
        name = uuid.uuid4().hex
        with (self._written / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        (self._written / name).rename(self._named / name)
        os.fsync(self._names)


async def _main() -> None:
    loop, files, held = asyncio.get_running_loop(), _Files(Path(sys.argv[1])), Received()
    server = await loop.create_server(
        lambda: Smtp(files, holding=held, data_size_limit=50_000_000, enable_SMTPUTF8=True, loop=loop),
        "127.0.0.1",
        int(sys.argv[2]),
        reuse_port=True,
    )
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
