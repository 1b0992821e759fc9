"""`fhir-server`: the one command line, its commands listed."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from fhir_server.cli.exits import Commands
from fhir_server.cli.options import out
from fhir_server.fhir.version import VERSION
from fhir_server.store import private

#: Command → its module in `fhir_server.cli`, and what it is there: a function, or a group of commands.
COMMANDS: dict[str, tuple[str, str]] = {
    **{
        name: (name, name)
        for name in (
            *("serve", "demo", "seed", "load", "validate", "reindex", "backup", "restore", "check", "doctor"),
            "simulate",
            "conformance",
            "why",
            "mail",
        )
    },
    "client": ("clients", "client"),
    "account": ("accounts", "account"),
    **{
        name: (name, name)
        for name in ("keys", "jobs", "outbox", "profiles", "space", "indicators", "terminology", "audit", "store")
    },
}


def _version(asked: bool) -> None:
    if asked:
        out.print(f"fhir-server {VERSION}")
        raise typer.Exit


def _all(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which version this is.")
    ] = False,
) -> None:
    """A FHIR R4 server. Every setting is also a variable FHIR_<NAME>; the README lists them all."""


def listing(*names: str) -> typer.Typer:
    """The command line with these commands; each is imported, with all it stands on."""
    found = typer.Typer(
        name="fhir-server",
        cls=Commands,
        help="A FHIR R4 server. Every setting is also a variable FHIR_<NAME>; the README lists them all.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    found.callback()(_all)
    for name in names:
        module, attribute = COMMANDS[name]
        command = getattr(import_module(f"fhir_server.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            found.add_typer(command, name=name)
        else:
            found.command(name)(command)
    return found


def __getattr__(name: str) -> Any:
    # The whole command line, for who looks at it: what runs a command imports that command alone.
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = listing(*COMMANDS)
    return globals()["app"]


def main() -> None:
    """Run the command line. What it writes is its user's alone: copies, exports and reports say what the store says."""
    private.by_default()
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    # What imports make stays: looking through it for garbage, over and over, takes a tenth of a start.
    gc.disable()
    commands = listing(*((asked,) if asked in COMMANDS else COMMANDS))
    gc.enable()
    commands()


if __name__ == "__main__":
    main()
