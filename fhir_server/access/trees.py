"""The JSON of what is stored, where there is any: {} of what was deleted, or never was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.fhir.json import parse
from fhir_server.store.protocol import Version

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository


def tree_of(version: Version | None) -> dict[str, Any]:
    """The resource that a version is; {} of none and of a deletion."""
    return parse(version.body) if version is not None and not version.deleted else {}


async def referred(own: Repository, reference: str) -> dict[str, Any]:
    """What a literal reference ("Patient/1", its version aside) names now; {} where it names nothing that is here."""
    type, _, rest = reference.partition("/")
    id = rest.partition("/")[0]
    return tree_of(await own.current(type, id)) if type and id else {}
