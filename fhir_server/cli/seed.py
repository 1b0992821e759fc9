"""`fhir-server seed`: an invented population, reproducible from its seed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from fhir_server.cli.occupancy import occupied
from fhir_server.cli.options import WRONG, Data, Processes, Store, err, out, settings
from fhir_server.fhir.json import serialize
from fhir_server.loading.sources import Part
from fhir_server.population.today import REFERENCE_DAY
from fhir_server.settings import Settings

if TYPE_CHECKING:
    from fhir_server.loading.pump import Outcome

#: Resources handled at once.
BATCH = 400
#: Below so many patients, starting worker processes takes longer than they save.
SMALL = 60


def seed(
    patients: Annotated[int, typer.Option(min=0, help="How many people.")] = 100,
    random_seed: Annotated[int, typer.Option(min=0, help="Of all randomness; the same gives the same people.")] = 1,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help=f"Today, in their world [{REFERENCE_DAY}]."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write NDJSON to this file instead of the store; - for standard output.")
    ] = None,
    if_empty: Annotated[bool, typer.Option("--if-empty", help="Do nothing when the store has a patient.")] = False,
    data: Data = None,
    store: Store = None,
    processes: Processes = 0,
) -> None:
    """Fill the store with invented people, their professionals, documents, appointments and messages."""
    # Imported when it is asked for: a start of the server has no use for it.
    from fhir_server.population.generation import population

    chosen = settings(data=data, store=store)
    people = population(patients, random_seed, day.replace(tzinfo=UTC).date() if day else REFERENCE_DAY)
    if output:
        _write(people, output)
        return
    with occupied(chosen, new=True):
        refused = asyncio.run(fill(chosen, people, patients, if_empty, processes or (1 if patients < SMALL else 0)))
    if refused:
        raise typer.Exit(WRONG)


def _write(people: Iterator[dict[str, Any]], output: Path) -> None:
    with nullcontext(sys.stdout.buffer) if str(output) == "-" else output.open("wb") as file:
        for resource in people:
            file.write(serialize(resource) + b"\n")


def parts(people: Iterator[dict[str, Any]]) -> Iterator[Part]:
    """The population as NDJSON in parts; each part's `end` is how many patients are behind it."""
    line, patients = 1, 0
    while batch := list(islice(people, BATCH)):
        patients += sum(resource["resourceType"] == "Patient" for resource in batch)
        body = b"\n".join(map(serialize, batch))
        yield Part(body, True, line, len(batch), patients)
        line += len(batch)


async def fill(
    chosen: Settings, people: Iterator[dict[str, Any]], patients: int, if_empty: bool, processes: int
) -> int:
    """Write the population, unless `if_empty` and the store has a patient; how many resources were refused."""
    from fhir_server.access.grant import OPEN
    from fhir_server.app import opened
    from fhir_server.loading.loader import loader
    from fhir_server.loading.pump import Job
    from fhir_server.store.filters import EVERYTHING

    if if_empty:
        async with opened(chosen) as house:
            if await house.repository(OPEN).count({"Patient": EVERYTHING}, 1):
                out.print("The store has patients already: nothing was added.")
                return 0
    began = time.monotonic()
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    async with opened(chosen) as house, loader(house, processes) as pump:
        with Progress(*columns, console=err.console) as bar:
            task = bar.add_task("patients", total=patients)

            async def report(outcome: Outcome) -> None:
                bar.update(task, completed=outcome.part.end)
                outcomes.append(outcome)

            async def jobs() -> AsyncIterator[Job]:
                for part in parts(people):
                    yield Job(part, "seed", report)

            await pump.load(jobs(), lambda: False)
    return _summary(outcomes, patients, time.monotonic() - began)


def _summary(outcomes: list[Outcome], patients: int, seconds: float) -> int:
    written = sum(outcome.written for outcome in outcomes)
    unchanged = sum(outcome.unchanged for outcome in outcomes)
    refused = [refusal for outcome in outcomes for refusal in outcome.refused]
    rate = (written + unchanged) / max(seconds, 0.001)
    out.print(
        f"{patients:,} patients: {written:,} resources written, {unchanged:,} already there, "
        f"in {seconds:.1f} s ({rate:,.0f}/s)."
    )
    for refusal in refused[:20]:
        err.print(f"refused: {refusal.place}: {refusal.reason}", markup=False)
    return len(refused)
