"""Whose resources of some type were written lately: what a worker remembers of one person goes with theirs alone.

A change names a resource and not whom it is about. That is read of the version made, and of the one before it, since a
resource may have become somebody else's; when somebody asks, many at once, and not with every write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fhir_server.changes.follower import Change, Follower
from fhir_server.fhir.outcome import FhirError
from fhir_server.store.matching import unpack
from fhir_server.store.notes import Noted
from fhir_server.store.protocol import Version

#: Changes that wait to be asked for; of more it is not found out whom they are about.
MOST = 1_000
_PATIENT = "Patient/"
#: Gives versions by (type, id, number), in the same order, with their own index: None for what there is not.
Read = Callable[[Sequence[tuple[str, str, int]]], Awaitable[Sequence[Version | None]]]


class Whom:
    """Whose resources of one type, or whose records of some kinds, were written since it was last asked."""

    def __init__(self, follower: Follower, read: Read, type: str, kinds: Mapping[str, Callable[[str], str]]) -> None:
        """Nothing was heard yet.

        Args:
            follower: hears of what is committed, by any process.
            read: reads whom versions are about.
            type: of the resources.
            kinds: of the records, which must be noted (`store.notes.NOTED`) → the patient (id) whom a key is about.
        """
        self._follower = follower
        self._read = read
        self._kinds = kinds
        self._patients: set[str] = set()
        self._versions: dict[tuple[str, str, int], None] | None = {}
        self._lock = asyncio.Lock()
        follower.subscribe(self._hear, types=(type,), kinds=self._kinds)

    async def taken(self, tell: Callable[[frozenset[str] | None], None]) -> None:
        """Tell of the patients (ids) whom changes are about that were heard and not told yet; None: of anybody.

        Of callers at once each goes on when all that was heard before it asked has been told.

        Raises:
            FhirError: the store does not answer; what was heard is told the next time.
        """
        if self._follower.is_late:
            await self._follower.look()
        if self._versions == {} and not self._patients and not self._lock.locked():
            return
        async with self._lock:
            versions, self._versions = self._versions, {}
            patients, self._patients = self._patients, set()
            try:
                found = None if versions is None else patients | await self._of(list(versions))
            except FhirError:
                self._versions = None
                raise
            if found is None or found:
                tell(None if found is None else frozenset(found))

    async def _of(self, versions: Sequence[tuple[str, str, int]]) -> set[str]:
        asked = dict.fromkeys([*versions, *((type, id, number - 1) for type, id, number in versions if number > 1)])
        if not asked:
            return set()
        found = await self._read(list(asked))
        words = [word.value for one in found if one is not None for word in unpack(one.own).words]
        return {value.removeprefix(_PATIENT) for value in words if value.startswith(_PATIENT)}

    def _hear(self, changes: Sequence[Change] | None) -> None:
        if changes is None or self._versions is None:
            self._versions = None
            return
        for one in changes:
            if isinstance(one, Noted):
                self._patients.add(self._kinds[one.kind](one.key))
            else:
                self._versions[one.type, one.id, one.version] = None
        if len(self._versions) + len(self._patients) > MOST:
            self._versions = None
