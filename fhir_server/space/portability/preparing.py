"""The job that prepares archives, one after the other, and removes those that have ended.

A process that dies in it leaves a file that is no archive: another begins the same one again, a few times.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.jobs.clock import Job
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.space.accesses.consultations import Asked, Teller
from fhir_server.space.accesses.exporting import Log
from fhir_server.space.agenda.calendar.addresses import Shown
from fhir_server.space.agenda.calendar.feed import Calendars
from fhir_server.space.names import names
from fhir_server.space.notices.telling import Notices
from fhir_server.space.portability import keeping
from fhir_server.space.portability.contents import Progress, Sources, fill
from fhir_server.space.portability.gathering import gathered
from fhir_server.space.portability.keeping import ENDING, KEPT_MS, WAITING, Export
from fhir_server.space.portability.packing import Packing
from fhir_server.space.portability.sight import sight
from fhir_server.space.record.pages.people import SITE
from fhir_server.space.service import Surroundings
from fhir_server.store import private

#: How often an export is begun at most.
ATTEMPTS = 5
#: Documents after which it is written down how far it is.
_TOLD = 50
_PIECE = 1_000_000
_log = logging.getLogger(__name__)


def opened(around: Surroundings) -> Exports:
    """What portability works with over one opened server."""
    return Exports(around)


def jobs(around: Surroundings) -> Sequence[Job]:
    """What is done as time passes."""
    # Looked at each time, by one process at a time.
    return (Job("record-exports", timedelta(seconds=1), Exports(around).run),)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where conditions of the log are read: `search.asking.query.Place`."""

    repository: Repository
    base: str
    settings: Settings

    @property
    def registry(self) -> Registry:
        """The search parameters in force."""
        return self.repository.registry


class Exports:
    """The archives of one opened server.

    Attributes:
        around: the server.
    """

    def __init__(self, around: Surroundings) -> None:
        """Nothing is read yet."""
        self.around = around
        self._folder = around.settings.data / "exports"

    def path(self, id: str) -> Path:
        """Where the archive of an export lies, once it is ready."""
        return self._folder / f"{id}.zip"

    def remove(self, id: str) -> None:
        """Remove what there is of an export."""
        for path in (self.path(id), self._part(id), self._spool(id)):
            path.unlink(missing_ok=True)

    async def run(self, now: datetime) -> int:
        """Prepare what waits, and remove what has ended; how many were prepared."""
        records, done = self.around.records, 0
        for row, id, export in await keeping.ended(records, _ms(now)):
            if export is None or await keeping.end(records, export):
                await asyncio.to_thread(self.remove, id)
                await keeping.forget(records, ENDING, row)
        for row, id, export in await keeping.waiting(records):
            if export is None:
                await asyncio.to_thread(self.remove, id)
                await keeping.forget(records, WAITING, row)
            else:
                done += await self._tried(export, now)
        return done

    async def _tried(self, export: Export, now: datetime) -> bool:
        """Prepare it; what fails is begun again at the next look, and keeps no other from being prepared."""
        try:
            return await self._begin(export, now)
        except Exception as error:
            # Only what kind of mistake it is: its words may hold a person's data.
            _log.warning("an export was put off (%s)", type(error).__name__)
            return False

    async def _begin(self, export: Export, now: datetime) -> bool:
        records = self.around.records
        begun = replace(export, state="preparing", attempts=export.attempts + 1, done=0)
        if not await keeping.change(records, export, begun):
            return False
        grant = await sight(self.around, export.person, export.patient)
        if grant is None or begun.attempts > ATTEMPTS:
            await keeping.change(records, begun, replace(begun, state="failed", ends=_ms(now) + KEPT_MS))
            return False
        noted = _Noted(self.around, begun)
        try:
            await self._made(begun, grant, now, noted.told)
            ready = await asyncio.to_thread(self._finished, noted.export, now)
        finally:
            await asyncio.to_thread(self._spool(export.id).unlink, missing_ok=True)
        if not await keeping.change(records, noted.export, ready):
            # Ended meanwhile by who asked for it.
            await asyncio.to_thread(self.remove, export.id)
            return False
        notices: Notices = self.around.service("notices")
        holder = export.person == f"Patient/{export.patient}"
        await notices.tell(export.patient, "service", f"export/{export.id}", occasion="export", private=holder, at=now)
        return True

    async def _made(self, export: Export, grant: Grant, now: datetime, told: Progress) -> None:
        await asyncio.to_thread(private.folder, self._folder)
        around, patient = self.around, export.patient
        seen = await around.seen_by(grant, export.base)
        found = await gathered(seen, patient, self._spool(export.id))
        calendars: Calendars = around.service("agenda/calendar")
        agenda = await calendars.feed(seen, patient, Shown(content=True), now)
        log = Log(self._teller(seen, export.base), Asked(patient, own=True))
        zone = around.settings.default_timezone
        sources = Sources(seen, around.blobs, agenda.body, log, zone)
        with Packing(self._part(export.id), now) as packing:
            await fill(packing, sources, found, export.id, now.astimezone(UTC), told)
            await asyncio.to_thread(packing.close)

    def _teller(self, seen: Repository, base: str) -> Teller:
        own = self.around.repository(base=base)
        return Teller(
            seen,
            own,
            _called(own),
            ZoneInfo(self.around.settings.default_timezone),
            _Place(seen, base, self.around.settings),
        )

    def _finished(self, export: Export, now: datetime) -> Export:
        part, digest = self._part(export.id), hashlib.sha256()
        with part.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        size = part.stat().st_size
        part.rename(self.path(export.id))
        return replace(
            export, state="ready", size=size, sha256=digest.hexdigest(), ready=_ms(now), ends=_ms(now) + KEPT_MS
        )

    def _part(self, id: str) -> Path:
        return self._folder / f"{id}.part"

    def _spool(self, id: str) -> Path:
        return self._folder / f"{id}.lines"


class _Noted:
    """How far an export is, written down now and then."""

    def __init__(self, around: Surroundings, export: Export) -> None:
        self.export = export
        self._around = around

    async def told(self, done: int, of: int) -> None:
        """Write it down, where it is worth it; what was ended meanwhile is found out at the end."""
        if done % _TOLD:
            return
        further = replace(self.export, done=done, of=of)
        if await keeping.change(self._around.records, self.export, further):
            self.export = further


def _called(own: Repository) -> Callable[[str], Awaitable[str]]:
    """What software is called, by its client id."""

    async def called(client: str) -> str:
        if client == SITE:
            return "ce site"
        return (await names(own, [f"Device/{client}"])).get(f"Device/{client}", client)

    return called


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
