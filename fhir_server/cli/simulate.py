"""`fhir-server simulate`: the nation in small, month by month, and how near to the published figures it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Processes, Store, err, out, refuse, settings
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.simulation.figures import Compared
    from fhir_server.simulation.years import Done


def simulate(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM", help="The first month.")] = "2021-07",
    to: Annotated[str, typer.Option("--to", metavar="YYYY-MM", help="The last month.")] = "2026-01",
    scale: Annotated[
        float, typer.Option(min=100, help="People of the nation for one of the store; 684 makes 100,000.")
    ] = 6840,
    random_seed: Annotated[int, typer.Option(min=0, help="Of all randomness; the same gives the same years.")] = 1,
    check: Annotated[bool, typer.Option("--check", help="Simulate nothing: compare what there is.")] = False,
    data: Data = None,
    store: Store = None,
    processes: Processes = 0,
) -> None:
    """Live through the years of the space with invented people, and compare its indicators with published figures.

    Run again, it goes on where it was; with a later --to, it goes on from there.
    """
    months = _month("--from", first), _month("--to", to)
    chosen = settings(data=data, store=store)
    if months[0] > months[1]:
        refuse("--from is a month before --to.")
    with occupied(chosen, new=not check):
        rows = asyncio.run(_run(chosen, months, scale, random_seed, check, processes))
    _show(rows)
    if any(one.verdict == "out" for one in rows):
        raise typer.Exit(WRONG)


def _month(option: str, text: str) -> int:
    from fhir_server.simulation.course import beginning, month_number

    try:
        found = month_number(text)
    except ValueError:
        refuse(f"{option} is a month, as 2021-07.")
    if found < beginning():
        refuse(f"{option}: nothing is known of what was before July 2021.")
    return found


async def _run(
    chosen: Settings, months: tuple[int, int], scale: float, random_seed: int, check: bool, processes: int
) -> Sequence[Compared]:
    from fhir_server.app import opened
    from fhir_server.fhir.outcome import FhirError
    from fhir_server.simulation.figures import compared
    from fhir_server.simulation.journal import Journal, Standing
    from fhir_server.simulation.running import simulated

    async with opened(chosen) as house:
        journal = Journal(house.engine.records)
        if check:
            standing = await journal.standing()
            if standing is None:
                refuse("Nothing was simulated in this store.", WRONG)
            return await compared(journal, standing.scale)
        wanted, began = Standing(random_seed, scale, months[0], months[0]), time.monotonic()
        bar = _Bar(*months)
        try:
            with bar.progress:
                done = await simulated(house, wanted, months[1], processes, bar.told)
        except FhirError as error:
            refuse(error.issues[0].diagnostics, WRONG)
        _tell(done, time.monotonic() - began)
        return await compared(journal, scale)


class _Bar:
    """A bar of the months on a terminal; nothing elsewhere."""

    def __init__(self, first: int, last: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=err.console, disable=not err.console.is_terminal)
        self._first = first
        self._task = self.progress.add_task("", total=last - first + 1)

    def told(self, month: int, phase: str) -> None:
        """A phase of a month begins."""
        from fhir_server.simulation.course import month_text

        self.progress.update(self._task, description=f"{month_text(month)} {phase}", completed=month - self._first)


def _tell(done: Done, seconds: float) -> None:
    number = done.resources + done.moves + done.traces
    out.print(
        f"{done.resources:,} resources, {done.moves:,} moves of spaces and {done.traces:,} traces "
        f"in {seconds:.1f} s ({number / max(seconds, 0.001):,.0f}/s)."
    )
    for refusal in done.refused[:20]:
        err.print(f"refused: {refusal.place}: {refusal.reason}", markup=False)
    if done.refused:
        raise typer.Exit(WRONG)


def _show(rows: Sequence[Compared]) -> None:
    _line(("figure", "day", "published", "simulated", "off", "may be off", "verdict"))
    for one in rows:
        figure = one.figure
        words = figure.code, figure.day.isoformat()
        numbers = _number(figure.figure, figure.of), _number(one.simulated, figure.of)
        off = "" if one.off is None else f"{one.off:+.0f} %"
        _line((*words, *numbers, off, f"{figure.tolerance:.0f} %", one.verdict))
        if figure.contradiction and one.verdict == "out":
            out.print(f"    {figure.contradiction}", highlight=False, soft_wrap=True, markup=False)


def _line(cells: tuple[str, ...]) -> None:
    code, day, published, simulated, off, may, verdict = cells
    out.print(f"{code:25}{day:11}{published:>13}{simulated:>13}{off:>8}{may:>12}  {verdict}", soft_wrap=True)


def _number(value: float | None, share: str) -> str:
    return "—" if value is None else f"{value:,.1f} %" if share else f"{value:,.0f}"
