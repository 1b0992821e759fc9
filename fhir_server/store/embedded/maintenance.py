"""Looking after the one file of an embedded store: copying it while it is in use, and looking for defects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fhir_server.store.embedded.backup import copy
from fhir_server.store.embedded.check import defects
from fhir_server.store.embedded.readers import Readers


@dataclass(frozen=True, slots=True)
class EmbeddedMaintenance:
    """`Maintenance` of one SQLite file."""

    _path: Path
    _readers: Readers

    async def backup(self, target: Path) -> None:
        """As `Maintenance.backup`."""
        await self._readers.aside(lambda: copy(self._path, target))

    def check(self) -> AsyncIterator[str]:
        """As `Maintenance.check`."""
        return defects(self._path, self._readers)
