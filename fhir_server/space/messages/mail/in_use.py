"""Whether a mail gateway brings messages to the mailboxes of professionals: it says that it runs, again and again.

Whose mailbox it brings a message to is not told of it besides. One that has been silent for an hour is taken for one
that comes no more; what was written since it was last there is told of then.
"""

from __future__ import annotations

from fhir_server.store.protocol import Records

#: Kind of the record that says when it was last there, in µs since 1970.
ALIVE = "mail-alive"
#: Seconds between two times that it says so, and after which it is taken for gone.
EVERY, GONE = 60.0, 3_600.0


async def say(records: Records, now: float) -> None:
    """A gateway runs now (seconds since 1970)."""
    await records.put(ALIVE, "", str(int(now * 1_000_000)).encode())


async def last(records: Records) -> int | None:
    """When a gateway was last there, in µs since 1970; None where none ever was."""
    kept = await records.get(ALIVE, "")
    return None if kept is None else int(kept)


def brings(alive: int | None, now: int) -> bool:
    """Whether the gateway that was last there at an instant (µs since 1970) is there still."""
    return alive is not None and now - alive < GONE * 1_000_000
