"""What an expression is evaluated against besides its input: the resource, variables, services, and a budget.

https://hl7.org/fhir/R4/fhirpath.html#variables
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.fhirpath import temporal
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import Node

MAX_ITEMS = 1_000_000  #: of a collection
MAX_STEPS = 500_000  #: times a criterion or projection may be evaluated, in all
MAX_TEXT = 10_000_000  #: characters of a string an expression makes

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


class Environment:
    """One evaluation."""

    __slots__ = (
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
    ) -> None:
        self.context = context
        self.resource = resource
        self.root = root
        self.variables = variables
        self.resolve = resolve
        self.services = services
        self.index = 0
        self.total: list[Node] = []
        self.cost = 0
        self.moment: datetime | None = None
        self.entries: dict[str, Any] | None = None

    def spend(self, amount: int) -> None:
        """Count work; an expression that asks for too much is ended.

        Raises:
            EvaluationError: more than `MAX_STEPS` in all.
        """
        self.cost += amount
        if self.cost > MAX_STEPS:
            raise EvaluationError("The FHIRPath expression asks for too much work.", code="too-costly")

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
