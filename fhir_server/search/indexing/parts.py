"""The index of resources that are made of the same few parts again and again, as traces are: each part is read once.

https://hl7.org/fhir/R4/search.html. What a search parameter finds by plain paths in a resource is what it finds in each
member of it, and in each element of a member that repeats: so the rows of a part can be kept. That holds of the
standard's own parameters of the types in `DIVISIBLE`, which a test compares; with others beside, the whole is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fhir_server.fhir.json import serialize
from fhir_server.search.indexing.cites import cites, is_citing
from fhir_server.search.indexing.extract import extract, rows_of, several
from fhir_server.search.parameters.registry import Registry, standard
from fhir_server.store.filters import Index, Word

DIVISIBLE = frozenset({"AuditEvent"})
#: Parts that are remembered; beyond, all are read anew.
MOST = 4_096
#: Members of which hardly two are alike: instants, which are found by and hold no words.
_INSTANTS = frozenset({"recorded", "period"})
#: The member whose elements differ while all else is as it was the time before.
_ENTITIES = "entity"
_APART = frozenset({*_INSTANTS, _ENTITIES})
#: What else may be indexed by, without the standard's parameters being any less plain: code → its expression.
_PLAIN = {"period-start": "AuditEvent.period.start"}
#: Members whose rows are of more than themselves, or that may hold anything.
_WHOLE = frozenset({"contained", "extension", "modifierExtension", "text"})


#: A literal reference to a version of a resource of this server, and what stands for any id and version.
_VERSIONED = re.compile(r"([A-Z][A-Za-z]{2,40})/([A-Za-z0-9\-.]{1,64})/_history/([0-9]{1,18})")
_ANY = "0"


class _Known(NamedTuple):
    """What is remembered: rows of each part, by base URL and JSON; whether the type can be divided at all."""

    rows: dict[tuple[str, bytes], Index]
    divisible: bool


def by_parts(type: str, tree: dict[str, Any], registry: Registry, base_url: str = "") -> Index:
    """As `extract`, at less cost where most parts of `tree` were seen before; rows may stand in another order."""
    known = _known(type, registry)
    if not known.divisible or not _WHOLE.isdisjoint(tree):
        return extract(type, tree, registry, base_url)
    if len(known.rows) > MOST:
        known.rows.clear()
    found = [_part(type, part, registry, base_url, known.rows) for part in _divided(type, tree)]
    words = [word for index in found for word in index.words]
    spans = [span for index in found for span in index.spans]
    instants = {member: tree[member] for member in _INSTANTS if member in tree}
    if instants:
        made = rows_of(type, {"resourceType": type, **instants}, registry, base_url)
        words += made.words
        spans += made.spans
    words += several(type, tree, base_url)
    words += [*cites(words, registry.additions.cited)]
    content = dict.fromkeys(" ".join([index.content for index in found]).split(" "))
    return Index(tuple(dict.fromkeys(words)), tuple(dict.fromkeys(spans)), content=" ".join(filter(None, content)))


def _divided(type: str, tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What is of who asked and what was done, then each thing that it was done to."""
    yield {member: value for member, value in tree.items() if member not in _APART}
    for one in tree.get(_ENTITIES, ()):
        yield {"resourceType": type, _ENTITIES: [one]}


def _part(
    type: str, part: dict[str, Any], registry: Registry, base_url: str, rows: dict[tuple[str, bytes], Index]
) -> Index:
    found = _thing(part)
    if found is None:
        return _read(type, part, registry, base_url, rows)
    (kind, id, version), thing = found
    # Of what differs by its reference alone, such as the documents of a page, one is read for all of its kind.
    other = f"{kind}/{_ANY}"
    alike = {**part, _ENTITIES: [{**thing, "what": {"reference": f"{other}/_history/{_ANY}"}}]}
    index = _read(type, alike, registry, base_url, rows)
    words = [
        Word(word.param, f"{kind}/{id}", version, word.group) if word.value == other else word for word in index.words
    ]
    return Index(tuple(words), index.spans, index.narrative, index.content)


def _thing(part: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """Type, id and version of the one thing that a part is of, and the thing; None where it is said otherwise."""
    thing = part[_ENTITIES][0] if len(part.get(_ENTITIES, ())) == 1 else None
    what = thing.get("what") if isinstance(thing, dict) else None
    if thing is None or not isinstance(what, dict) or what.keys() != {"reference"}:
        return None
    matched = _VERSIONED.fullmatch(str(what["reference"]))
    return None if matched is None else (matched.groups(), thing)


def _read(
    type: str, part: dict[str, Any], registry: Registry, base_url: str, rows: dict[tuple[str, bytes], Index]
) -> Index:
    place = (base_url, serialize(part))
    found = rows.get(place)
    if found is None:
        index = extract(type, part, registry, base_url)
        # What is referred to is a matter of all parts together.
        words = tuple([word for word in index.words if not is_citing(word)])
        found = rows[place] = Index(words, index.spans, index.narrative, index.content)
    return found


def is_divisible(type: str, registry: Registry) -> bool:
    """Whether the rows of a resource of a type are those of its parts."""
    return _known(type, registry).divisible


def _known(type: str, registry: Registry) -> _Known:
    place = f"{type} by parts"
    found: _Known | None = registry.compiled.get(place)
    if found is None:
        indexed = registry.indexed(type)
        further = {code: one.expression for code, one in indexed.items() if code not in standard(type)}
        plain = further.items() <= _PLAIN.items() and standard(type).keys() <= indexed.keys()
        plain = type in DIVISIBLE and plain and type not in registry.additions.rows
        found = registry.compiled[place] = _Known({}, plain)
    return found
