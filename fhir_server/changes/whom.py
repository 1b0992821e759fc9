"""Whose resources of some type were written lately: what a worker remembers of one person goes with theirs alone.

A change names a resource and not whom it is about. That is read of the version made, and of the one before it, since a
resource may have become somebody else's; when somebody asks, many at once, and not with every write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from fhir_server.changes.follower import Change, Follower
from fhir_server.store.matching import unpack
from fhir_server.store.notes import Noted
from fhir_server.store.protocol import Version

#: Changes that wait to be asked for; of more it is not found out whom they are about.
MOST = 1_000
_PATIENT = "Patient/"
#: Patients (ids) → the ids of what was written about them; None: anything may have been, about anybody.
About = Mapping[str, frozenset[str]] | None
#: Gives versions by (type, id, number), in the same order, with their own index: None for what there is not.
Read = Callable[[Sequence[tuple[str, str, int]]], Awaitable[Sequence[Version | None]]]


class Whom:
    """Whose resources of one type, or whose records of some kinds, were written since it was last asked."""

    def __init__(
        self, follower: Follower, read: Read, type: str, kinds: Mapping[str, Callable[[str], tuple[str, str]]]
    ) -> None:
        """Nothing was heard yet.

        Args:
            follower: hears of what is committed, by any process.
            read: reads whom versions are about.
            type: of the resources.
            kinds: of the records, which must be noted (`store.notes.NOTED`) → the patient (id) whom a key is about, and
                of what resource of the type (id) it is.
        """
        self._follower = follower
        self._read = read
        self._kinds = kinds
        self._records: set[tuple[str, str]] = set()
        self._versions: dict[tuple[str, str, int], None] | None = {}
        self._lock = asyncio.Lock()
        follower.subscribe(self._hear, types=(type,), kinds=self._kinds)

    async def taken(self, tell: Callable[[About], None]) -> None:
        """Tell of the patients whom changes are about that were heard and not told yet.

        Of callers at once each goes on when all that was heard before it asked has been told.

        Raises:
            FhirError: the store does not answer; what was heard is told the next time.
        """
        if self._follower.is_late:
            await self._follower.look()
        if self._versions == {} and not self._records and not self._lock.locked():
            return
        async with self._lock:
            versions, self._versions = self._versions, {}
            records, self._records = self._records, set()
            try:
                found = None if versions is None else await self._of(list(versions), records)
            except BaseException:
                # Whoever asked may have given up as well: it is not lost for others.
                self._versions = None
                raise
            if found is None or found:
                tell(found)

    async def _of(self, versions: Sequence[tuple[str, str, int]], records: Iterable[tuple[str, str]]) -> About:
        found: dict[str, set[str]] = {}
        for patient, id in records:
            found.setdefault(patient, set()).add(id)
        asked = dict.fromkeys([*versions, *((type, id, number - 1) for type, id, number in versions if number > 1)])
        for one in await self._read(list(asked)) if asked else ():
            for word in unpack(one.own).words if one is not None else ():
                if word.value.startswith(_PATIENT) and one is not None:
                    found.setdefault(word.value.removeprefix(_PATIENT), set()).add(one.id)
        return {patient: frozenset(ids) for patient, ids in found.items()}

    def _hear(self, changes: Sequence[Change] | None) -> None:
        if changes is None or self._versions is None:
            self._versions = None
            return
        for one in changes:
            if isinstance(one, Noted):
                self._records.add(self._kinds[one.kind](one.key))
            else:
                self._versions[one.type, one.id, one.version] = None
        if len(self._versions) + len(self._records) > MOST:
            self._versions = None
