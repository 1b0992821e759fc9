"""The table of FHIRPath's functions: what each is called with and whether it answers a boolean or a collection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.nodes import Node

#: A compiled expression: the environment and `$this` (as a collection) in, a collection out.
Collection = Callable[[Environment, list[Node]], list[Node]]
#: The same, answering in three-valued logic.
Truth = Callable[[Environment, list[Node]], bool | None]
#: How an argument reaches the function: evaluated; as a `Collection` or `Truth` to evaluate for each item; a type's
#: names; or a sort key (`Collection`, descending).
Mode = Literal["values", "each", "criterion", "type", "key"]


class Function(NamedTuple):
    """A function of the language.

    Attributes:
        call: (environment, `$this`, input, *arguments) → collection, or bool | None when `logical`.
        modes: one per argument; the last is repeated when there are more.
        least: how many arguments must be given.
        most: how many may be.
        logical: whether it answers a boolean.
    """

    call: Callable[..., Any]
    modes: tuple[Mode, ...]
    least: int
    most: int
    logical: bool


FUNCTIONS: dict[str, Function] = {}


def function(
    name: str, *modes: Mode, optional: int = 0, most: int | None = None, logical: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put the decorated function in the table; the last `optional` of its arguments may be left out."""

    def register(call: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[name] = Function(call, modes, len(modes) - optional, most or len(modes), logical)
        return call

    return register
