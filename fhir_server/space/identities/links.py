"""Which records were made one: R4 Patient.link, `replaced-by` in the one that ended, `replaces` in the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fhir_server.changes.cache import hangs_on
from fhir_server.fhir.json import parse
from fhir_server.store.filters import Filter, Refers, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.store.protocol import Version

#: Records that were made one with somebody's: more are not looked for.
MOST = 100


def is_into(tree: Mapping[str, Any], target: str) -> bool:
    """Whether a Patient was made one with another ("Patient/1")."""
    return any(
        one.get("type") == "replaced-by" and one.get("other", {}).get("reference") == target
        for one in tree.get("link", ())
    )


def linked_to(patients: Sequence[str]) -> Filter:
    """Patients that a link leads from to one of some patients (ids)."""
    return either([Refers("link", f"Patient/{one}") for one in patients])


def into(versions: Sequence[Version], patients: Sequence[str]) -> list[str]:
    """Ids of those Patients that were made one with some patients (ids), in the order of `versions`."""
    targets = [f"Patient/{one}" for one in patients]
    trees = [parse(one.body) for one in versions]
    return [str(tree["id"]) for tree in trees if any(is_into(tree, to) for to in targets)]


async def merged_into(own: Repository, patients: Sequence[str]) -> list[str]:
    """Ids of the records that were made one with those of some patients (ids), one after the other too."""
    found: list[str] = []
    left = list(patients)
    while left and len(found) < MOST:
        # A merge and its undoing write the Patient that goes on.
        hangs_on(*(("Patient", one) for one in left))
        page = await own.find({"Patient": linked_to(left)}, count=MOST)
        left = [one for one in into(page.versions, left) if one not in found]
        found += left
    return found
