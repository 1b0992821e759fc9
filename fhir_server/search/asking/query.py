"""A search as it is written, read into what the engine runs and what shapes the answer.

https://hl7.org/fhir/R4/search.html, https://hl7.org/fhir/R4/http.html#search. Strict reading refuses what is not
understood, all of it at once; lenient reading leaves it out, says so in the answer, and not in the self link.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import (
    FhirError,
    Forbidden,
    InvalidParameter,
    Issue,
    NotSupported,
    PreconditionFailed,
    TooCostly,
    Unavailable,
)
from fhir_server.search.asking.compartments import compartment_filter
from fhir_server.search.asking.criteria import OWN, criterion
from fhir_server.search.asking.identity import identity
from fhir_server.search.asking.results import RESULT_PARAMETERS, Results
from fhir_server.search.asking.sorting import sorts
from fhir_server.search.kinds.reading import Reading, Terminology
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, both
from fhir_server.store.protocol import NEWEST, Sort

Pair = tuple[str, str]

#: Parameters of one query. The longest form a person fills in has fewer than a tenth.
MAX_PARAMETERS = 256
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: Parameters of the wire: they say how the answer is written, and are repeated in its links.
WIRE = frozenset({"_format", "_pretty"})
#: Parameters of other servers that libraries send by themselves → the value under which leaving them out changes
#: nothing; None for any. Any other value would be answered with another page than the one asked for, again and again.
FOREIGN: Mapping[str, str | None] = {"_offset": "0", "_page": "1", "_fields": None}
#: R4 search.html#query: a server SHALL refuse a named query it does not know, whatever the handling.
REFUSED = frozenset({"_query"})
#: Criteria that mean the same for every type, and are read once for all of them.
_COMMON = (frozenset(OWN) - {"_has", "_filter", "_type"}) | {"_lastUpdated", "_tag", "_profile", "_security", "_source"}


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion that is used: as it was written, and the filter it became on each type searched."""

    name: str
    value: str
    filters: Mapping[str, Filter]


@dataclass(frozen=True, slots=True)
class Query:
    """A search, understood.

    Attributes:
        path: relative to the base: "Patient", "Patient/1/Observation", "Patient/1/*", or "" for the whole system.
        scope: the filter of each type searched.
        sort: the order of the matches.
        results: what of them is answered, and how.
        criteria: what chose them, one per parameter used.
        used: (name, value) of every parameter used, for the self link, `_cursor` aside.
        ignored: what was not understood and left out.
        cursor: the token of the page asked for, not opened yet; None for the first page.
    """

    path: str
    scope: Mapping[str, Filter]
    sort: tuple[Sort, ...]
    results: Results
    criteria: tuple[Criterion, ...]
    used: tuple[Pair, ...]
    ignored: tuple[Issue, ...]
    cursor: str | None = None

    @property
    def identity(self) -> bytes:
        """What a cursor belongs to: the place, the criteria and the order."""
        chosen = [
            text for pair in self.used if pair[0] not in RESULT_PARAMETERS and pair[0] not in WIRE for text in pair
        ]
        order = [f"{'-' if sort.descending else ''}{sort.param}" for sort in self.sort]
        return identity([self.path, *chosen, "", *order])


