"""The parameters that choose nothing and shape the answer: `_count`, `_total`, `_summary`, `_elements`, includes, …

https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from fhir_server.fhir.outcome import InvalidParameter, NotSupported
from fhir_server.fhir.subsetting import parse_elements, parse_summary
from fhir_server.search.asking.includes import Include, named, parse_include
from fhir_server.search.kinds.reading import Reading
from fhir_server.settings import Settings

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)


class Results:
    """What of the matches is answered, and how.

    Attributes:
        count: matches on a page; 0 asks only for the total.
        total: "none", "estimate", "accurate", or None when the query does not say.
        summary: one of R4's five, or None.
        elements: names of `_elements`, or None.
        includes: what comes beside the matches, in the order asked.
        contained: "true", "both" or "false".
        contained_type: "container" or "contained".
    """

    __slots__ = ("_max", "_seen", "contained", "contained_type", "count", "elements", "includes", "summary", "total")

    def __init__(self, settings: Settings) -> None:
        """As when the query says nothing."""
        self.count = settings.default_page
        self.total: str | None = None
        self.summary: str | None = None
        self.elements: frozenset[str] | None = None
        self.includes: list[Include] = []
        self.contained = "false"
        self.contained_type = "container"
        self._max = settings.max_page
        self._seen: set[str] = set()

    @property
    def only_total(self) -> bool:
        """Whether only the number of matches is asked (`_summary=count`, `_count=0`)."""
        return self.summary == "count" or self.count == 0

    def take(self, name: str, value: str, reading: Reading) -> None:
        """Read one parameter of `RESULT_PARAMETERS`.

        Raises:
            InvalidParameter: a value it cannot have, or a second one.
            NotSupported: a modifier it does not have.
            Forbidden: an include names a type that the caller has no scope to search.
        """
        code, colon, modifier = name.partition(":")
        if code in ("_include", "_revinclude"):
            include = parse_include(code, modifier, value, reading.registry)
            for types in named(include, reading.registry):
                reading.require(*types)
            self.includes.append(include)
            return
        if colon:
            raise NotSupported(f"{code} has no modifier :{modifier[:64]}.")
        if code in self._seen:
            raise InvalidParameter(f"{code} stands twice in the query.")
        _READERS[code](self, value)
        self._seen.add(code)

    def _count(self, value: str) -> None:
        if not _WHOLE.fullmatch(value):
            raise InvalidParameter("_count is a whole number, 0 or more.")
        self.count = min(int(value), self._max)

    def _total(self, value: str) -> None:
        self.total = _one_of(value, "none", "estimate", "accurate")

    def _total_method(self, value: str) -> None:
        if value not in _TOTAL_METHODS:
            raise InvalidParameter(f"The value is one of {', '.join(_TOTAL_METHODS)}.")
        self.total = _TOTAL_METHODS[value]

    def _summary(self, value: str) -> None:
        self.summary = parse_summary([value])

    def _elements(self, value: str) -> None:
        self.elements = parse_elements([value])

    def _contained(self, value: str) -> None:
        self.contained = _one_of(value, "true", "false", "both")

    def _contained_type(self, value: str) -> None:
        self.contained_type = _one_of(value, "container", "contained")


def _one_of(value: str, *allowed: str) -> str:
    if value not in allowed:
        raise InvalidParameter(f"The value is one of {', '.join(allowed)}.")
    return value


#: Values of `_totalMethod`, which fhirpy's `count()` sends to every server, as those of `_total`.
_TOTAL_METHODS = {"count": "accurate", "countEstimate": "estimate", "estimate": "estimate", "none": "none"}

_READERS: Mapping[str, Callable[[Results, str], None]] = {
    "_count": Results._count,
    "_total": Results._total,
    "_totalMethod": Results._total_method,
    "_summary": Results._summary,
    "_elements": Results._elements,
    "_contained": Results._contained,
    "_containedType": Results._contained_type,
}

#: Every parameter that chooses no resource.
RESULT_PARAMETERS = frozenset({*_READERS, "_include", "_revinclude", "_sort", "_cursor"})
