"""Reads of the directory who a professional is, as the AuditEvents of what they do name them.

https://mos.esante.gouv.fr (IdNat_PS: `8` and the RPPS; IdNat_Struct: `1` and the FINESS; professions of TRE_G15).
Remembered for a minute: who somebody is does not change between two requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fhir_server.access.grant import Grant
from fhir_server.access.party import Named, Party, Profession
from fhir_server.access.trees import tree_of

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.changes.cache import Cache

#: Resource type → systems of its national identifiers, the one that is told first; what goes before a value of each.
_NATIONAL: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Practitioner": (("urn:oid:1.2.250.1.71.4.2.1", ""), ("https://rpps.esante.gouv.fr", "8")),
    "Organization": (("urn:oid:1.2.250.1.71.4.2.2", ""), ("https://finess.esante.gouv.fr", "1")),
}
#: End of the URL of the code system of professions.
_PROFESSIONS = "TRE-G15-ProfessionSante"


async def party(grant: Grant, own: Callable[[], Repository], cache: Cache) -> Party | None:
    """Who acts by a grant; None for others than professionals.

    Args:
        grant: the caller.
        own: gives the server's own sight of the store.
        cache: what this worker remembers.
    """
    return await acting(grant.subject, grant.role, own, cache) if grant.traced else None


async def acting(subject: str | None, role: str | None, own: Callable[[], Repository], cache: Cache) -> Party | None:
    """As `party`, of somebody ("Practitioner/1") in a role ("PractitionerRole/1"), or in none that is known yet."""
    if subject is None or not subject.startswith("Practitioner/"):
        return None
    return await cache.get(("party", subject, role), lambda: _read(own(), subject, role or ""))


async def _read(repository: Repository, subject: str, role: str) -> Party:
    person, held = await _trees(repository, subject, role)
    where = str(held.get("organization", {}).get("reference", ""))
    (there,) = await _trees(repository, where if where.startswith("Organization/") else "")
    named = [
        *(code for code in held.get("code", ())),
        *(one.get("code", {}) for one in person.get("qualification", ())),
    ]
    return Party(_named(subject, person), _profession(named), _named(where, there) if there else None)


async def _trees(repository: Repository, *references: str) -> list[dict[str, Any]]:
    """What is there of each; {} where nothing is."""
    keys = [(type, id) for type, _, id in (one.partition("/") for one in references)]
    with repository.together():
        await repository.ahead([key for key in keys if all(key)])
        versions = [await repository.current(*key) if all(key) else None for key in keys]
    return [tree_of(one) for one in versions]


def _named(reference: str, tree: Mapping[str, Any]) -> Named:
    held = [(one.get("system", ""), one.get("value", "")) for one in tree.get("identifier", ())]
    national = _NATIONAL[reference.partition("/")[0]]
    told = next(
        ((national[0][0], f"{lead}{value}") for own, lead in national for system, value in held if own == system), None
    )
    return Named(reference, name(tree), told if told is not None and told[1] else None)


def name(tree: Mapping[str, Any]) -> str:
    """What a person or an organization is called; "" when it has no name."""
    given = tree.get("name")
    if isinstance(given, str):
        return given
    human: Mapping[str, Any] = next(iter(given or ()), {})
    words = (*human.get("given", ()), human.get("family", ""))
    return " ".join(str(word) for word in words if word) or str(human.get("text", ""))


def _profession(codes: Iterable[Mapping[str, Any]]) -> Profession | None:
    codings = [coding for code in codes for coding in code.get("coding", ())]
    for coding in codings:
        if str(coding.get("system", "")).endswith(_PROFESSIONS) and coding.get("code"):
            return coding["system"], coding["code"], coding.get("display", "")
    return None
