"""A process that tells and sends until it is killed: `python -m tests.space.notices.killed FOLDER SMTP PEOPLE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fhir_server.app import opened
from fhir_server.settings import Settings
from tests.space.notices.space import NOON, Space, hours


def settings(folder: Path, outbox: str) -> Settings:
    return Settings(data=folder, base_url="https://fhir.example/fhir", outbox=outbox)  # type: ignore[arg-type]


async def tell_and_send(space: Space, people: int) -> None:
    """Everybody is told of two things, an hour apart, and written to meanwhile."""
    for number in range(people):
        await space.notices.tell(f"p{number}", "message", f"first/{number}", at=NOON)
        await space.notices.tell(f"p{number}", "document", f"second/{number}", at=NOON + hours(0.5))
        if number % 5 == 4:
            await space.look(NOON)
    await space.look(NOON)
    await space.look(NOON + hours(1))


async def main(folder: Path, outbox: str, people: int) -> None:
    async with opened(settings(folder, outbox)) as house:
        await tell_and_send(Space(house), people)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
