"""The ceiling of the mail gateway: the same SMTP server, writing each mail into a file that is durable. `… FOLDER PORT`."""

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
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.to_thread(self._write, require_taken(envelope))
        return "250 OK"

    def _write(self, content: bytes) -> None:
        with (self._folder / uuid.uuid4().hex).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


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
