"""References by search criteria in a transaction: what each means in the store, or among the transaction's own entries.

https://hl7.org/fhir/R4/http.html#trules. Many entries say the same criteria: each is asked once, many in one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from fhir_server.fhir.outcome import FhirError, Invalid, Issue, MultipleMatches, PreconditionFailed
from fhir_server.interactions import conditional, statement
from fhir_server.interactions.bundles import links
from fhir_server.interactions.bundles.conditions import Made
from fhir_server.interactions.exchange import Context
from fhir_server.store.filters import Filter
from fhir_server.store.protocol import Guard

#: (resource type, search criteria).
Asked = tuple[str, str]


class Place(NamedTuple):
    """Where one such reference stands.

    Attributes:
        number: which of the trees it is in.
        node: the Reference's own object.
        path: its FHIRPath.
        asked: what it says.
    """

    number: int
    node: dict[str, Any]
    path: str
    asked: Asked


class References:
    """The references by criteria of one transaction."""

    def __init__(
        self,
        context: Context,
        ended_of: Callable[[str], AbstractSet[str]],
        made: Callable[[AbstractSet[str]], Made],
        settled: Callable[[Filter], Filter],
    ) -> None:
        """As `Plan` knows it.

        Args:
            context: of the transaction.
            ended_of: the ids that end of a type.
            made: the resources of some types that would be written.
            settled: a condition with each entry it names where that is kept.
        """
        self._context = context
        self._ended_of = ended_of
        self._made = made
        self._settled = settled
        self._wheres: dict[Asked, Filter] = {}
        self._meant: dict[Asked, str | FhirError] = {}
        self.guards: list[Guard] = []

    async def settle(self, trees: Sequence[dict[str, Any]]) -> list[tuple[int, FhirError]]:
        """Write into each reference what it means; which trees have one that means nothing, and why."""
        places = [
            Place(n, node, path, (type, criteria))
            for n, tree in enumerate(trees)
            for node, path, type, criteria in links.conditional_references(tree)
        ]
        unmet = await self._learn(dict.fromkeys(place.asked for place in places))
        # What is settled by the store is written first: the entries are then held against criteria with it.
        self._write(places)
        await self._own(unmet)
        self._write(places)
        return [
            (place.number, _told(place, meant))
            for place in places
            if not isinstance(meant := self._meant[place.asked], str)
        ]

    def _write(self, places: Sequence[Place]) -> None:
        for place in places:
            meant = self._meant.get(place.asked)
            if isinstance(meant, str):
                place.node["reference"] = meant

    async def _learn(self, asked: Iterable[Asked]) -> list[Asked]:
        """Ask the store; those that nothing there matches."""
        for one in asked:
            try:
                self._wheres[one] = self._where(*one)
            except FhirError as error:
                self._meant[one] = error
        unmet = []
        questions = [(type, where) for (type, _), where in self._wheres.items()]
        matches = await conditional.each_matching(self._context, questions, self._ended_of)
        for one, match in zip(self._wheres, matches, strict=True):
            if isinstance(match, FhirError):
                self._meant[one] = match
            elif match.version is None:
                unmet.append(one)
            else:
                self._meant[one] = f"{one[0]}/{match.version.id}"
                self.guards.append(match.guard)
        return unmet

    def _where(self, type: str, criteria: str) -> Filter:
        if not statement.supports(type):
            raise Invalid("There is no such resource type.", code="not-supported")
        return self._settled(conditional.filter_of(self._context, type, criteria))

    async def _own(self, unmet: Sequence[Asked]) -> None:
        """What matched nothing in the store may be what another entry writes."""
        if not unmet:
            return
        made = self._made({type for type, _ in unmet})
        for one in unmet:
            type, _ = one
            own = await made.matching(type, self._wheres[one])
            if len(own) == 1:
                self._meant[one] = f"{type}/{own[0].id}"
            elif own:
                self._meant[one] = MultipleMatches(f"Several {type} resources match the reference's criteria.")
            else:
                self._meant[one] = PreconditionFailed(f"No {type} matches the reference's criteria.", code="not-found")


def _told(place: Place, error: FhirError) -> FhirError:
    where = f"{place.path}.reference"
    return type(error)(issues=[Issue("error", issue.code, issue.diagnostics, where) for issue in error.issues])