async def parse(
    types: Sequence[str],
    pairs: Sequence[Pair],
    registry: Registry,
    *,
    strict: bool,
    settings: Settings,
    base: str,
    terminology: Terminology | None = None,
    compartment: tuple[str, str] | None = None,
    allows: Callable[[str], bool] | None = None,
) -> Query:
    """The query that `pairs` ask of `types`.

    Args:
        types: one type; or several, or () for every type, which `_type` narrows.
        pairs: decoded names and values in their order.
        registry: the search parameters in force.
        strict: refuse what is not understood, rather than leave it out and say so.
        settings: sizes of pages and their limits.
        base: absolute URL of the FHIR base, without a slash at its end.
        terminology: for `:in`, `:not-in`, `:above`, `:below`; without one they are refused.
        compartment: (type, id) of whose compartment is searched.
        allows: whether the caller has a scope to search a type; None asks of nobody.

    Raises:
        Forbidden: the query names a type that the caller has no scope for, whatever the handling.
        InvalidParameter, NotSupported: strict, and something is not understood: one issue for each such parameter.
        TooCostly: over a limit, whatever the handling.
    """
    reading = Reading(registry, base, registry.zone, time.time_ns() // 1000, terminology, allows)
    draft = _Draft(reading, types, pairs, settings, compartment)
    if reading.needs:
        await reading.learn()
        draft = _Draft(reading, types, pairs, settings, compartment)
    if strict and draft.problems:
        raise _refusal(draft.problems)
    return draft.query()


class Place(Protocol):
    """Where a condition is judged: an interaction's context."""

    @property
    def repository(self) -> HasRegistry:
        """The store as the caller sees it."""

    @property
    def base(self) -> str:
        """Absolute URL of the FHIR base."""

    @property
    def settings(self) -> Settings:
        """The settings by which limits and what is unknown are judged."""


class HasRegistry(Protocol):
    """What knows the search parameters in force."""

    @property
    def registry(self) -> Registry:
        """The parameters that requests are read by now."""


def condition(type: str, criteria: str | Sequence[Pair], place: Place) -> Filter:
    """The filter of a conditional interaction's criteria, always read strictly.

    Args:
        type: resource type.
        criteria: a query without `?` (`identifier=a|1&active=true`), or its decoded pairs.
        place: whose base and search parameters count.

    Raises:
        PreconditionFailed: no criteria (R4 http.html: they are not selective enough).
        InvalidParameter, NotSupported: not understood; a parameter that shapes results, and chooses nothing, included.
    """
    pairs = _pairs(criteria) if isinstance(criteria, str) else list(criteria)
    if not any(value for _, value in pairs):
        raise PreconditionFailed("The criteria choose nothing: they would match every resource.")
    shaping = [name for name, _ in pairs if name.partition(":")[0] in RESULT_PARAMETERS]
    if shaping:
        raise InvalidParameter(
            issues=[
                Issue("error", "invalid", f"{name[:64]} chooses no resource.", f"http.{name[:64]}") for name in shaping
            ]
        )
    registry = place.repository.registry
    # A caller's repository says what they may search; where constraints of scopes are read, there is no caller.
    allows = getattr(place.repository, "searches", None)
    reading = Reading(registry, place.base, registry.zone, time.time_ns() // 1000, None, allows)
    draft = _Draft(reading, (type,), [(name, value) for name, value in pairs if value], place.settings, None)
    if draft.problems:
        raise _refusal(draft.problems)
    return draft.query().scope.get(type, NOTHING)


def decoded(text: str) -> list[Pair]:
    """The pairs of a query without `?`, decoded as strictly as the query of a request's own URL.

    Raises:
        ValueError: a percent sign that escapes nothing, not UTF-8, a control character, or too many pairs.
    """
    parts = [part for part in text.split("&") if part]
    if len(parts) > MAX_PARAMETERS:
        raise ValueError("too many parameters")
    named = [part.replace("+", " ").partition("=") for part in parts]
    return [(unescaped(name), unescaped(value)) for name, _, value in named]


def unescaped(text: str) -> str:
    """Part of a URL with its percent escapes decoded.

    Raises:
        ValueError: a percent sign that escapes nothing, not UTF-8, or a control character.
    """
    if "%" in text:
        if _BAD_ESCAPE.search(text):
            raise ValueError("a percent sign that escapes nothing")
        text = unquote(text, errors="strict")
    if not text.isprintable() and _CONTROL.search(text):
        raise ValueError("a control character")
    return text


def _pairs(text: str) -> list[Pair]:
    try:
        return decoded(text.removeprefix("?"))
    except ValueError:
        raise InvalidParameter("The criteria are not a query in UTF-8.") from None


Problem = tuple[str, FhirError]


class _Draft:
    """A query being read: what is understood so far, and what is not."""

    def __init__(
        self,
        reading: Reading,
        types: Sequence[str],
        pairs: Sequence[Pair],
        settings: Settings,
        compartment: tuple[str, str] | None,
    ) -> None:
        if len(pairs) > MAX_PARAMETERS:
            raise TooCostly(f"More than {MAX_PARAMETERS} parameters in one query.")
        self.reading = reading
        self.compartment = compartment
        self.path = path_of(types, compartment)
        self.types: Sequence[str] = types or sorted(resource_types())
        self.results = Results(settings)
        self.problems: list[Problem] = []
        self.notes: list[Issue] = []
        self.used: list[Pair] = []
        self.criteria: list[Criterion] = []
        self.sort: tuple[Sort, ...] = ()
        self.cursor: str | None = None
        # Which types are searched decides what the other parameters mean, so `_type` is read before them.
        for name, value in sorted(pairs, key=_types_first):
            self._take(name, value)
        if self.used and self.used[0][0] == "_type":
            names = [name for name, _ in pairs]
            self.used.sort(key=lambda pair: names.index(pair[0]))
        self._check()

    def query(self) -> Query:
        """The query of all that was understood so far."""
        return Query(
            self.path,
            self._scope(),
            self.sort or NEWEST,
            self.results,
            tuple(self.criteria),
            tuple(self.used),
            (*self.notes, *(_issue(name, error, "warning") for name, error in self.problems)),
            self.cursor,
        )

    def _take(self, name: str, value: str) -> None:
        try:
            _readable(name, value)
            if not value.strip():
                # An empty field of a form asks nothing; it is not repeated, and the answer says so.
                self.notes.append(Issue("warning", "informational", f"{name[:64]} has no value and was left out."))
                return
            if name in FOREIGN and FOREIGN[name] in (None, value):
                self.notes.append(Issue("warning", "not-supported", f"{name} was left out: it is no parameter of R4."))
                return
            self._understand(name, value)
        except (TooCostly, Unavailable, Forbidden) as error:
            raise _located(name, error) from None
        except FhirError as error:
            if name.partition(":")[0] in REFUSED:
                raise _located(name, error) from None
            self.problems.append((name, error))
        else:
            if name not in ("_cursor", "_count"):
                self.used.append((name, value))

    def _understand(self, name: str, value: str) -> None:
        if name in WIRE:
            return
        if name == "_cursor":
            self.cursor = value
        elif name == "_sort":
            self.sort += sorts(self.types, value, self.reading.registry)
        elif name.partition(":")[0] in RESULT_PARAMETERS:
            self.results.take(name, value, self.reading)
            if name == "_count":
                self.used.append((name, str(self.results.count)))
        else:
            self._criterion(name, value)

    def _criterion(self, name: str, value: str) -> None:
        if name == "_type":
            self.types = self._narrowed(value)
        code = name.partition(":")[0]
        if code in REFUSED:
            raise NotSupported("This server has no named queries.")
        if code in _COMMON and "." not in name:
            shared = criterion(self.reading, self.types[0], name, value) if self.types else NOTHING
            filters = dict.fromkeys(self.types, shared)
        else:
            filters = {type: criterion(self.reading, type, name, value) for type in self.types}
        self.criteria.append(Criterion(name, value, filters))

    def _narrowed(self, value: str) -> list[str]:
        asked = [one.strip() for one in value.split(",") if one.strip()]
        unknown = [one for one in asked if one not in resource_types()]
        if unknown:
            raise InvalidParameter(f"{unknown[0][:64]!r} is not a resource type.")
        for type in asked:
            self.reading.require(type)
        return [type for type in self.types if type in asked]

    def _check(self) -> None:
        """What single parameters cannot tell: those that do not go together."""
        if self.results.summary == "text" and self.results.includes:
            error = InvalidParameter("_include and _revinclude cannot be mixed with _summary=text.")
            self.problems.append(("_include", error))
            self.results.includes.clear()

    def _scope(self) -> dict[str, Filter]:
        scope = {}
        for type in self.types:
            where = both(*(one.filters.get(type, NOTHING) for one in self.criteria)) if self.criteria else EVERYTHING
            if self.compartment is not None:
                where = both(where, compartment_filter(*self.compartment, type))
            if where != NOTHING or len(self.types) == 1:
                scope[type] = where
        return scope


def path_of(types: Sequence[str], compartment: tuple[str, str] | None) -> str:
    """What is searched, relative to the base: as `Query.path`."""
    one = types[0] if len(types) == 1 else ""
    if compartment is None:
        return one
    return f"{compartment[0]}/{compartment[1]}/{one or '*'}"


def _types_first(pair: Pair) -> bool:
    return pair[0] != "_type"


def _readable(name: str, value: str) -> None:
    if "\0" in value or "\0" in name:
        raise InvalidParameter("A NUL is not a character of any value.")
    if not (value.isascii() and name.isascii()):
        try:
            value.encode(), name.encode()
        except UnicodeEncodeError:
            raise InvalidParameter("The value is not text in UTF-8.") from None


def _issue(name: str, error: FhirError, severity: str = "error") -> Issue:
    shown = name[:64].encode("utf-8", "replace").decode().replace("\0", "?")
    first = error.issues[0]
    said = first.diagnostics if shown and shown in first.diagnostics else f"{shown}: {first.diagnostics}"
    if severity == "warning":
        return Issue("warning", first.code, f"Left out: {said}", f"http.{shown}")
    return Issue("error", first.code, said, f"http.{shown}")


def _located(name: str, error: FhirError) -> FhirError:
    return error.__class__(issues=[_issue(name, error)], headers=error.headers)


def _refusal(problems: Iterable[Problem]) -> FhirError:
    found = list(problems)
    if all(isinstance(error, NotSupported) for _, error in found):
        return NotSupported(issues=[_issue(name, error) for name, error in found])
    return InvalidParameter(issues=[_issue(name, error) for name, error in found])
