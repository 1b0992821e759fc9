"""What an expression is evaluated against besides its input: the resource, variables, services, and a budget.

https://hl7.org/fhir/R4/fhirpath.html#variables
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.fhirpath import temporal
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.work import budget

MAX_ITEMS = 1_000_000  #: of a collection
MAX_STEPS = 500_000  #: times a criterion or projection may be evaluated, in all
MAX_SECONDS = 3.0  #: of the processor, from the time there are more than a few steps
MAX_TEXT = 10_000_000  #: characters of a string an expression makes

MANY = 15  #: nodes that are found with one step
_LONG = 1_000  #: characters that are read with one step

#: The resource a reference (`Patient/1`, an absolute URL, a canonical) leads to, None where it leads nowhere.
Resolve = Callable[[str], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Services:
    """What the language leaves to its host. Each answers None where it cannot tell, and the function is then empty.

    Attributes:
        member_of: (JSON value of a code, Coding…, its FHIR type, canonical of a value set) → whether it is in the set.
        subsumes: (code system, code, other code) → whether the first subsumes the second.
        conforms_to: (JSON value, its FHIR type, canonical of a profile) → whether it conforms.
        trace: what `trace()` shows: its name and the collection.
    """

    member_of: Callable[[Any, str, str], bool | None] | None = None
    subsumes: Callable[[str, str, str], bool | None] | None = None
    conforms_to: Callable[[Any, str, str], bool | None] | None = None
    trace: Callable[[str, list[Node]], None] | None = None


NO_SERVICES = Services()
NO_VARIABLES: Mapping[str, Any] = {}


class Allowance:
    """What an evaluation may cost, or several that belong together: steps first, and the time that they take."""

    __slots__ = ("_look", "_most", "_until", "cost")

    def __init__(self, most: int | None = None) -> None:
        """`most` steps, or `MAX_STEPS`, and no more than `MAX_SECONDS`."""
        self._most = MAX_STEPS if most is None else most
        self.cost = 0
        self._look = _FEW
        self._until = 0.0

    def spend(self, amount: int) -> None:
        """Count `amount` steps.

        Raises:
            EvaluationError: that is more than it may be in all, or they have taken more than `MAX_SECONDS`.
        """
        self.cost += amount
        if self.cost < self._look:
            return
        now = time.thread_time()
        self._until = self._until or now + MAX_SECONDS
        self._look = self.cost + _FEW
        if self.cost > self._most or now > self._until:
            raise EvaluationError("The FHIRPath expression asks for too much work.", code="too-costly")


_FEW = 20  #: steps between two looks at the clock


class Environment:
    """What one evaluation knows: its nodes and variables, what may be looked up, and what it may still cost."""

    __slots__ = (
        "_allowance",
        "context",
        "cost",
        "entries",
        "index",
        "moment",
        "resolve",
        "resource",
        "root",
        "services",
        "total",
        "variables",
    )

    def __init__(
        self,
        context: list[Node],
        resource: Node | None,
        root: Node | None,
        variables: Mapping[str, Any] = NO_VARIABLES,
        resolve: Resolve | None = None,
        services: Services = NO_SERVICES,
        allowance: Allowance | None = None,
    ) -> None:
        self._allowance = allowance
        self.cost = 0  #: not yet taken from the allowance
        self.context = context
        self.resource = resource
        self.root = root
        self.variables = variables
        self.resolve = resolve
        self.services = services
        self.index = 0
        self.total: list[Node] = []
        self.moment: datetime | None = None
        self.entries: dict[str, Any] | None = None

    def spend(self, amount: int) -> None:
        """Count work; an expression that asks for too much is ended.

        Raises:
            EvaluationError: more than its `Allowance`.
            Exhausted: more than is left to the request.
        """
        self.cost += amount
        if self.cost >= _FEW:
            self.settle()

    def settle(self) -> None:
        """Take what was counted from the allowance and the request's budget: for evaluations that share an allowance.

        Raises:
            EvaluationError, Exhausted: as `spend`.
        """
        if self._allowance is None:
            self._allowance = Allowance()
        self._allowance.spend(self.cost)
        budget.spend(self.cost)
        self.cost = 0

    def found(self, nodes: list[Node]) -> list[Node]:
        """`nodes`, which were found or made; counted where there are many.

        Raises:
            EvaluationError: too many at once, or more work than the `Allowance`.
        """
        if len(nodes) > MANY:
            if len(nodes) > MAX_ITEMS:
                raise EvaluationError(f"A collection of more than {MAX_ITEMS} items.", code="too-costly")
            self.spend(len(nodes) // MANY)
        return nodes

    def read(self, text: str) -> str:
        """`text`, which is about to be gone through; counted where it is long.

        Raises:
            EvaluationError: more work than the `Allowance`.
        """
        if len(text) > _LONG:
            self.spend(len(text) // _LONG)
        return text

    def now(self) -> datetime:
        """The instant of this evaluation; the same however often it is asked (N1 `now()`)."""
        if self.moment is None:
            self.moment = datetime.now(UTC)
        return self.moment

    def timestamp(self) -> temporal.DateTime:
        """`now()` as a System value, to the millisecond."""
        found = temporal.datetime(self.now().isoformat(timespec="milliseconds"))
        if found is None:
            raise EvaluationError("There is no time.")
        return found
