"""What somebody says of their prevention: done or not, and what they want to hear no more of. Kept by patient.

They are records of the space: what a person says of themself is shown to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Literal, get_args

import msgspec

from fhir_server.space.agenda.prevention.calendar import Due
from fhir_server.store.protocol import Keep, Records

#: Kind of the records: key = id of the patient, value = `Marks`.
MARKS = "agenda-prevention"
Status = Literal["TO_PLAN", "NOT_SPECIFIED", "DONE", "NOT_DONE"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Mark(msgspec.Struct, frozen=True):
    """What is said of one: its status, and when it was done, where that is said."""

    status: Status
    executed: date | None = None


class Marks(msgspec.Struct, frozen=True):
    """All that one person said: by what names a due item, and the codes of which they want to hear no more."""

    said: Mapping[str, Mark] = {}
    refused: tuple[str, ...] = ()

    def of(self, due: Due, today: date) -> Mark:
        """What is said of it; what nobody speaks of is to plan until it is over."""
        found = self.said.get(due.key)
        return found or Mark("TO_PLAN" if today < due.end else "NOT_SPECIFIED")

    def marked(self, key: str, mark: Mark) -> Marks:
        """With one said otherwise."""
        return msgspec.structs.replace(self, said={**self.said, key: mark})

    def refusing(self, code: str, refused: bool) -> Marks:
        """With an item refused, or no more."""
        left = {*self.refused} - {code}
        return msgspec.structs.replace(self, refused=tuple(sorted(left | ({code} if refused else set()))))


async def marks(records: Records, patient: str) -> Marks:
    """What a patient (id) said."""
    return _read(await records.get(MARKS, patient))


async def change(records: Records, patient: str, changed: Callable[[Marks], Marks]) -> Marks:
    """Keep what a patient (id) says; what they say elsewhere meanwhile stays."""
    while True:
        before = await records.get(MARKS, patient)
        after = changed(_read(before))
        keep = Keep(MARKS, patient, msgspec.json.encode(after), new=before is None, old=before)
        if await records.apply([keep]):
            return after


def _read(value: bytes | None) -> Marks:
    return Marks() if value is None else msgspec.json.decode(value, type=Marks)
