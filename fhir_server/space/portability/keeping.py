"""What is kept of exports: one for each person and patient at a time, and which wait, and which end when.

The archive itself is a file of the data folder, named by a random id: no resource, so that it is gone when it is
removed, and in no history and no copy of the store.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fhir_server.smart.secret import made
from fhir_server.store.protocol import Drop, Keep, Records

#: Kinds of the records: "Patient/1 2" (person, id of the patient) → `Export`; what waits, by when it was asked for
#: → that key; what is ready, by when it ends → that key.
EXPORT, WAITING, ENDING = "export", "export-waiting", "export-ending"
#: How long an archive is there, in ms.
KEPT_MS = 7 * 86_400_000
#: Exports read at once.
PAGE = 50

State = Literal["waiting", "preparing", "ready", "failed"]


class Export(msgspec.Struct, frozen=True):
    """One export.

    Attributes:
        id: random; names the file.
        person: "Patient/1" or "RelatedPerson/1", who asked.
        patient: id of whose space it is.
        base: the FHIR base that it was asked at.
        asked: ms since 1970 UTC.
        state: how far it is.
        attempts: how often its preparation was begun.
        done: documents that are in it by now; of: how many there are, 0 where that is not known yet.
        size: bytes of the archive; sha256: of them, in hexadecimal digits.
        ready: ms since 1970 UTC when it was ready; 0 before.
        ends: likewise, when it is removed.
    """

    id: str
    person: str
    patient: str
    base: str
    asked: int
    state: State = "waiting"
    attempts: int = 0
    done: int = 0
    of: int = 0
    size: int = 0
    sha256: str = ""
    ready: int = 0
    ends: int = 0

    @property
    def key(self) -> str:
        """The key of its record: one for each person and patient."""
        return f"{self.person} {self.patient}"

    @property
    def under_way(self) -> bool:
        """Whether it is being prepared, or will be."""
        return self.state in ("waiting", "preparing")


async def of(records: Records, person: str, patient: str) -> Export | None:
    """What a person asked for last of a patient (id); None where there is nothing any more."""
    return await at(records, f"{person} {patient}")


async def at(records: Records, key: str) -> Export | None:
    """As `of`, by the key."""
    value = await records.get(EXPORT, key)
    return None if value is None else msgspec.json.decode(value, type=Export)


async def ask(records: Records, person: str, patient: str, base: str, now_ms: int) -> tuple[Export, str]:
    """The export that is under way, or a new one; with the id of one before that it takes the place of, or ""."""
    while True:
        before = await of(records, person, patient)
        if before is not None and before.under_way:
            return before, ""
        new = Export(made()[:32], person, patient, base, now_ms)
        old = None if before is None else msgspec.json.encode(before)
        changes: list[Keep | Drop] = [
            Keep(EXPORT, new.key, msgspec.json.encode(new), new=before is None, old=old),
            Keep(WAITING, _row(now_ms, new), new.key.encode()),
        ]
        if await records.apply(changes):
            return new, "" if before is None else before.id


async def change(records: Records, before: Export, after: Export) -> bool:
    """Keep the next state of an export; False where it was ended, or another took its place, meanwhile."""
    keep = Keep(EXPORT, before.key, msgspec.json.encode(after), old=msgspec.json.encode(before))
    more: list[Keep | Drop] = [] if after.under_way else [Drop(WAITING, _row(before.asked, before))]
    if after.ends:
        more.append(Keep(ENDING, _row(after.ends, after), after.key.encode()))
    return await records.apply([keep, *more])


async def end(records: Records, export: Export) -> bool:
    """Let an export be no more; False where it changed meanwhile. What there is of it is then found by `ended`."""
    # A record is only dropped as it is known: first it is made the one that is dropped.
    value = msgspec.json.encode(export)
    rows = [Drop(WAITING, _row(export.asked, export)), Drop(ENDING, _row(export.ends, export))]
    # Whoever ends it removes the file; if they are killed before, whoever looks next does.
    left = Keep(ENDING, _row(0, export), export.key.encode())
    return await records.apply([Keep(EXPORT, export.key, value, old=value), Drop(EXPORT, export.key), *rows, left])


async def waiting(records: Records) -> list[tuple[str, str, Export | None]]:
    """What waits to be prepared, the oldest first: its row, its id, and what is kept of it."""
    return await _listed(records, WAITING)


async def ended(records: Records, now_ms: int) -> list[tuple[str, str, Export | None]]:
    """What has ended by now, likewise, a page of them."""
    return [one for one in await _listed(records, ENDING) if int(one[0][:15]) <= now_ms]


async def forget(records: Records, kind: str, row: str) -> None:
    """Drop a row that leads to what is no more."""
    await records.apply([Drop(kind, row)])


async def _listed(records: Records, kind: str) -> list[tuple[str, str, Export | None]]:
    found = []
    for row, key in await records.list(kind, count=PAGE):
        export, id = await at(records, key.decode()), row.partition(" ")[2]
        found.append((row, id, export if export is not None and export.id == id else None))
    return found


def _row(ms: int, export: Export) -> str:
    return f"{ms:015d} {export.id}"
