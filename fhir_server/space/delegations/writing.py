"""How a change of a delegation is written: its Consent and RelatedPerson, tried until nobody was faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import serialize
from fhir_server.fhir.nos import ROLE_CLASS
from fhir_server.fhir.outcome import Conflict, NotFound
from fhir_server.space.delegations.bonds import BONDS
from fhir_server.space.delegations.delegation import Delegation, to_consent
from fhir_server.space.delegations.standing import Standing
from fhir_server.space.national_identity import ins_of
from fhir_server.store.protocol import Put, Stale, Version

_T = TypeVar("_T")
_ATTEMPTS = 20
_RELATED = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-related-person"
#: What of a Patient says who somebody is, as a RelatedPerson says it too.
_SAME = ("name", "gender", "birthDate")


async def settled(repository: Repository, once: Callable[[Repository], Awaitable[_T]]) -> _T:
    """What `once` comes to, begun again with the server's own sight while others are faster.

    Raises:
        Conflict: they kept being (409).
    """
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        try:
            return await once(own)
        except Stale:
            continue
    raise Conflict("Others keep changing the same delegations; try again.", headers={"Retry-After": "1"})


async def consent(own: Repository, one: Delegation, before: Version | None) -> Put:
    """The version of the Consent that says how a delegation stands now."""
    tree = to_consent(one)
    return await own.put("Consent", one.id, tree, serialize(tree), before)


async def begun(own: Repository, one: Delegation, there: Standing) -> Put:
    """The version of the RelatedPerson by which the delegate acts from now on."""
    # Rules know the time by the minute: who begins within it acts at once, not from the next.
    start = one.start.replace(second=0).isoformat(timespec="seconds") if one.start is not None else None
    end = one.end.isoformat(timespec="seconds") if one.end is not None else None
    said = {"start": start, "end": end}
    code, display, _ = BONDS[one.kind].role
    tree = {
        "resourceType": "RelatedPerson",
        "id": one.id,
        "meta": {"profile": [_RELATED]},
        "identifier": list(ins_of(there.delegate)),
        "active": True,
        "patient": {"reference": f"Patient/{one.patient}"},
        "relationship": [{"coding": [{"system": ROLE_CLASS, "code": code, "display": display}]}],
        **{name: there.delegate[name] for name in _SAME if name in there.delegate},
        "period": {name: at for name, at in said.items() if at},
    }
    return await related(own, tree, there.related)


async def related(own: Repository, tree: dict[str, Any], before: Version | None) -> Put:
    """A version of a RelatedPerson."""
    return await own.put("RelatedPerson", tree["id"], tree, serialize(tree), before)


def absent() -> NotFound:
    """The refusal of what is not there, or not the caller's (404)."""
    return NotFound("There is no such delegation.")
