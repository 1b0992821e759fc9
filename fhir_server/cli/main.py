"""`fhir-server`: the one command line, its commands listed."""

from __future__ import annotations

from typing import Annotated

import typer

from fhir_server.cli.accounts import account
from fhir_server.cli.backup import backup
from fhir_server.cli.check import check
from fhir_server.cli.clients import client
from fhir_server.cli.conformance import conformance
from fhir_server.cli.demo import demo
from fhir_server.cli.doctor import doctor
from fhir_server.cli.endings import Commands
from fhir_server.cli.jobs import jobs
from fhir_server.cli.keys import keys
from fhir_server.cli.load import load
from fhir_server.cli.options import out
from fhir_server.cli.profiles import profiles
from fhir_server.cli.reindex import reindex
from fhir_server.cli.restore import restore
from fhir_server.cli.seed import seed
from fhir_server.cli.serve import serve
from fhir_server.cli.terminology import terminology
from fhir_server.cli.validate import validate
from fhir_server.fhir.version import VERSION
from fhir_server.store import private

app = typer.Typer(
    name="fhir-server",
    cls=Commands,
    help="A FHIR R4 server. Every setting is also a variable FHIR_<NAME>; the README lists them all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"fhir-server {VERSION}")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which version this is.")
    ] = False,
) -> None:
    """A FHIR R4 server. Every setting is also a variable FHIR_<NAME>; the README lists them all."""


for command in (serve, demo, seed, load, validate, reindex, backup, restore, check, doctor, conformance):
    app.command()(command)
app.add_typer(client, name="client")
app.add_typer(account, name="account")
app.add_typer(keys, name="keys")
app.add_typer(jobs, name="jobs")

app.add_typer(profiles)
app.add_typer(terminology)


def main() -> None:
    """Run the command line. What it writes is its user's alone: copies, exports and reports say what the store says."""
    private.by_default()
    app()


if __name__ == "__main__":
    main()
