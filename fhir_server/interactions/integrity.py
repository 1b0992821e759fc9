"""References that lead nowhere: to a `urn:` that no Bundle resolves, always; to what is not here, by a setting.

https://hl7.org/fhir/R4/http.html#integrity, https://hl7.org/fhir/R4/references.html#literal,
https://hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import Conflict, Invalid, Issue
from fhir_server.fhir.references import walk_references
from fhir_server.interactions import statement
from fhir_server.interactions.exchange import Context
from fhir_server.store.filters import Id, Refers, either
from fhir_server.store.protocol import Guard, Version

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?", re.ASCII)


def require_resolvable(tree: dict[str, Any], before: Version | None = None) -> None:
    """Refuse references to a `urn:uuid:` or `urn:oid:` that is not in the same Bundle.

    Such a name means something only beside the entry that bears it: what was to be replaced by where the resource is
    kept and was not could never be followed. A Bundle that is kept whole resolves its own, and what an earlier version
    had may stay.

    Args:
        tree: the resource to write, links between entries already replaced.
        before: the version it follows.

    Raises:
        Invalid: naming each element (422).
    """
    # Hardly any resource has one: its bytes tell sooner than its elements one by one.
    if tree.get("resourceType") == "Bundle" or not _MENTIONED.search(serialize(tree)):
        return
    issues = []
    for node, path in walk_references(tree):
        said = node["reference"]
        if _BUNDLED.match(said) and not (before is not None and said.encode() in before.body):
            issues.append(Issue("error", "not-found", _UNRESOLVED, f"{path}.reference"))
    if issues:
        raise Invalid(issues=issues)


_BUNDLED = re.compile(r"urn:(?:uuid|oid):", re.IGNORECASE)
_MENTIONED = re.compile(rb'"reference":"urn:(?:uuid|oid):', re.IGNORECASE)
_UNRESOLVED = (
    "The reference names no entry of the same Bundle, and a urn can be resolved nowhere else; entries refer to one"
    " another in a transaction only."
)


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
    named = [
        (path, type, id)
        for path, type, id in _references(tree, tree["resourceType"], context.base + "/")
        if (target := f"{type}/{id}") not in present and target != own
    ]
    asked = dict.fromkeys((type, id) for _, type, id in named if statement.supports(type))
    there = await context.repository.there([(type, id) for type, id in asked if f"{type}/{id}" not in ended])
    issues = [
        Issue("error", "not-found", "The reference is to a resource that is not here.", path)
        for path, type, id in named
        if (type, id) not in there
    ]
    if issues:
        raise Invalid(issues=issues)
    return [Guard(type, Id((id,)), frozenset({id})) for type, id in asked]


async def ahead(context: Context, trees: Iterable[dict[str, Any]], *known: AbstractSet[str]) -> None:
    """Ask, in one call, for what `guards` will look for within the same `Repository.together`.

    Args:
        context: whose settings and repository are used.
        trees: the resources to write.
        known: `Type/id` of what need not be looked for.
    """
    if not context.settings.referential_integrity:
        return
    repository, base = context.repository, context.base + "/"
    named = dict.fromkeys((type, id) for tree in trees for _, type, id in _references(tree, tree["resourceType"], base))
    await repository.there(
        [
            (type, id)
            for type, id in named
            if statement.supports(type) and not any(f"{type}/{id}" in some for some in known)
        ]
    )


#: What records that something was done goes on naming what it was done to, and keeps none of it from being deleted:
#: https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/provenance.html.
_TRACES = frozenset({"AuditEvent", "Provenance"})


async def unreferenced(
    context: Context, type: str, ids: frozenset[str], ended: AbstractSet[str] = frozenset()
) -> list[Guard]:
    """Guards that nothing but `ended` and traces refers to what is to be deleted; none where the setting is off.

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
    asked = []
    for referrer in sorted(set(statement.resources()) - _TRACES):
        params = [code for code, p in context.repository.registry.of(referrer).items() if p.type == "reference"]
        if params:
            asked.append((referrer, either([Refers(code, f"{type}/{id}") for code in params for id in sorted(ids)])))
    repository, most = context.repository, len(gone) + 1
    found = await repository.ids_each([{referrer: where} for referrer, where in asked], most)
    referring = [(referrer, where, some) for (referrer, where), some in zip(asked, found, strict=True) if some]
    refuses = [any(f"{referrer}/{id}" not in gone for id in some) for referrer, _, some in referring]
    # What decides is traced. What refers from types after the first that refuses decides nothing: nobody is told of it.
    decided = refuses.index(True) if True in refuses else len(refuses)
    if referring:
        await repository.find_each([{referrer: where} for referrer, where, _ in referring[: decided + 1]], most, "head")
    if decided < len(refuses):
        raise Conflict(f"A {referring[decided][0]} refers to this {type}.")
    return [repository.guard(referrer, where, some) for (referrer, where), some in zip(asked, found, strict=True)]


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
