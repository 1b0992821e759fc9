"""References to resources that are not there, where the setting `referential_integrity` refuses them.

https://hl7.org/fhir/R4/http.html#integrity
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from fhir_server.fhir.outcome import Conflict, Invalid, Issue
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context
from fhir_server.store.filters import Id, Refers, either
from fhir_server.store.protocol import Guard

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?", re.ASCII)


async def guards(
    context: Context,
    tree: dict[str, Any],
    present: AbstractSet[str] = frozenset(),
    ended: AbstractSet[str] = frozenset(),
) -> list[Guard]:
    """Guards that every local resource `tree` refers to is there when it is written; none where the setting is off.

    Args:
        context: whose settings and repository are used.
        tree: the resource to write.
        present: `Type/id` of what the same transaction writes.
        ended: `Type/id` of what the same transaction deletes.

    Raises:
        Invalid: naming each element that refers to nothing (422).
    """
    if not context.settings.referential_integrity:
        return []
    own = f"{tree['resourceType']}/{tree.get('id', '')}"
    issues, found = [], {}
    for path, type, id in _references(tree, tree["resourceType"], context.base + "/"):
        target = f"{type}/{id}"
        if target in present or target == own or target in found:
            continue
        if target in ended or not statement.supports(type) or not await _is_there(context, type, id):
            issues.append(Issue("error", "not-found", "The reference is to a resource that is not here.", path))
        else:
            found[target] = Guard(type, Id((id,)), frozenset({id}))
    if issues:
        raise Invalid(issues=issues)
    return list(found.values())


async def unreferenced(
    context: Context, type: str, ids: frozenset[str], ended: AbstractSet[str] = frozenset()
) -> list[Guard]:
    """Guards that nothing but `ended` refers to what is to be deleted; none where the setting is off.

    Args:
        context: whose settings and repository are used.
        type: of the resources to delete.
        ids: of the resources to delete.
        ended: `Type/id` of all the same transaction deletes or writes anew.

    Raises:
        Conflict: something refers to one of them (409).
    """
    if not context.settings.referential_integrity:
        return []
    gone = ended | {f"{type}/{id}" for id in ids}
    made = []
    for referrer in statement.resources():
        params = [code for code, p in context.repository.registry.of(referrer).items() if p.type == "reference"]
        if not params:
            continue
        where = either([Refers(code, f"{type}/{id}") for code in params for id in sorted(ids)])
        page = await context.repository.find({referrer: where}, count=len(gone) + 1)
        if any(f"{referrer}/{version.id}" not in gone for version in page.versions):
            raise Conflict(f"A {referrer} refers to this {type}.")
        made.append(Guard(referrer, where, frozenset(version.id for version in page.versions)))
    return made


async def _is_there(context: Context, type: str, id: str) -> bool:
    if not context.repository.allows(type, "r"):
        return False
    version = await context.repository.current(type, id)
    return version is not None and not version.deleted


def _references(node: Any, path: str, base: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(node, list):
        for n, child in enumerate(node):
            yield from _references(child, f"{path}[{n}]", base)
    elif isinstance(node, dict):
        said = node.get("reference")
        if isinstance(said, str) and (local := _LOCAL.fullmatch(said.removeprefix(base))):
            yield f"{path}.reference", local[1], local[2]
        for name, child in node.items():
            if isinstance(child, dict | list):
                yield from _references(child, f"{path}.{name}", base)
