"""Which records were made one: R4 Patient.link, `replaced-by` in the one that ended, `replaces` in the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fhir_server.changes.cache import hangs_on
from fhir_server.fhir.json import parse
from fhir_server.store.filters import Refers, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository

#: Records that were made one with somebody's: more are not looked for.
_MOST = 100


def is_into(tree: Mapping[str, Any], target: str) -> bool:
    """Whether a Patient was made one with another ("Patient/1")."""
    return any(
        one.get("type") == "replaced-by" and one.get("other", {}).get("reference") == target
        for one in tree.get("link", ())
    )


async def merged_into(own: Repository, patients: Sequence[str]) -> list[str]:
    """Ids of the records that were made one with those of some patients (ids), one after the other too."""
    found: list[str] = []
    left = list(patients)
    while left and len(found) < _MOST:
        # A merge and its undoing write the Patient that goes on.
        hangs_on(*(("Patient", one) for one in left))
        targets = [f"Patient/{one}" for one in left]
        page = await own.find({"Patient": either([Refers("link", one) for one in targets])}, count=_MOST)
        trees = [parse(one.body) for one in page.versions]
        into = [one for one in trees if any(is_into(one, to) for to in targets)]
        left = [str(one["id"]) for one in into if one["id"] not in found]
        found += left
    return found
