"""The latest observations of each kind.

https://hl7.org/fhir/R4/observation-operation-lastn.html. Kinds are codes that are the same by system and code, or
joined by an observation that carries both; without a coding, texts that are the same. Of equal times at the end all are
given.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fhir_server.fhir.outcome import InvalidParameter, TooCostly
from fhir_server.fhir.subsetting import subset
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.search.answering.bundle import entry, searchset, url
from fhir_server.search.asking.query import parse as parse_query
from fhir_server.store.filters import Id, both
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Scope, Sort, Version

#: The most observations looked through for one answer.
MOST = 50_000
_FEW, _PAGE = 200, 1000
_LATEST = (Sort("date", "span", descending=True), Sort("_lastUpdated", "own", descending=True))
#: What the query must say: of whom, and of what kind.
_WHOM = frozenset({"patient", "subject"})
_KIND = frozenset(
    {
        "category",
        "code",
        "code-value-concept",
        "code-value-date",
        "code-value-quantity",
        "code-value-string",
        "combo-code",
        "combo-code-value-concept",
        "combo-code-value-quantity",
        "component-code",
        "component-code-value-concept",
        "component-code-value-quantity",
    }
)

Kind = tuple[str, str]


async def lastn(call: Invocation, context: Context) -> Response:
    """200 with a searchset, latest first within each kind.

    Raises:
        InvalidParameter: neither patient nor subject, or no kind, is asked for (400).
    """
    context.repository.require("Observation", "s")
    pairs = [pair for pair in call.inputs.pairs if pair[0] != "max"]
    _require_asked(pairs)
    query = await parse_query(
        ("Observation",),
        pairs,
        context.repository.registry,
        strict=context.strict,
        settings=context.settings,
        base=context.base,
        terminology=context.terminology,
        allows=context.repository.searches,
    )
    latest = _latest(await _observations(query.scope, context), _max(call))
    kept = [version for version in await _whole(latest, query.scope, context) if version.body]
    root, summary, elements = context.base.encode(), query.results.summary, query.results.elements
    rows = [entry(root, v.type, v.id, subset(v.body, summary, elements)) for v in kept]
    most = [("max", m)] if (m := call.inputs.one("max")) else []
    own = call.here or url(context.base, "Observation/$lastn", [*query.used, *most])
    return Response(200, searchset(rows, [("self", own)], len(rows)))


def _require_asked(pairs: list[tuple[str, str]]) -> None:
    names = {name.partition(":")[0].partition(".")[0] for name, _ in pairs}
    if not names & _WHOM:
        raise InvalidParameter("Of whom is needed: patient or subject.", "http.patient", code="required")
    if not names & _KIND:
        raise InvalidParameter("Of what kind is needed: category or code.", "http.category", code="required")


def _max(call: Invocation) -> int:
    value = call.inputs.one("max") or "1"
    if not (value.isascii() and value.isdigit() and len(value) < 10) or int(value) == 0:
        raise InvalidParameter("max is a whole number, 1 or more.", "http.max")
    return int(value)


async def _observations(scope: Scope, context: Context) -> list[tuple[Version, list[Kind]]]:
    """All that are asked for, and the kinds of each; the first few whole, since often these are all."""
    page = await context.repository.find(scope, _LATEST, None, _FEW)
    found = await _of_kinds(page.versions, scope, context)
    while page.next is not None:
        if len(found) >= MOST:
            raise TooCostly(f"More than {MOST} observations: ask for fewer kinds.")
        page = await context.repository.find(scope, _LATEST, page.next, _PAGE, want="index")
        found += await _of_kinds(page.versions, scope, context)
    return found


async def _of_kinds(versions: Sequence[Version], scope: Scope, context: Context) -> list[tuple[Version, list[Kind]]]:
    coded = [(version, _kinds(version)) for version in versions]
    # A text counts as it is written, which no index keeps.
    whole = iter(await _whole([version for version, kinds in coded if not kinds], scope, context))
    return [(version, kinds or [_text(next(whole))]) for version, kinds in coded]


async def _whole(versions: Sequence[Version], scope: Scope, context: Context) -> list[Version]:
    """Each with its body, in the same order; what is not asked for any more stays without."""
    lacking = [version.id for version in versions if not version.body]
    bodies: dict[str, Version] = {}
    for start in range(0, len(lacking), _PAGE):
        some = Id(tuple(lacking[start : start + _PAGE]))
        within = {type: both(where, some) for type, where in scope.items()}
        page = await context.repository.find(within, count=len(some.ids))
        bodies |= {version.id: version for version in page.versions}
    return [bodies.get(version.id, version) for version in versions]


def _latest(versions: Sequence[tuple[Version, list[Kind]]], most: int) -> list[Version]:
    """The first `most` of each kind, and those of the same time as the last of them; kinds in order of appearance."""
    kinds = [own for _, own in versions]
    groups = _Groups()
    for own in kinds:
        groups.join(own)
    sorted_out: dict[Kind, list[tuple[Version, object]]] = {}
    for version, own in versions:
        group = sorted_out.setdefault(groups.root(own[0]), [])
        when = _when(version)
        if len(group) < most or (when is not None and group[-1][1] == when):
            group.append((version, when))
    return [version for group in sorted_out.values() for version, _ in group]


class _Groups:
    """Kinds that are the same, found by joining."""

    def __init__(self) -> None:
        self._above: dict[Kind, Kind] = {}

    def root(self, kind: Kind) -> Kind:
        path = []
        while (above := self._above.get(kind, kind)) != kind:
            path.append(kind)
            kind = above
        for one in path:
            self._above[one] = kind
        return kind

    def join(self, kinds: list[Kind]) -> None:
        first = self.root(kinds[0])
        for kind in kinds[1:]:
            self._above[self.root(kind)] = first


def _kinds(version: Version) -> list[Kind]:
    """System and code of each coding, as searches compare them; none where there is only a text."""
    return [
        (word.qualifier, word.value) for word in unpack(version.packed).words if word.param == "code" and word.value
    ]


def _text(version: Version) -> Kind:
    return "text:", _coded(version.body or b"{}").code.text


class _Concept(msgspec.Struct, frozen=True):
    text: str = ""


class _Coded(msgspec.Struct):
    """As much of an observation as is looked at."""

    code: _Concept = _Concept()


_coded = msgspec.json.Decoder(_Coded).decode


def _when(version: Version) -> object:
    """The end of the observation's time in µs; None when it says none."""
    return max((span.high for span in unpack(version.packed).spans if span.param == "date"), default=None)
