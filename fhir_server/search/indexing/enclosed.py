"""Chains into a contained resource: `medication.ingredient-code` where the Medication stands inside the request.

https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/references.html#contained. A contained resource
has no index of its own. So that a chain need not read containers, its rows stand in its container's index too, under
the way to it: `medication:Medication.ingredient-code`. All the rows of one contained resource met by one way have one
`group`, so that what is asked of it is asked of one resource.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as rewritten

from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import Invalid
from fhir_server.search.indexing.rows import Rows
from fhir_server.store.filters import (
    NOTHING,
    And,
    Filter,
    Linked,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    String,
    Together,
    Token,
    Uri,
    both,
    either,
)

#: Links followed among contained resources: a list's source, the practitioner of that role, and one more.
DEEP = 3
#: Rows that one resource's contained resources may add to its index. A patient's whole history contained in a report
#: has some thousands; beyond, every write of the resource would cost the store as much as that of a hundred others.
MOST = 20_000

Json = dict[str, Any]
#: From the type and JSON of a resource to its own rows.
Own = Callable[[str, Json], Rows]


class TooMuchInside(Invalid):
    """What a resource contains cannot be indexed whole."""

    code = "too-costly"


class Enclosing:
    """The contained resources of one container, each looked at once however many ways lead to it."""

    def __init__(self, container: str, contained: Sequence[Any], own: Own) -> None:
        """`container`: its resource type; `contained`: as it has them."""
        self._container = container
        self._by_id: dict[str, list[Json]] = {}
        for one in contained:
            if isinstance(one, dict) and isinstance(one.get("id"), str) and one.get("resourceType") in resource_types():
                self._by_id.setdefault(f"#{one['id']}", []).append(one)
        self._own = own
        self._known: dict[tuple[int, int], Rows] = {}
        self._added = 0

    def add(self, rows: Rows, deep: int = DEEP) -> None:
        """Add to `rows` those of each contained resource that a reference among them leads to, `deep` links far.

        Raises:
            TooMuchInside: more than `MOST` rows in all.
        """
        leading = dict.fromkeys(
            (word.param, word.value) for word in rows.words if word.value[:1] == "#" and word.value in self._by_id
        )
        for param, target in leading:
            for one in self._by_id[target] if ":" not in param and "$" not in param else ():
                self._enclose(rows, param, one["resourceType"], self._inner(one, deep))

    def _inner(self, one: Json, deep: int) -> Rows:
        found = self._known.get((id(one), deep))
        if found is None:
            found = self._known[id(one), deep] = self._own(one["resourceType"], one)
            if deep > 1:
                self.add(found, deep - 1)
        return found

    def _enclose(self, rows: Rows, param: str, type: str, inner: Rows) -> None:
        self._added += len(inner.words) + len(inner.spans) + 1
        if self._added > MOST:
            raise TooMuchInside(
                f"What is contained would add more than {MOST} rows to the index: put it beside the resource.",
                f"{self._container}.contained",
            )
        prefix, own = f"{param}:{type}.", rows.groups + 1
        rows.groups = own + inner.groups
        rows.group = own
        rows.word(f"{param}:contained", type)
        rows.group = 0
        rows.words += [rewritten(w, param=prefix + w.param, group=own + w.group) for w in inner.words]
        rows.spans += [rewritten(s, param=prefix + s.param, group=own + s.group) for s in inner.spans]


def inside(where: Filter, param: str, type: str) -> Filter:
    """`where`, which is about resources of `type`, asked of containers that enclose one to which `param` leads.

    The id of a contained resource means something to its container alone, and its words are its container's: `_id`,
    `_lastUpdated`, `_text` and `_content` find nothing inside; nor does `_has`, since nothing outside refers in.
    """
    prefix = f"{param}:{type}."
    return _within(where, prefix, Token(f"{param}:contained", type))


def _within(where: Filter, prefix: str, there: Token) -> Filter:
    match where:
        case Range(param="_lastUpdated"):
            return NOTHING
        case Token() | String() | Refers() | Uri() | Range() | Near() | Linked():
            return replace(where, param=prefix + where.param)
        case Or():
            return either([_within(part, prefix, there) for part in where.parts])
        case Together():
            return Together(tuple(_renamed(part, prefix) for part in where.parts))
        case Not() if _is_apart(where.part):
            return both(there, Not(_within(where.part, prefix, there)))
        case And() | Not() | Missing():
            return _of_one(where, prefix, there)
        case _:
            return NOTHING


def _of_one(where: And | Not | Missing, prefix: str, there: Token) -> Filter:
    """What several rows, or the want of one, say: all of them of the same contained resource."""
    parts = where.parts if isinstance(where, And) else (where,)
    # A link, a composite and a place are of groups of their own: they are asked beside.
    beside = [_within(part, prefix, there) for part in parts if _is_apart(part)]
    together = Together((there, *(_renamed(part, prefix) for part in parts if not _is_apart(part))))
    return both(together, *beside)


def _renamed(where: Filter, prefix: str) -> Filter:
    match where:
        case Range(param="_lastUpdated"):
            return NOTHING
        case Token() | String() | Refers() | Uri() | Range() | Missing():
            return replace(where, param=prefix + where.param)
        case And() | Or():
            return replace(where, parts=tuple(_renamed(part, prefix) for part in where.parts))
        case Not():
            return Not(_renamed(where.part, prefix))
        case _:
            return NOTHING


def _is_apart(where: Filter) -> bool:
    match where:
        case And() | Or():
            return any(_is_apart(part) for part in where.parts)
        case Not():
            return _is_apart(where.part)
        case _:
            return isinstance(where, Linked | Together | Near)
