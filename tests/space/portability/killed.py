"""A process that is killed while it writes an archive. For `test_killed`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from fhir_server.app import opened
from fhir_server.settings import Settings
from fhir_server.space.portability.packing import Packing


async def _until_killed(folder: Path) -> None:
    """Kill this very process, as nothing can be put right after, once some files are in the archive."""
    add = Packing.add

    async def adding(self: Packing, *given: object, **more: object) -> object:
        if len(self.files) > 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return await add(self, *given, **more)  # type: ignore[arg-type]

    Packing.add = adding  # type: ignore[method-assign, assignment]
    async with opened(Settings(data=folder, open=True)) as house:
        await house.clock().run()


if __name__ == "__main__":
    asyncio.run(_until_killed(Path(sys.argv[1])))
