"""What a person was told, kept for them where they sign in: dated, read or unread, for a year.

A notice is kept by person and time backwards, so that the first of a list are the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from fhir_server.store.protocol import Drop, Keep, Records

#: Kinds of the records, under the same keys: what was told, and a row while it is unread.
TOLD, UNREAD = "notice", "notice-unread"
LASTS_SECONDS = 366 * 86_400
#: More unread ones than this are not counted.
COUNTED = 99
_END_OF_TIME = 10**16


class Told(msgspec.Struct, frozen=True):
    """What somebody was told.

    Attributes:
        occasion: of `OCCASIONS`.
        patient: id of whom it is about; "" where no patient's space is named to them.
        at: µs since 1970.
        acts: whether they were told as somebody who acts for the patient.
    """

    occasion: str
    patient: str
    at: int
    acts: bool = False

    @property
    def when(self) -> datetime:
        """The instant; aware, UTC."""
        return datetime.fromtimestamp(self.at / 1_000_000, UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """A notice in somebody's centre; `id` names it among theirs."""

    id: str
    told: Told
    unread: bool


def kept(person: str, told: Told, digest: str) -> list[Keep]:
    """The changes that put a notice into the centre of a person ("Patient/1"); `digest` names what happened."""
    key = f"{person}\n{_END_OF_TIME - told.at:016d}-{digest}"
    return [Keep(TOLD, key, msgspec.json.encode(told), LASTS_SECONDS), Keep(UNREAD, key, b"", LASTS_SECONDS)]


async def lines(records: Records, person: str, after: str, count: int) -> list[Line]:
    """Notices of a person, the newest first, `count` at most, following the one with the id `after` ("" for none)."""
    rows = await records.list(TOLD, f"{person}\n", f"{person}\n{after}" if after else "", count)
    marks = await records.get_each([(UNREAD, key) for key, _ in rows])
    return [_line(key, value, mark is not None) for (key, value), mark in zip(rows, marks, strict=True)]


async def line(records: Records, person: str, id: str) -> Line | None:
    """One notice of a person; None when there is no such."""
    value, mark = await records.get_each([(TOLD, f"{person}\n{id}"), (UNREAD, f"{person}\n{id}")])
    return None if value is None else _line(f"{person}\n{id}", value, mark is not None)


async def unread(records: Records, person: str) -> int:
    """How many notices of a person are unread; counting stops one after `COUNTED`."""
    return len(await records.list(UNREAD, f"{person}\n", count=COUNTED + 1))


async def mark_read(records: Records, person: str, ids: Sequence[str]) -> None:
    """Some notices of a person are read."""
    await records.apply([Drop(UNREAD, f"{person}\n{id}") for id in ids])


async def mark_all_read(records: Records, person: str) -> None:
    """All notices of a person that are there now are read."""
    while rows := await records.list(UNREAD, f"{person}\n", count=500):
        await records.apply([Drop(UNREAD, key) for key, _ in rows])


def _line(key: str, value: bytes, unread: bool) -> Line:
    return Line(key.rpartition("\n")[2], msgspec.json.decode(value, type=Told), unread)
