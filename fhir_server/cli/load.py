"""`fhir-server load`: Bundles and NDJSON into the store, fast, and able to go on where it was interrupted."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fhir_server.cli.journal import KEPT, Journal
from fhir_server.cli.journal import Progress as FileProgress
from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import INTERRUPTED, WRONG, Data, Processes, Store, err, out, refuse, settings
from fhir_server.cli.sources import digest, files, parts
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.cli.loading import Loader, Outcome

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
    with occupied(chosen):
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
        self._journal = Journal(chosen.data / "loads")
        self._processes = processes if processes or self._large() else 1
        self.stopped = False
        self.written = self.unchanged = self.refusals = 0
        self._refused: list[str] = []
        self._began = time.monotonic()

    def _large(self) -> bool:
        return sum(file.stat().st_size * (8 if file.suffix == ".gz" else 1) for file in self._files) > SMALL

    async def all(self) -> None:
        """Load every file."""
        from fhir_server.cli.writing import loader

        self._listen()
        total = sum(file.stat().st_size for file in self._files)
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=err
        )
        async with AsyncExitStack() as stack:
            pump = await stack.enter_async_context(loader(self._settings, self._processes))
            stack.enter_context(bar)
            task = bar.add_task("", total=total)
            behind = 0
            for file in self._files:
                bar.update(task, description=file.name)
                await self._one(pump, file, lambda end, start=behind: bar.update(task, completed=start + end))  # type: ignore[misc]
                behind += file.stat().st_size
                bar.update(task, completed=behind)
                if self.stopped:
                    return

    async def _one(self, pump: Loader, file: Path, at: Callable[[int], None]) -> None:
        name = digest(file)
        progress = self._journal.of(name, file)
        if self._again:
            progress = FileProgress(file.name, progress.salt)
        if progress.done:
            err.print(f"{file}: loaded before ({progress.loaded:,} resources); --again loads it once more.")
            self._count_before(file, progress)
            return
        self._count_before(file, progress)
        await pump.load(
            parts(file, progress.lines),
            f"{name}/{progress.salt}",
            lambda outcome: self._report(file, name, progress, outcome, at),
            lambda: self.stopped,
        )
        if not self.stopped:
            progress.done = True
            self._journal.keep(name, progress)

    def _count_before(self, file: Path, progress: FileProgress) -> None:
        self.refusals += progress.refusals
        self._refused += [f"{file}, {reason}" for reason in progress.refused]

    def _report(
        self, file: Path, name: str, progress: FileProgress, outcome: Outcome, at: Callable[[int], None]
    ) -> None:
        progress.lines = outcome.part.first + outcome.part.count - 1
        progress.loaded += outcome.written + outcome.unchanged
        progress.refusals += len(outcome.refused)
        said = [f"{refusal.place}: {refusal.reason}" for refusal in outcome.refused]
        progress.refused += said[: KEPT - len(progress.refused)]
        self.written += outcome.written
        self.unchanged += outcome.unchanged
        self.refusals += len(outcome.refused)
        self._refused += [f"{file}, {reason}" for reason in said]
        self._journal.keep(name, progress)
        at(outcome.part.end)

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
        for reason in self._refused[:SHOWN]:
            err.print(f"refused: {reason}", markup=False)
        if self.refusals > SHOWN:
            err.print(f"… and {self.refusals - SHOWN:,} more.")
