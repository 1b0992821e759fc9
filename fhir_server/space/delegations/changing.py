"""The ways in which a delegation changes: invited, answered, ended; each one commit, under the bounds.

The Consent that says by whose leave and the RelatedPerson by which all else goes are of one commit. What accounts hold
of it follows (`following`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import serialize
from fhir_server.fhir.nos import CAREGIVER, ROLE_CLASS
from fhir_server.fhir.outcome import Conflict, NotFound
from fhir_server.space.acting import cares
from fhir_server.space.delegations import people
from fhir_server.space.delegations.delegation import (
    ANSWERED_WITHIN,
    MOST_CARED_FOR,
    MOST_CAREGIVERS,
    Delegation,
    delegation_id,
    from_consent,
    to_consent,
)
from fhir_server.space.delegations.refusals import refused
from fhir_server.space.delegations.standing import Standing, standing
from fhir_server.space.national_identity import ins_of
from fhir_server.store.protocol import Put, Stale, Version

_T = TypeVar("_T")
_ATTEMPTS = 20
_RELATED = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-related-person"
#: What of a Patient says who somebody is, as a RelatedPerson says it too.
_SAME = ("name", "gender", "birthDate")


async def invite(
    repository: Repository, patient: str, caregiver: str, by: str, end: datetime | None, now: datetime
) -> Delegation:
    """Ask somebody to care for a patient (ids), until a time where one is said; the invitation.

    Raises:
        Invalid: it cannot be, by a code of `REFUSALS` (422).
        Conflict: others kept changing the same (409).
    """

    async def once(own: Repository) -> Delegation:
        there = await standing(own, patient, caregiver, now)
        _may_be_invited(there, end, now)
        made = Delegation(patient, caregiver, "proposed", now, now + ANSWERED_WITHIN, by, end=end)
        await repository.transact([await _consent(own, made, there.consent)], there.guards)
        return made

    return await _settled(repository, once)


def _may_be_invited(there: Standing, end: datetime | None, now: datetime) -> None:
    before = there.delegation
    if not people.of_age(there.patient, now):
        raise refused("NOT_OF_AGE")
    if end is not None and end <= now:
        raise refused("END_NOT_AHEAD")
    if before is not None and before.shown(now) == "PENDING":
        raise refused("SAME_INVITATION_ALREADY_EXISTS")
    _may_begin(there)
    if there.caregivers + len(there.asked) >= MOST_CAREGIVERS:
        raise refused("CAREGIVERS_LIMIT_REACHED")


def _may_begin(there: Standing) -> None:
    if there.between:
        is_same = any(map(cares, there.between))
        raise refused("SAME_DELEGATION_ALREADY_EXISTS" if is_same else "ANOTHER_DELEGATION_ALREADY_EXISTS")


async def answer(repository: Repository, id: str, caregiver: str, accepted: bool, by: str, now: datetime) -> Delegation:
    """Accept or refuse an invitation (id) as who was invited (id of their Patient); what became of it.

    Raises:
        NotFound: there is no such, or it is not theirs (404).
        Invalid, Conflict: as `invite`.
    """

    async def once(own: Repository) -> Delegation:
        asked = from_consent(tree_of(await own.current("Consent", id)))
        if asked is None or asked.caregiver != caregiver:
            raise _absent()
        there = await standing(own, asked.patient, caregiver, now)
        before = there.delegation
        if before is None or before.shown(now) != "PENDING" or (before.end is not None and before.end <= now):
            raise refused("INVITATION_NOT_PENDING")
        if not accepted:
            after = replace(before, status="rejected", by=by)
            await repository.transact([await _consent(own, after, there.consent)])
            return after
        _may_begin(there)
        _has_room(there)
        after = replace(before, status="active", by=by, start=now)
        puts = [await _consent(own, after, there.consent), await _begun(own, after, there)]
        await repository.transact(puts, there.guards)
        return after

    return await _settled(repository, once)


def _has_room(there: Standing) -> None:
    if there.caregivers >= MOST_CAREGIVERS:
        raise refused("CAREGIVERS_LIMIT_REACHED")
    if there.cared_for >= MOST_CARED_FOR:
        raise refused("CARED_FOR_LIMIT_REACHED")


async def end(repository: Repository, id: str, person: str, by: str, now: datetime) -> str:
    """Have a delegation or invitation (id) end, as either of the two (id of their Patient); who was cared for (id).

    Raises:
        NotFound: there is no such, or it is not theirs (404).
        Invalid: it has ended (422).
        Conflict: others kept changing the same (409).
    """

    async def once(own: Repository) -> str:
        consent, related = await own.current("Consent", id), await own.current("RelatedPerson", id)
        before, acting = from_consent(tree_of(consent)), tree_of(related)
        patient = before.patient if before is not None else _patient_of(acting)
        if not await _is_theirs(own, before, acting, person):
            raise _absent()
        puts = []
        if before is not None and before.status in ("proposed", "active"):
            puts.append(await _consent(own, ended(before, person, by, now), consent))
        if related is not None and acting and acting.get("active") is not False:
            puts.append(await _related(own, _over(acting, now), related))
        if not puts:
            raise refused("DELEGATION_ENDED")
        await repository.transact(puts)
        return patient

    return await _settled(repository, once)


def ended(before: Delegation, person: str, by: str, now: datetime) -> Delegation:
    """What becomes of it when it ends: who was invited and lets go refuses."""
    if before.status == "proposed":
        return replace(before, status="rejected" if person == before.caregiver else "inactive", by=by)
    return replace(before, status="inactive", by=by, end=min(now, before.end or now))


async def _is_theirs(own: Repository, before: Delegation | None, acting: dict[str, Any], person: str) -> bool:
    if before is not None:
        return person in (before.patient, before.caregiver)
    # Registered by others, as a caregiver: of representatives others decide.
    if not acting or not cares(acting):
        return False
    return _patient_of(acting) == person or people.shares(acting, await people.person(own, f"Patient/{person}"))


async def _settled(repository: Repository, once: Callable[[Repository], Awaitable[_T]]) -> _T:
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        try:
            return await once(own)
        except Stale:
            continue
    raise Conflict("Others keep changing the same delegations; try again.", headers={"Retry-After": "1"})


async def _consent(own: Repository, one: Delegation, before: Version | None) -> Put:
    tree = to_consent(one)
    return await own.put("Consent", one.id, tree, serialize(tree), before)


async def _begun(own: Repository, one: Delegation, there: Standing) -> Put:
    # Rules know the time by the minute: who begins within it acts at once, not from the next.
    start = one.start.replace(second=0).isoformat(timespec="seconds") if one.start is not None else None
    end = one.end.isoformat(timespec="seconds") if one.end is not None else None
    said = {"start": start, "end": end}
    tree = {
        "resourceType": "RelatedPerson",
        "id": delegation_id(one.patient, one.caregiver),
        "meta": {"profile": [_RELATED]},
        "identifier": list(ins_of(there.caregiver)),
        "active": True,
        "patient": {"reference": f"Patient/{one.patient}"},
        "relationship": [{"coding": [{"system": ROLE_CLASS, "code": CAREGIVER, "display": "Aidant"}]}],
        **{name: there.caregiver[name] for name in _SAME if name in there.caregiver},
        "period": {name: at for name, at in said.items() if at},
    }
    return await _related(own, tree, there.related)


def _over(tree: dict[str, Any], now: datetime) -> dict[str, Any]:
    kept = {name: value for name, value in tree.items() if name != "meta"}
    profile = {"meta": {"profile": tree["meta"]["profile"]}} if tree.get("meta", {}).get("profile") else {}
    period = {**tree.get("period", {}), "end": now.isoformat(timespec="seconds")}
    return {**kept, **profile, "active": False, "period": period}


async def _related(own: Repository, tree: dict[str, Any], before: Version | None) -> Put:
    return await own.put("RelatedPerson", tree["id"], tree, serialize(tree), before)


def _patient_of(tree: dict[str, Any]) -> str:
    return str(tree.get("patient", {}).get("reference", "")).removeprefix("Patient/")


def _absent() -> NotFound:
    return NotFound("There is no such delegation.")
