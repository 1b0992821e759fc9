"""What is known while a query is read: parameters, zone, clock and terminology; and what is spent on it.

https://hl7.org/fhir/R4/search.html. Kinds of parameters (`search/kinds`) are pure functions from an `Asked` and
one value to a filter; what they need of the terminology is fetched beforehand, by reading the query twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol
from zoneinfo import ZoneInfo

from fhir_server.fhir.definitions import SearchParameter
from fhir_server.fhir.outcome import FhirError, Forbidden, NotSupported, TooCostly
from fhir_server.store.filters import Filter
from fhir_server.work import budget as work

if TYPE_CHECKING:
    from fhir_server.search.parameters.registry import Registry

#: Filters one query may become. An untyped chain of three steps over every type would otherwise be millions.
MAX_FILTERS = 20_000
#: Steps of reading one of them, and of making it part of a query of the engine.
FILTER = 5
#: Codes one `:in`, `:above` or `:below` may stand for: what one query of an engine can hold.
MAX_CODES = 10_000
#: Steps of a chain, `_has` included. The longest path through R4 that means something has fewer than six.
MAX_CHAIN = 12

Coding = tuple[str, str]


class Terminology(Protocol):
    """What codes mean, for `:in`, `:not-in`, `:above` and `:below`. Codings are (system, code)."""

    async def members(self, url: str) -> Collection[Coding]:
        """The codings of a value set, by canonical (perhaps `|version`) or relative URL.

        Raises:
            FhirError: unknown, or too large to expand.
        """

    async def below(self, system: str, code: str) -> Collection[Coding]:
        """The coding itself and every coding it subsumes; `system` "" when the query gave none.

        Raises:
            FhirError: the system or code is not known.
        """

    async def above(self, system: str, code: str) -> Collection[Coding]:
        """The coding itself and every coding that subsumes it; `system` "" when the query gave none.

        Raises:
            FhirError: the system or code is not known.
        """


Need = tuple[Literal["members", "below", "above"], str, str]


class Reading:
    """One reading of one query.

    Attributes:
        registry: the search parameters in force.
        base: absolute URL of the FHIR base; references under it are local.
        zone: of dates without one.
        now: µs since 1970 UTC, for `ap`.
        needs: what was asked of the terminology and is not known yet.
        allows: whether the caller has a scope to search a type; None where nobody is asked for.
    """

    __slots__ = ("_known", "_left", "_terminology", "allows", "base", "needs", "now", "registry", "zone")

    def __init__(
        self,
        registry: Registry,
        base: str,
        zone: ZoneInfo,
        now: int,
        terminology: Terminology | None = None,
        allows: Callable[[str], bool] | None = None,
    ) -> None:
        """Nothing is known of the terminology yet."""
        self.allows = allows
        self.registry = registry
        self.base = base
        self.zone = zone
        self.now = now
        self.needs: set[Need] = set()
        self._terminology = terminology
        self._known: dict[Need, tuple[Coding, ...] | FhirError] = {}
        self._left = MAX_FILTERS

    def require(self, *types: str) -> None:
        """Refuse, as a direct search is refused, to say anything of types that no scope of the caller speaks of.

        Of several, one that may be searched is enough: a reference that may lead to many types leads to that one.

        Raises:
            Forbidden: there is no scope to search any of them.
        """
        if self.allows is not None and types and not any(map(self.allows, types)):
            raise Forbidden(f"The token has no scope to search {types[0]}.")

    def spend(self, filters: int = 1) -> None:
        """Count `filters` more.

        Raises:
            TooCostly: the query has become more than `MAX_FILTERS`.
            Exhausted: the request has asked for too much.
        """
        self._left -= filters
        if self._left < 0:
            raise TooCostly("The query asks for too much at once: say the types of its chains, or ask in parts.")
        work.spend(filters * FILTER)

    def codes(self, need: Need) -> tuple[Coding, ...]:
        """What the terminology says; empty, and remembered in `needs`, on the first reading.

        Raises:
            FhirError: what the terminology said no with.
        """
        if self._terminology is None:
            raise NotSupported("This server has no terminology for value sets and subsumption.")
        known = self._known.get(need)
        if known is None:
            self.needs.add(need)
            return ()
        if isinstance(known, FhirError):
            raise known
        return known

    async def learn(self) -> None:
        """Fetch what `needs` names, so that the next reading knows it."""
        if self._terminology is not None:
            for need in self.needs:
                self._known[need] = await _fetched(self._terminology, need)
        self.needs = set()
        self._left = MAX_FILTERS


async def _fetched(terminology: Terminology, need: Need) -> tuple[Coding, ...] | FhirError:
    verb, first, second = need
    ask: Awaitable[Collection[Coding]]
    match verb:
        case "members":
            ask = terminology.members(first)
        case "below":
            ask = terminology.below(first, second)
        case "above":
            ask = terminology.above(first, second)
    try:
        found = await ask
    except FhirError as error:
        return error
    if len(found) > MAX_CODES:
        return TooCostly(f"This stands for more than {MAX_CODES} codes.")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter as it stands in a query.

    Attributes:
        param: its definition.
        rows: the code its index rows carry; the parameter's own but inside composites (`code$1`).
        type: the resource type searched.
        reading: what is known.
    """

    param: SearchParameter
    rows: str
    type: str
    reading: Reading

    def part(self, param: SearchParameter, number: int) -> Asked:
        """The same question about part `number` (from 1) of a composite, judged as `param`."""
        return replace(self, param=param, rows=f"{self.rows}${number}")


#: From a parameter and one value (commas already split, escapes still there) to a filter.
Meaning = Callable[[Asked, str], Filter]


@dataclass(frozen=True, slots=True)
class Modifier:
    """What a modifier does to a value, and whether the resources *without* a match are wanted (`:not`, `:not-in`)."""

    meaning: Meaning
    negated: bool = False


Modifiers = Mapping[str, Modifier]
