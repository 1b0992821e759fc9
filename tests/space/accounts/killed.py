"""A process that is killed while it erases spaces, at its n-th step. For `test_erasing_killed`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fhir_server.space.accounts.erasing.erasing import Erasing
from fhir_server.space.accounts.erasing.ledger import Ledger
from fhir_server.store.embedded.engine import EmbeddedStore
from fhir_server.store.embedded.records import EmbeddedRecords
from tests.space.accounts.erasing_scene import LATER, a_house


def _counting(left: list[int], owner: type, name: str, before: bool) -> None:
    method: Callable[..., Any] = getattr(owner, name)

    def step() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    async def counted(self: Any, *given: Any, **more: Any) -> Any:
        if before:
            step()
        found = await method(self, *given, **more)
        if not before:
            step()
        return found

    def counted_at_once(self: Any, *given: Any, **more: Any) -> Any:
        step()
        return method(self, *given, **more)

    setattr(owner, name, counted if asyncio.iscoroutinefunction(method) else counted_at_once)


async def _until_killed(folder: Path, steps: int) -> None:
    async with a_house(folder) as house:
        left = [steps]
        for owner, name in (
            (EmbeddedStore, "purge"),
            (EmbeddedStore, "append"),
            (EmbeddedStore, "transact"),
            (EmbeddedStore, "scour"),
            (EmbeddedRecords, "apply"),
            (EmbeddedRecords, "put"),
            (Ledger, "add"),
        ):
            _counting(left, owner, name, before=steps % 2 == 0)
        await Erasing(house.services).run(LATER)


if __name__ == "__main__":
    asyncio.run(_until_killed(Path(sys.argv[1]), int(sys.argv[2])))
