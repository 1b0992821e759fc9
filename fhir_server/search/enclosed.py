"""Chains into a contained resource: `author.family` where the author of a document stands inside it.

https://hl7.org/fhir/R4/search.html#chaining, https://profiles.ihe.net/ITI/MHD/ITI-67.html. IHE has a document's author
contained, and found by `author.family`. So that a chain need not read containers, some rows of a contained resource are
written in its container's index too, under the way to them: `author:Practitioner.family`.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.search.indexing.rows import Rows
from fhir_server.store.filters import (
    NOTHING,
    And,
    Filter,
    Linked,
    Missing,
    Not,
    Or,
    Refers,
    String,
    Together,
    Token,
    Uri,
    Word,
    both,
)

#: Reference parameters whose contained targets are written; by them and no others a chain leads inside.
LEADING = frozenset({"author", "authenticator", "custodian", "source", "practitioner", "organization"})
#: What is written of a contained resource.
_KEPT = LEADING | {"identifier", "family", "given", "name", "role", "specialty"}


def enclose(rows: Rows, param: str, type: str, inner: Rows) -> None:
    """Add to a container's rows those of a resource inside it.

    Args:
        rows: the container's.
        param: the reference parameter that leads to it.
        type: its resource type.
        inner: its own rows.
    """
    rows.word(f"{param}:contained", type)
    before, prefix = rows.groups, f"{param}:{type}."
    for word in inner.words:
        if word.param.partition(":")[0] in _KEPT:
            group = before + word.group if word.group else 0
            rows.words.append(Word(prefix + word.param, word.value, word.qualifier, group))
    rows.groups += inner.groups


def inside(where: Filter, param: str, type: str) -> Filter:
    """`where`, which is about resources of `type`, asked of containers that enclose one to which `param` leads."""
    if param not in LEADING:
        return NOTHING
    return both(Token(f"{param}:contained", type), _within(where, f"{param}:{type}."))


def _within(where: Filter, prefix: str) -> Filter:
    match where:
        case Token() | String() | Refers() | Uri() | Missing() | Linked():
            known = where.param.partition(":")[0] in _KEPT
            return replace(where, param=prefix + where.param) if known else NOTHING
        case And() | Or() | Together():
            return replace(where, parts=tuple(_within(part, prefix) for part in where.parts))
        case Not():
            return Not(_within(where.part, prefix))
        case _:
            return NOTHING
