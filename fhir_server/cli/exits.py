"""How a command ends when something outside it fails: in one line that says what, and a code; never in a traceback.

Exit codes are those of `options`. A fault of the program itself is one line too; FHIR_LOG_LEVEL=debug shows where.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from fhir_server.cli.options import INTERRUPTED, WRONG, err
from fhir_server.fhir.outcome import FhirError

#: Kind of failure → what is said of it. The first that fits counts.
WORDS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (FhirError, str),
    (OSError, lambda error: _of_a_file(error)),
    (ValueError, str),
)


class Commands(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for.

        Raises:
            typer.Exit: it was interrupted (130), or something outside it failed (1).
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            err.print("Interrupted.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read the output has gone: the group above ends quietly.
            raise
        except Exception as error:
            if _of_the_command_line(error) or os.environ.get("FHIR_LOG_LEVEL", "").lower() == "debug":
                raise
            _end(error)


def _of_the_command_line(error: Exception) -> bool:
    """Whether the library that reads the command line means it: an exit, a wrong option."""
    return type(error).__module__.partition(".")[0] == "typer"


def _end(error: Exception) -> NoReturn:
    for kind, words in WORDS:
        if isinstance(error, kind):
            err.print(words(error), markup=False)
            raise typer.Exit(WRONG) from None
    err.print(f"The command failed ({type(error).__name__}); FHIR_LOG_LEVEL=debug shows where.")
    raise typer.Exit(WRONG) from None


def _of_a_file(error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{error.filename}: {reason}." if error.filename else f"{reason}."
