"""What organizations and people are called, for pages that name many of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of


async def names(repository: Repository, references: Iterable[str]) -> dict[str, str]:
    """Names by reference ("Organization/1", "Practitioner/2"); what is not there, or has none, is left out."""
    keys = sorted({_key(one) for one in references if one.count("/") == 1})
    with repository.together():
        await repository.ahead(keys)
        versions = [await repository.current(*key) for key in keys]
    trees = [tree_of(one) for one in versions]
    found = {f"{type}/{id}": name_of(tree) for (type, id), tree in zip(keys, trees, strict=True)}
    return {reference: name for reference, name in found.items() if name}


def name_of(tree: Mapping[str, Any], given: int | None = None) -> str:
    """The name of an organization or a person, with so many given names at most, or all; "" without one."""
    name = tree.get("name")
    if isinstance(name, str):
        return name
    human: Mapping[str, Any] = next(iter(name or ()), {})
    # Of a name of which only an extension is said JSON has null: https://hl7.org/fhir/R4/json.html#primitive.
    said = [one for one in human.get("given", ()) if one]
    return " ".join((*said[:given], human.get("family", ""))).strip()


def _key(reference: str) -> tuple[str, str]:
    type, _, id = reference.partition("/")
    return type, id
