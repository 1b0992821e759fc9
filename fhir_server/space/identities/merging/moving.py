"""What refers to a person, found once and held for a commit; and the references in it, rewritten.

https://hl7.org/fhir/R4/references.html#literal: relative, absolute under this server's base, of a version or of none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.outcome import Invalid
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.search.parameters.targets import targets_of
from fhir_server.space.identities.merging.fates import APART
from fhir_server.store.filters import NOTHING, Filter, Refers, either
from fhir_server.store.protocol import Guard, Version

#: Resources that one commit moves: more are moved by the operator at the machine, in parts.
MOST = 5_000
_PAGE = 200
#: After so many resources the event loop has its turn.
_TURN = 10


@dataclass(frozen=True, slots=True)
class Gathered:
    """What refers to somebody: the versions, and the conditions that it is all of it until the commit."""

    versions: tuple[Version, ...]
    guards: tuple[Guard, ...]


async def gathered(own: Repository, patient: str) -> Gathered:
    """What refers to a patient (id) by any search parameter, of every type but those that are apart.

    Raises:
        Invalid: it is more than one commit moves (422).
    """
    wheres = {
        type: where for type in sorted(resource_types() - APART) if (where := _naming(own, type, patient)) != NOTHING
    }
    pages = await own.find_each([{type: where} for type, where in wheres.items()], count=_PAGE, want="bare")
    found: list[Version] = []
    guards: list[Guard] = []
    for (type, where), first in zip(wheres.items(), pages, strict=True):
        versions, after = [*first.versions], first.next
        while after is not None:
            require_bounded(len(found) + len(versions))
            page = await own.find({type: where}, after=after, count=_PAGE, want="bare")
            versions, after = [*versions, *page.versions], page.next
        found += versions
        guards.append(own.guard(type, where, frozenset(one.id for one in versions)))
    require_bounded(len(found))
    return Gathered(tuple(found), tuple(guards))


def require_bounded(count: int) -> None:
    """Refuse more than one commit moves.

    Raises:
        Invalid: it is more (422).
    """
    if count > MOST:
        raise Invalid(f"More than {MOST} resources are of this patient: they are not moved at once.", code="too-costly")


def _naming(own: Repository, type: str, patient: str) -> Filter:
    """Resources of a type that refer to a patient (id)."""
    if type == "Binary":
        return Refers("_securityContext", f"Patient/{patient}")
    named = (
        code
        for code, param in own.registry.of(type).items()
        if param.type == "reference" and "Patient" in targets_of(param, type)
    )
    return either([Refers(code, f"Patient/{patient}") for code in named])


async def breathe(number: int) -> None:
    """Give the event loop its turn, after so many resources."""
    if number % _TURN == _TURN - 1:
        await asyncio.sleep(0)


def redirected(node: Any, source: str, target: str, base: str) -> Any:
    """A resource, or a part of one, with every literal reference to a patient (id) become one to another.

    What does not refer to them is the same object.
    """
    if isinstance(node, list):
        made = [redirected(one, source, target, base) for one in node]
        return made if any(new is not old for new, old in zip(made, node, strict=True)) else node
    if not isinstance(node, dict):
        return node
    after = {name: redirected(value, source, target, base) for name, value in node.items()}
    said = node.get("reference")
    if isinstance(said, str) and _names(said, source, base):
        after["reference"] = f"Patient/{target}"
        return after
    return after if any(after[name] is not value for name, value in node.items()) else node


def _names(said: str, patient: str, base: str) -> bool:
    if f"Patient/{patient}" not in said:
        return False
    found = parse_reference(said, base)
    return bool(found.local and found.target == f"Patient/{patient}" and not found.fragment)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two versions say the same, but for what the server notes of each."""
    return _content(one) == _content(other)


def _content(tree: dict[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in tree.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    return {**tree, "meta": meta}


def keys(versions: Sequence[Version]) -> list[tuple[str, str]]:
    """Type and id of each, same order."""
    return [(one.type, one.id) for one in versions]
