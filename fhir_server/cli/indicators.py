"""`fhir-server indicators`: what the space reports of itself, and counting it from scratch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.cli.clients import opened_with
from fhir_server.cli.options import WRONG, Data, Store, out, refuse, settings

if TYPE_CHECKING:
    from fhir_server.app import House

indicators = typer.Typer(help="What the space reports of itself.", no_args_is_help=True)


@indicators.command()
def show(
    code: Annotated[str, typer.Argument(help="Of an indicator; without, all of them are listed.")] = "",
    data: Data = None,
    store: Store = None,
) -> None:
    """One indicator as comma-separated values, small cells not told; or which there are."""
    from fhir_server.space.indicators.definitions import BY_CODE
    from fhir_server.space.indicators.series import as_csv
    from fhir_server.space.indicators.telling import table

    if not code:
        for one in BY_CODE.values():
            out.print(f"{one.code:28}{one.title[1]}", highlight=False, soft_wrap=True)
        return
    if code not in BY_CODE:
        refuse(f"An indicator is one of {', '.join(BY_CODE)}.", WRONG)

    async def use(house: House) -> str:
        return as_csv(await table(house.engine.records, BY_CODE[code], datetime.now(UTC)), "fr")

    typer.echo(opened_with(settings(data=data, store=store), use), nl=False)


@indicators.command()
def recount(data: Data = None, store: Store = None) -> None:
    """Count everything from scratch; the server may be serving."""
    from fhir_server.space.indicators.recounting import recounted

    async def use(house: House) -> int | None:
        return await recounted(house.services, datetime.now(UTC))

    counted = opened_with(settings(data=data, store=store), use)
    if counted is None:
        refuse("Another process counts now: try again when it is done.", WRONG)
    out.print(f"{counted} resources counted.", highlight=False)
