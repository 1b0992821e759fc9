"""A child process that writes to a store under load and prints each write that was acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from fhir_server.store.filters import Span, Word
from fhir_server.store.opening import open_engine
from tests.store.making import a_put, an_index


async def main(url: str, name: str, most: int) -> None:
    engine = open_engine(url, max_pending=2_000, deadline_seconds=30)
    print("ready", flush=True)

    async def client(number: int) -> None:
        for n in range(most):
            pair = f"{name}-{number}-{n}"
            index = an_index(Word("pair", pair), Word("tag", "t", "http://s.example"), Span("date", n, n + 1))
            # Two resources in one transaction: both or neither must be there afterwards.
            await engine.store.transact(
                [a_put("Patient", f"{pair}-a", 0, index), a_put("Group", f"{pair}-b", 0, index)]
            )
            print(pair, flush=True)

    await asyncio.gather(*[client(number) for number in range(8)])
    await engine.close()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
