"""What one command at a time does to a store: a second one says who is at it, and ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from fhir_server.cli.options import WRONG, refuse
from fhir_server.store.leases import Lease, holding, inherited
from fhir_server.store.protocol import Records

T = TypeVar("T")

#: How long a command that was killed on another machine keeps the next one waiting, in seconds: what it does at one go
#: may be long. On this one it is seen that it is no more.
SECONDS = 120.0


async def alone(records: Records, name: str, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives, once it is this command's alone.

    Args:
        records: of the store.
        name: the command, such as "load".
        work: what it does.

    Raises:
        typer.Exit: another is at it (code 1); it says which process, since when, and until when it counts as alive.
    """

    async def done() -> tuple[T]:
        return (await work(),)

    lease = Lease(records, f"command {name}", SECONDS)
    given = await lease.hold(done)
    if given is None and await inherited(records, f"command {name}"):
        # Who had it was killed: nobody is at it.
        given = await lease.hold(done)
    if given is None:
        other = await holding(records, f"command {name}")
        who = f" ({other.holder}, since {_time(other.since)}, until {_time(other.until)})" if other is not None else ""
        refuse(f"Another `{name}` is at work on this store{who}. When it has ended, begin this one again.", WRONG)
    return given[0]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")
