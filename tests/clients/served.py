"""A closed server really served: `fhir-server serve` as a process of its own on a free port, over a folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.secret import digest
from tests import engines

PASSWORD = "cheval agrafe pile juste"
T = TypeVar("T")


@dataclass(frozen=True)
class Served:
    """A server that answers at `root`, and the hand of its operator on the same store."""

    root: str
    folder: Path

    @property
    def base(self) -> str:
        return f"{self.root}/fhir"

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

    async def run() -> T:
        async with opened(Settings(data=folder)) as house:
            return await use(house)

    return asyncio.run(run())


async def kept(house: House, *resources: dict[str, Any]) -> None:
    """Resources with ids, by the server's own hand."""
    repository = house.repository()
    puts = [await repository.put(r["resourceType"], r["id"], r, json.dumps(r).encode(), None) for r in resources]
    await repository.transact(puts)


async def a_person(house: House, login: str, name: str, subject: str, **more: Any) -> None:
    account = Account(secrets.token_hex(8), login, name, subject, **more)
    assert await house.authorization.accounts.add(account)
    await house.authorization.people.set_password(account, PASSWORD)


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[Served]:
    """The server while it runs; it is ended with the block, and must end well."""
    engines.require_files()
    command = [sys.executable, "-m", "fhir_server.cli.main", "serve", "--port", "0", "--data", str(folder), *options]
    environment = {**os.environ, "FHIR_LOG_LEVEL": "error", "PYTHONUNBUFFERED": "1", **variables}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        try:
            yield Served(_address(process), folder)
        finally:
            process.terminate()
            assert process.wait(30) == 0


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"FHIR base\s+(http://\S+)/fhir", line):
            return found[1]
    raise AssertionError("The server did not start.")
