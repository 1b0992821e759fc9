"""A server really served: a command of ours as a process of its own on free ports, over a folder of its own."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.secret import digest
from tests import engines
from tests.server.command import command, environment, until

T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """A server that answers, and the hand of its operator on the same store.

    Attributes:
        process: that serves.
        folder: of its store.
        log: what it prints.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def at(self, what: str) -> str:
        """The address printed beside a word, without a slash at its end."""
        found = re.search(rf"^{what}\s+(http://\S+?)/?$", self.said, re.M)
        assert found, self.said
        return found[1]

    @property
    def root(self) -> str:
        return self.at("FHIR base").removesuffix("/fhir")

    @property
    def base(self) -> str:
        return self.at("FHIR base")

    def operate(self, use: Callable[[House], Awaitable[T]]) -> T:
        return operated(self.folder, use)

    def register(self, id: str, redirect: str, scopes: str, secret: str = "", **more: Any) -> Client:
        """A client of the operator's, as `fhir-server client add` makes it."""
        kind = "confidential-symmetric" if secret else "public"
        known = {"kind": kind, "secret_hash": digest(secret) if secret else None, **more}
        client = Client(id, "Carnet", redirect_uris=(redirect,), scopes=tuple(scopes.split()), **known)

        async def use(house: House) -> None:
            assert await RecordedClients(house.engine.records).add(client)

        self.operate(use)
        return client


def operated(folder: Path, use: Callable[[House], Awaitable[T]]) -> T:
    """What `use` gives of the server opened in this process, beside the one that serves."""
    engines.require_files()

    async def run() -> T:
        async with opened(Settings(data=folder)) as house:
            return await use(house)

    return asyncio.run(run())


@contextmanager
def serving(folder: Path, *options: str, ready: str = "FHIR base.*\n", **variables: str) -> Iterator[Served]:
    """A closed server while it runs; it is ended with the block, and must end well unless the block ended it."""
    with started(folder, "serve", "--port", "0", "--data", folder, *options, ready=ready, **variables) as found:
        yield found


@contextmanager
def open_serving(folder: Path, *options: str, **variables: str) -> Iterator[Served]:
    """As `serving`, without tokens."""
    with serving(folder, "--open", *options, ready="Open:", **variables) as found:
        yield found


@contextmanager
def started(folder: Path, *arguments: str | Path, ready: str, **variables: str) -> Iterator[Served]:
    """A command that serves from `folder`, once it printed what matches `ready`."""
    starts = len(list(folder.parent.glob(f"{folder.name}.*.log")))
    log = folder.parent / f"{folder.name}.{starts}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command(*arguments),
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(**{"PYTHONUNBUFFERED": "1", **variables}),
        )
    found = Served(process, folder, log)
    try:
        until(lambda: process.poll() is not None or re.search(ready, found.said) is not None)
        assert process.poll() is None, found.said
        yield found
    except BaseException:
        process.kill()
        raise
    else:
        if process.poll() is None:
            process.terminate()
            assert process.wait(240) == 0, found.said
    finally:
        process.wait()
