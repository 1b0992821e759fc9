"""What organizations and people are called, for pages that name many of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse


async def names(repository: Repository, references: Iterable[str]) -> dict[str, str]:
    """Names by reference ("Organization/1", "Practitioner/2"); what is not there, or has none, is left out."""
    known = {one for one in references if one.count("/") == 1}
    found = {}
    for reference in sorted(known):
        version = await repository.current(*reference.split("/"))
        if version is not None and not version.deleted and (name := _name(parse(version.body))):
            found[reference] = name
    return found


def _name(tree: Mapping[str, Any]) -> str:
    name = tree.get("name")
    if isinstance(name, str):
        return name
    human: Mapping[str, Any] = next(iter(name or ()), {})
    return " ".join((*human.get("given", ()), human.get("family", ""))).strip()
