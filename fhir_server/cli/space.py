"""`fhir-server space`: what the operator does to the spaces of people: tells of them, suspends, learns of deaths."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.clients import opened_with
from fhir_server.cli.options import WRONG, Data, Store, out, refuse, settings

if TYPE_CHECKING:
    from fhir_server.app import House

space = typer.Typer(help="The spaces of people: told of, opened, closed, suspended.", no_args_is_help=True)

Patient = Annotated[str, typer.Argument(help="Id of their Patient.")]


@space.command()
def inform(
    patient: Annotated[
        list[str] | None, typer.Argument(help="Ids of Patients; everybody not told yet without.")
    ] = None,
    letters: Annotated[
        Path | None, typer.Option(help="Folder for the letters of who has no e-mail address; in the data without.")
    ] = None,
    data: Data = None,
    store: Store = None,
) -> None:
    """Tell people of their space, with a provisional code; whose space is open already is not told."""
    from fhir_server.fhir.outcome import FhirError
    from fhir_server.space.accounts.informing import Informing

    chosen = settings(data=data, store=store)

    async def use(house: House) -> int:
        informing, now = Informing(house.services, letters or chosen.data / "letters"), datetime.now(UTC)
        if not patient:
            return await informing.all(now)
        return sum([await informing.tell(one, now) for one in patient])

    try:
        told = opened_with(chosen, use)
    except FhirError as error:
        refuse(error.issues[0].diagnostics, WRONG)
    out.print(f"{told} told.")


@space.command()
def show(patient: Patient, data: Data = None, store: Store = None) -> None:
    """Where somebody's space stands, since when, and when time acts by itself."""
    from fhir_server.space.accounts.moving import found

    async def use(house: House) -> list[str]:
        (there,) = await found(house.repository(), [patient])
        if there is None:
            return []
        life = there.life
        if life is None:
            return [str(there.state)]
        rows = [life.state, f"since {life.since:%Y-%m-%d}", f"by {life.event} ({life.role})"]
        return [*rows, *([f"next {life.next:%Y-%m-%d}"] if life.next is not None else [])]

    rows = opened_with(settings(data=data, store=store), use)
    if not rows:
        refuse("There is no such Patient.", WRONG)
    out.print("  ".join(rows), highlight=False)


@space.command()
def move(
    patient: Patient,
    event: Annotated[str, typer.Argument(help="suspend, lift, close, reopen, die, correct-death, …")],
    reason: Annotated[str, typer.Option(help="Kept with what happened.")] = "",
    died: Annotated[str, typer.Option(help="When they died, as a date: of the event die.")] = "",
    data: Data = None,
    store: Store = None,
) -> None:
    """Have something happen to a space, as its operator may."""
    from fhir_server.fhir.outcome import FhirError
    from fhir_server.space.accounts import moving, states

    if event not in states.ASKED:
        refuse(f"The event is one of {', '.join(states.ASKED)}.", WRONG)
    asked = moving.Asked(event, "operator", datetime.now(UTC), reason=reason, died=died)

    async def use(house: House) -> str:
        return (await moving.move(house.repository(), patient, asked)).state

    try:
        state = opened_with(settings(data=data, store=store), use)
    except FhirError as error:
        refuse(error.issues[0].diagnostics, WRONG)
    out.print(state)


@space.command()
def erased(patient: Patient, data: Data = None, store: Store = None) -> None:
    """What is kept of an erased space: when it was closed and erased, and why; nothing that was in it."""
    from fhir_server.space.accounts.erasing.erasing import Erased, Erasing

    async def use(house: House) -> Erased | None:
        return await Erasing(house.services).kept_of(patient)

    kept = opened_with(settings(data=data, store=store), use)
    if kept is None:
        refuse("No space of a Patient with this id was erased.", WRONG)
    counted = f"{kept.resources} resources, {kept.traces} traces"
    out.print(f"closed {kept.since}  erased {kept.erased}  {kept.why}  {counted}", highlight=False)
