"""Options several commands share, and the settings they make together with the `FHIR_*` variables."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from fhir_server.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

#: Exit codes: something was refused or is wrong; the command was not understood or may not run; interrupted.
WRONG, USAGE, INTERRUPTED = 1, 2, 130


class Lines:
    """What is printed; the console is imported and made when there is something: a server that runs well never has."""

    def __init__(self, stderr: bool) -> None:
        self._stderr = stderr

    @cached_property
    def console(self) -> Console:
        """The console itself, for bars of progress."""
        from rich.console import Console

        return Console(stderr=self._stderr, highlight=False, soft_wrap=True)

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich's `Console.print`."""
        self.console.print(*objects, **how)


out, err = Lines(stderr=False), Lines(stderr=True)

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store [FHIR_DATA, var].")]
Store = Annotated[str | None, typer.Option("--store", help="Store URL, sqlite:///PATH [FHIR_STORE].")]
Processes = Annotated[
    int, typer.Option("--processes", min=0, help="Processes that validate and index; 0 for one a core.")
]


def settings(**given: Any) -> Settings:
    """The settings: options given (not None) over variables over defaults.

    Raises:
        typer.Exit: a value is not acceptable (code 2); it says which.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors():
            err.print(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}", markup=False)
        raise typer.Exit(USAGE) from None
    except SettingsError as error:
        # Its words name the field; the value, which may hold a secret, stays out of them.
        named = re.search(r'"(\w+)"', str(error))
        refuse(f"FHIR_{named[1].upper() if named else '…'} is not JSON.")


def row(*cells: str) -> None:
    """A line of a list, for people and for `cut`: the cells as they are, a tab between two."""
    typer.echo("\t".join(cells))


def refuse(message: str, code: int = USAGE) -> NoReturn:
    """Say why the command stops, and stop."""
    err.print(message, markup=False)
    raise typer.Exit(code)
