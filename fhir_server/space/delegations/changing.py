"""The ways in which a delegation comes to be: invited and answered, or attached; each one commit, under the bounds.

The Consent that says by whose leave and the RelatedPerson by which all else goes are of one commit. What accounts hold
of it follows (`following`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.space.delegations import people
from fhir_server.space.delegations.bonds import Kind
from fhir_server.space.delegations.delegation import ANSWERED_WITHIN, Delegation, from_consent
from fhir_server.space.delegations.refusals import refused
from fhir_server.space.delegations.standing import Standing, standing
from fhir_server.space.delegations.writing import absent, begun, consent, settled
from fhir_server.store.protocol import Put


async def invite(
    repository: Repository,
    patient: str,
    delegate: str,
    by: str,
    end: datetime | None,
    now: datetime,
    kind: Kind = "caregiving",
) -> Delegation:
    """Ask somebody to act for a patient (ids), until a time where one is said; the invitation.

    Of a minor whose representative (`by`) nobody registered, since their account alone says who they are, the
    representative is registered in the same commit: the bounds count them from then on.

    Raises:
        Invalid: it cannot be, by a code of `REFUSALS` (422).
        Conflict: others kept changing the same (409).
    """

    async def once(own: Repository) -> Delegation:
        there = await standing(own, patient, delegate, kind, now)
        _may_be_invited(there, end, now)
        made = Delegation(patient, delegate, "proposed", now, now + ANSWERED_WITHIN, by, end=end, kind=kind)
        first = await _first(own, there, by, now) if kind == "representation" else []
        if first and there.is_asked_full_with(1):
            raise refused(there.bond.most[1])
        await repository.transact([await consent(own, made, there.consent), *first], there.guards)
        return made

    return await settled(repository, once)


async def _first(own: Repository, there: Standing, by: str, now: datetime) -> list[Put]:
    """What registers who invites, where nothing does."""
    type, _, id = by.partition("/")
    who = await people.person(own, by)
    if type != "Patient" or id == there.patient["id"] or any(people.shares(one, who) for one in there.of_patient):
        return []
    if not people.is_able(who, now) or people.shares(who, there.delegate):
        raise refused("NOT_A_REPRESENTATIVE")
    here = await standing(own, there.patient["id"], id, there.bond.kind, now)
    one = Delegation(there.patient["id"], id, "active", now, now, by, start=now, kind=there.bond.kind)
    return [await consent(own, one, here.consent), await begun(own, one, here)]


async def attach(repository: Repository, patient: str, delegate: str, by: str, now: datetime) -> Delegation:
    """Have the operator say that somebody is a legal representative of a minor (ids), as when a space is opened.

    Raises:
        Invalid, Conflict: as `invite`.
    """

    async def once(own: Repository) -> Delegation:
        there = await standing(own, patient, delegate, "representation", now)
        _may_act(there, now)
        if there.is_full:
            raise refused(there.bond.most[1])
        made = Delegation(patient, delegate, "active", now, now, by, start=now, kind="representation")
        puts = [await consent(own, made, there.consent), await begun(own, made, there)]
        await repository.transact(puts, there.guards)
        return made

    return await settled(repository, once)


def _may_be_invited(there: Standing, end: datetime | None, now: datetime) -> None:
    before, bond = there.delegation, there.bond
    if people.of_age(there.patient, now) != bond.of_age:
        raise refused(bond.wrong_age)
    if end is not None and not bond.of_age:
        raise refused("END_NOT_CHOSEN")
    if end is not None and end <= now:
        raise refused("END_NOT_AHEAD")
    if before is not None and before.shown(now) == "PENDING":
        raise refused("SAME_INVITATION_ALREADY_EXISTS")
    if before is not None and before.reason:
        raise refused("REPRESENTATION_WITHDRAWN")
    _may_act(there, now)
    if there.is_asked_full_with(0):
        raise refused(bond.most[1])


def _may_act(there: Standing, now: datetime) -> None:
    """Refuse what nobody may begin: both live, and are as old as it takes, and the one does not act already."""
    if people.of_age(there.patient, now) != there.bond.of_age:
        raise refused(there.bond.wrong_age)
    if people.is_gone(there.patient) or (there.bond.of_age and there.patient.get("active") is False):
        # Who represents a minor is attached before the minor's space is opened.
        raise refused("PROFILE_NOT_IN_USE")
    is_same = there.patient.get("id") == there.delegate.get("id") or people.shares(there.patient, there.delegate)
    # Nobody acts for themself, whatever number of records are theirs.
    if is_same or not people.is_able(there.delegate, now):
        raise refused("PROFILE_NOT_FOUND")
    if there.between:
        acts_so = any(map(there.bond.acts, there.between))
        raise refused("SAME_DELEGATION_ALREADY_EXISTS" if acts_so else "ANOTHER_DELEGATION_ALREADY_EXISTS")


async def answer(repository: Repository, id: str, delegate: str, accepted: bool, by: str, now: datetime) -> Delegation:
    """Accept or refuse an invitation (id) as who was invited (id of their Patient); what became of it.

    Raises:
        NotFound: there is no such, or it is not theirs (404).
        Invalid, Conflict: as `invite`.
    """

    async def once(own: Repository) -> Delegation:
        asked = from_consent(tree_of(await own.current("Consent", id)))
        if asked is None or asked.delegate != delegate:
            raise absent()
        there = await standing(own, asked.patient, delegate, asked.kind, now)
        before = there.delegation
        if before is None or before.shown(now) != "PENDING" or (before.end is not None and before.end <= now):
            raise refused("INVITATION_NOT_PENDING")
        if not accepted:
            after = replace(before, status="rejected", by=by)
            await repository.transact([await consent(own, after, there.consent)])
            return after
        _may_act(there, now)
        _has_room(there)
        after = replace(before, status="active", by=by, start=now)
        puts = [await consent(own, after, there.consent), await begun(own, after, there)]
        await repository.transact(puts, there.guards)
        return after

    return await settled(repository, once)


def _has_room(there: Standing) -> None:
    if there.is_full:
        raise refused(there.bond.most[1])
    if there.is_busy and there.bond.most_of_one is not None:
        raise refused(there.bond.most_of_one[1])
