"""`fhir-server load`: Bundles and NDJSON into the store, fast, and able to go on where it was interrupted."""

from __future__ import annotations

import asyncio
import signal
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.one_at_a_time import alone
from fhir_server.cli.options import INTERRUPTED, WRONG, Data, Processes, Store, err, out, refuse, settings
from fhir_server.loading.progress import KEPT, Journal
from fhir_server.loading.progress import Progress as FileProgress
from fhir_server.loading.sources import Part, digest, files, parts
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.loading.pump import Job, Outcome

#: Below so many bytes, starting worker processes takes longer than they save.
SMALL = 1_500_000
#: Refusals shown; the rest are counted.
SHOWN = 20


def load(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSON or NDJSON files, .gz too, or folders.")],
    data: Data = None,
    store: Store = None,
    processes: Processes = 0,
    again: Annotated[bool, typer.Option("--again", help="Load files that were loaded before once more.")] = False,
) -> None:
    """Load Bundles and NDJSON. Run it again to go on after an interruption; nothing is written twice.

    Ends with 1 when something was refused (it says what and why), and 130 when interrupted.
    """
    chosen = settings(data=data, store=store)
    try:
        found = files(paths)
    except (FileNotFoundError, ValueError) as error:
        refuse(str(error))
    with occupied(chosen, new=True):
        run = _Run(chosen, found, processes, again)
        asyncio.run(run.all())
    run.summary()
    if run.stopped:
        refuse("Interrupted. Run the same command again to go on.", INTERRUPTED)
    if run.refusals:
        raise typer.Exit(WRONG)


class _Run:
    """One run of the command over all its files."""

    def __init__(self, chosen: Settings, files: list[Path], processes: int, again: bool) -> None:
        self._settings = chosen
        self._files = files
        self._again = again
        self._processes = processes if processes or self._large() else 1
        self.stopped = False
        self.written = self.unchanged = self.refusals = self.restated = 0
        self._refused: list[str] = []
        self._begun: dict[str, Path] = {}
        self._began = time.monotonic()

    def _large(self) -> bool:
        return sum(file.stat().st_size * (8 if file.suffix == ".gz" else 1) for file in self._files) > SMALL

    async def all(self) -> None:
        from fhir_server.app import opened
        from fhir_server.loading.loader import loader

        self._listen()
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        async with opened(self._settings) as house, loader(house, self._processes) as pump:
            with Progress(*columns, console=err.console) as bar:
                task = bar.add_task("", total=sum(file.stat().st_size for file in self._files))
                jobs = self._jobs(Journal(house.engine.records), bar, task)
                await alone(house.engine.records, "load", lambda: pump.load(jobs, lambda: self.stopped))

    async def _jobs(self, journal: Journal, bar: Progress, task: TaskID) -> AsyncIterator[Job]:
        """The parts of all files, one file after the other, so that the next is prepared while this one is written."""
        from fhir_server.loading.pump import Job

        behind = 0
        for file in self._files:
            loading = await _File.begun(journal, file, self._again)
            first = self._begun.setdefault(loading.key, file)
            if first != file:
                err.print(f"{file}: has the content of {first}, which is loaded once.")
                behind += file.stat().st_size
                continue
            self._count(loading, loading.progress.refused, loading.progress.refusals)
            if loading.progress.done:
                err.print(f"{file}: loaded before ({loading.progress.loaded:,} resources); --again loads it once more.")
            else:
                at = self._reporter(loading, bar, task, behind)
                for part in loading.parts():
                    yield Job(part, loading.key, at)
                await loading.ended()
                self._count(loading, loading.unreadable, len(loading.unreadable))
            behind += file.stat().st_size

    def _reporter(
        self, loading: _File, bar: Progress, task: TaskID, behind: int
    ) -> Callable[[Outcome], Awaitable[None]]:
        async def report(outcome: Outcome) -> None:
            said = [f"{refusal.place}: {refusal.reason}" for refusal in outcome.refused]
            self.written += outcome.written
            self.unchanged += outcome.unchanged
            self.restated += outcome.restated
            self._count(loading, said, len(said))
            await loading.reported(outcome, said)
            bar.update(task, description=loading.file.name, completed=behind + outcome.part.end)

        return report

    def _count(self, loading: _File, said: list[str], number: int) -> None:
        self.refusals += number
        self._refused += [f"{loading.file}, {reason}" for reason in said]

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self.stopped = True

    def summary(self) -> None:
        """Say what was done, how fast, and what was refused."""
        seconds = max(time.monotonic() - self._began, 0.001)
        done = self.written + self.unchanged
        out.print(
            f"{self.written:,} resources written, {self.unchanged:,} already there, {self.refusals:,} refused, "
            f"in {seconds:.1f} s ({done / seconds:,.0f}/s)."
        )
        if self.restated:
            out.print(f"{self.restated:,} search parameters restate R4's, which are in force.")
        for reason in self._refused[:SHOWN]:
            err.print(f"refused: {reason}", markup=False)
        if self.refusals > SHOWN:
            err.print(f"… and {self.refusals - SHOWN:,} more.")


class _File:
    """One file on its way, and its page of the journal."""

    def __init__(self, journal: Journal, file: Path, digest: str, progress: FileProgress) -> None:
        self.file = file
        self.progress = progress
        self.unreadable: list[str] = []
        self.key = f"{digest}/{progress.salt}"
        self._journal = journal
        self._digest = digest
        self._waiting = 0
        self._read = False

    @classmethod
    async def begun(cls, journal: Journal, file: Path, again: bool) -> _File:
        """The file where the journal says it is; at its beginning when it is to be loaded once more."""
        found = digest(file)
        progress = await journal.of(found, file.name)
        return cls(journal, file, found, FileProgress(file.name, progress.salt) if again else progress)

    def parts(self) -> Iterator[Part]:
        """What is left of it; a file that cannot be read to its end says so in `unreadable`."""
        try:
            for part in parts(self.file, self.progress.lines):
                self._waiting += 1
                yield part
        except (OSError, EOFError, zlib.error) as error:
            self.unreadable.append(f"the rest of the file: {error}")
            return
        self._read = True

    async def ended(self) -> None:
        """All its parts were given out."""
        await self._keep()

    async def reported(self, outcome: Outcome, refused: list[str]) -> None:
        """A part of it is durable; parts come in order."""
        progress = self.progress
        progress.lines = outcome.part.first + outcome.part.count - 1
        progress.loaded += outcome.written + outcome.unchanged
        progress.refusals += len(refused)
        progress.refused += refused[: KEPT - len(progress.refused)]
        self._waiting -= 1
        await self._keep()

    async def _keep(self) -> None:
        self.progress.done = self._read and not self._waiting
        await self._journal.keep(self._digest, self.progress)
