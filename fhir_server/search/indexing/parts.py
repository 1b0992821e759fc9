"""The index of resources that are made of the same few parts again and again, as traces are: each part is read once.

https://hl7.org/fhir/R4/search.html. What a search parameter finds by plain paths in a resource is what it finds in each
member of it, and in each element of a member that repeats: so the rows of a part can be kept. That holds of the
standard's own parameters of the types in `DIVISIBLE`, which a test compares; with others beside, the whole is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fhir_server.fhir.json import serialize
from fhir_server.search.indexing.extract import extract, rows_of, several
from fhir_server.search.parameters.registry import Registry, standard
from fhir_server.store.filters import Index

DIVISIBLE = frozenset({"AuditEvent"})
#: Parts that are remembered; beyond, all are read anew.
MOST = 4_096
#: Instants, of which hardly two are alike: they are found by, and hold no words.
_NEVER_ALIKE = frozenset({"recorded"})
#: Members whose rows are of more than themselves, or that may hold anything.
_WHOLE = frozenset({"contained", "extension", "modifierExtension", "text"})


class _Known(NamedTuple):
    """What is remembered: rows of each part, by base URL, member and JSON; whether the type can be divided at all."""

    rows: dict[tuple[str, str, bytes], Index]
    divisible: bool


def by_parts(type: str, tree: dict[str, Any], registry: Registry, base_url: str = "") -> Index:
    """As `extract`, at less cost where most parts of `tree` were seen before; rows may stand in another order."""
    known = _known(type, registry)
    if not known.divisible or not _WHOLE.isdisjoint(tree):
        return extract(type, tree, registry, base_url)
    if len(known.rows) > MOST:
        known.rows.clear()
    found = [_part(type, member, part, registry, base_url, known.rows) for member, part in _divided(tree)]
    words = [word for index in found for word in index.words]
    words += several(type, tree, base_url)
    content = " ".join([index.content for index in found if index.content])
    return Index(
        tuple(dict.fromkeys(words)),
        tuple(dict.fromkeys([span for index in found for span in index.spans])),
        content=" ".join(dict.fromkeys(content.split(" "))) if content else "",
    )


def _divided(tree: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for member, value in tree.items():
        if value.__class__ is list:
            for one in value:
                yield member, [one]
        else:
            yield member, value


def _part(
    type: str, member: str, part: Any, registry: Registry, base_url: str, rows: dict[tuple[str, str, bytes], Index]
) -> Index:
    alone = {"resourceType": type, member: part}
    if member in _NEVER_ALIKE:
        made = rows_of(type, alone, registry, base_url)
        return Index(tuple(made.words), tuple(made.spans))
    place = (base_url, member, serialize(alone))
    found = rows.get(place)
    if found is None:
        found = rows[place] = extract(type, alone, registry, base_url)
    return found


def _known(type: str, registry: Registry) -> _Known:
    place = f"{type} by parts"
    found: _Known | None = registry.compiled.get(place)
    if found is None:
        plain = type in DIVISIBLE and registry.indexed(type) == standard(type) and type not in registry.additions.rows
        found = registry.compiled[place] = _Known({}, plain)
    return found
