"""Making an implementation guide's package part of the store, and taking it out again.

https://hl7.org/fhir/R4/packages.html. Every resource of a package is an ordinary resource, so that workers follow it
as they follow any write; `Records` remember which resources came with which package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fhir_server.app import House
from fhir_server.fhir.definitions import resource_types
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.activation.declared import check, declared, is_restated
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.protocol import Version, Write
from fhir_server.validation.profiles.activation import refuse
from fhir_server.validation.profiles.packages import Package

#: Kind of the records: key = `name#version`, value = `Installed`.
INSTALLED = "package"
#: Resources written at once.
_TOGETHER = 100

Tree = dict[str, Any]


class Installed(msgspec.Struct, frozen=True):
    """A package that is in the store.

    Attributes:
        name: `ans.fhir.fr.pdsm`.
        version: `3.1.1`.
        dependencies: package name → version it asks for.
        resources: (type, id) of what came with it.
    """

    name: str
    version: str
    dependencies: dict[str, str]
    resources: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """How it is named: `name#version`."""
        return f"{self.name}#{self.version}"


@dataclass(slots=True)
class Report:
    """What became of a package.

    Attributes:
        installed: what is in the store now.
        written: resources that were written, those left as they were not counted.
        refused: what the server could not follow and did not take, in words.
        parameters: search parameters among what was written.
        restated: search parameters that say again what the standard's own do, which stay in force.
    """

    installed: Installed
    written: int = 0
    refused: list[str] = field(default_factory=list)
    parameters: int = 0
    restated: int = 0


async def installed(house: House) -> list[Installed]:
    """The packages in the store, by name and version."""
    rows = await house.engine.records.list(INSTALLED)
    return [msgspec.msgpack.decode(value, type=Installed) for _, value in rows]


def missing(packages: list[Installed]) -> dict[str, dict[str, str]]:
    """Package → the packages it asks for that are not in the store (name → version); those of R4 itself always are."""
    there = {p.name for p in packages}
    found = {}
    for package in packages:
        absent = {n: v for n, v in package.dependencies.items() if n not in there and not n.startswith("hl7.fhir.r4.")}
        if absent:
            found[package.key] = absent
    return found


async def add(house: House, package: Package, examples: bool = False) -> Report:
    """Write a package's conformance resources, and its examples when asked for; again changes nothing.

    What is not the package's is never overwritten: a resource whose id another definition has is kept beside it.
    """
    report = Report(Installed(package.name, package.version, package.dependencies, ()))
    report.refused += [issue.diagnostics for issue in package.issues]
    trees = [*package.resources, *(package.examples.values() if examples else ())]
    held: list[tuple[str, str]] = []
    # A parameter of the package is judged beside those before it, which are not in force yet.
    known = Registry(house.registry.zone)
    known.replace(dict(house.registry.added()))
    for part in _parts(trees):
        writes: list[Write] = []
        for tree in part:
            reason = _refusal(house, known, tree)
            if reason:
                report.refused.append(reason)
                continue
            restated = tree["resourceType"] == "SearchParameter" and is_restated(tree)
            report.restated += restated
            id, before = await _place(house, tree, package.version, held)
            held.append((tree["resourceType"], id))
            write = await _write(house, tree, id, before)
            if write:
                writes.append(write)
                report.parameters += tree["resourceType"] == "SearchParameter" and not restated
        if writes:
            await house.repository().transact(writes)
            report.written += len(writes)
    report.installed = msgspec.structs.replace(report.installed, resources=tuple(held))
    await house.engine.records.put(INSTALLED, report.installed.key, msgspec.msgpack.encode(report.installed))
    return report


async def remove(house: House, name: str) -> list[Installed]:
    """Take packages out, by `name` (all versions) or `name#version`; gives those that were there.

    What another package in the store has as well stays.
    """
    everything = await installed(house)
    gone = [p for p in everything if name in (p.name, p.key)]
    kept = {resource for p in everything if p not in gone for resource in p.resources}
    repository = house.repository()
    for package in gone:
        for part in _parts([r for r in package.resources if r not in kept]):
            versions = [await repository.current(type, id) for type, id in part]
            live = [version for version in versions if version is not None and not version.deleted]
            await repository.transact([await repository.delete(version) for version in live])
        await house.engine.records.take(INSTALLED, package.key)
    return gone


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    return (items[n : n + _TOGETHER] for n in range(0, len(items), _TOGETHER))


def _refusal(house: House, known: Registry, tree: Tree) -> str:
    """Why the server could not follow a resource; "" when it can. Guides are taken as published in all else."""
    type, url = tree.get("resourceType"), str(tree.get("url") or tree.get("id"))
    if type not in resource_types():
        return f"{url}: not a resource type of R4."
    try:
        if type == "StructureDefinition":
            refuse(tree, house.following.profiles)
        if type == "SearchParameter":
            check(tree, known)
            parameter = declared(tree, known)
            if parameter:
                known.activate(parameter)
    except FhirError as error:
        return "; ".join(f"{url}: {issue.diagnostics}" for issue in error.issues)
    except (TypeError, ValueError, KeyError, AttributeError):
        return f"{url}: not as R4 asks."
    return ""


_NOT_ID = re.compile(r"[^A-Za-z0-9\-.]")


async def _place(house: House, tree: Tree, version: str, held: list[tuple[str, str]]) -> tuple[str, Version | None]:
    """The id a resource is written under, and what is there already: itself, or nothing."""
    type, own = tree["resourceType"], _NOT_ID.sub("-", str(tree.get("id") or ""))[:64]
    number = _NOT_ID.sub("-", str(tree.get("version") or version))
    for id in (own, f"{own[: 63 - len(number)]}-{number}"[-64:]):
        if not own or (type, id) in held:
            continue
        before = await house.repository().current(type, id)
        if before is None or before.deleted or _same(before, tree):
            return id, before
    return house.repository().new_id(type), None


def _same(before: Version, tree: Tree) -> bool:
    """Whether what is stored is the same definition, or what is no definition at all the same resource."""
    there = parse(before.body, max_depth=1000)
    return all(there.get(name) == tree.get(name) for name in ("url", "version"))


async def _write(house: House, tree: Tree, id: str, before: Version | None) -> Write | None:
    """The write of a resource; None when it is there as it is."""
    tree = {**tree, "id": id}
    if before is not None and not before.deleted and _content(parse(before.body, max_depth=1000)) == _content(tree):
        return None
    return await house.repository().put(tree["resourceType"], id, tree, serialize(tree), before)


def _content(tree: Tree) -> Tree:
    """A resource without what the server itself writes."""
    meta = {k: v for k, v in (tree.get("meta") or {}).items() if k not in ("versionId", "lastUpdated")}
    return {**tree, "meta": meta}
