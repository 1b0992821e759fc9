"""How a delegation ends: by either of the two, by who represents a minor, by the operator; which of them is the bond's.

Code civil, art. 373-2-1, 378: parental authority is taken away by a judge, and given up by nobody; the operator, who is
shown the judgment, withdraws a representative, and says why. Who is withdrawn is not invited again by the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.space.acting import cares
from fhir_server.space.delegations import people
from fhir_server.space.delegations.bonds import BONDS, Side
from fhir_server.space.delegations.delegation import Delegation, from_consent
from fhir_server.space.delegations.refusals import refused
from fhir_server.space.delegations.standing import Standing, standing
from fhir_server.space.delegations.writing import absent, consent, related, settled
from fhir_server.store.protocol import Put


@dataclass(frozen=True, slots=True)
class Asker:
    """Who ends something.

    Attributes:
        person: id of the Patient on whose side they are.
        by: "Patient/1": who decides, as the Consent names them.
        is_operator: whether the operator does it, for them.
        reason: of the operator; "" without.
    """

    person: str
    by: str
    is_operator: bool = False
    reason: str = ""


async def end(repository: Repository, id: str, asker: Asker, now: datetime) -> None:
    """Have a delegation or invitation (id) end.

    Raises:
        NotFound: there is no such, or it is not theirs (404).
        Invalid: it has ended, or not by them (422).
        Conflict: others kept changing the same (409).
    """

    async def once(own: Repository) -> None:
        known = from_consent(tree_of(await own.current("Consent", id)))
        if known is None:
            await repository.transact(await _registered(own, id, asker, now))
            return
        there = await standing(own, known.patient, known.delegate, known.kind, now)
        before = there.delegation or known
        if asker.person not in (before.patient, before.delegate):
            raise absent()
        acting = await _acting(own, there, before)
        if before.status not in ("proposed", "active") and not acting:
            raise refused("DELEGATION_ENDED")
        _may_end(there, before, asker, now)
        puts = [await related(own, over(one, now), await own.current("RelatedPerson", one["id"])) for one in acting]
        if before.status in ("proposed", "active"):
            puts.append(await consent(own, ended(before, asker, now), there.consent))
        await repository.transact(puts, there.guards)

    await settled(repository, once)


async def _acting(own: Repository, there: Standing, before: Delegation) -> list[dict[str, Any]]:
    """As whom the delegate acts by it: the RelatedPerson of the same id; of a representative, all that they are."""
    one = tree_of(there.related)
    found = [one] if one and one.get("active") is not False else []
    if before.kind == "representation" and before.status == "active":
        found += [other for other in there.between if other["id"] != before.id and there.bond.acts(other)]
    return found


def _may_end(there: Standing, before: Delegation, asker: Asker, now: datetime) -> None:
    if before.shown(now) == "PENDING":
        return
    side = _side(before, asker)
    if side not in there.bond.ends:
        raise refused("REPRESENTATION_ENDED_BY_JUDGMENT")
    if side == "administrator" and there.bond.reasoned and not asker.reason:
        raise refused("REASON_NEEDED")
    minor = there.bond.kind == "representation" and not people.of_age(there.patient, now)
    if side == "delegate" and minor and there.bond.count(there.of_patient) <= 1:
        raise refused("LAST_REPRESENTATIVE")


def _side(before: Delegation, asker: Asker) -> Side:
    if asker.is_operator:
        return "administrator"
    if asker.person == before.delegate:
        return "delegate"
    return "holder" if before.kind == "caregiving" else "representative"


def ended(before: Delegation, asker: Asker, now: datetime) -> Delegation:
    """What becomes of it when it ends: who was invited and lets go refuses."""
    if before.status == "proposed":
        return replace(before, status="rejected" if asker.person == before.delegate else "inactive", by=asker.by)
    reason = asker.reason if BONDS[before.kind].reasoned else ""
    return replace(before, status="inactive", by=asker.by, end=min(now, before.end or now), reason=reason)


async def _registered(own: Repository, id: str, asker: Asker, now: datetime) -> list[Put]:
    """Of somebody whom others registered as a caregiver; of representatives the operator decides.

    Raises:
        NotFound, Invalid: as `end`.
    """
    version = await own.current("RelatedPerson", id)
    acting = tree_of(version)
    mine = str(acting.get("patient", {}).get("reference", "")) == f"Patient/{asker.person}"
    if not acting or not (cares(acting) or (asker.is_operator and mine)):
        raise absent()
    if not mine and not people.shares(acting, await people.person(own, f"Patient/{asker.person}")):
        raise absent()
    if acting.get("active") is False:
        raise refused("DELEGATION_ENDED")
    if not cares(acting) and not asker.reason:
        raise refused("REASON_NEEDED")
    return [await related(own, over(acting, now), version)]


def over(tree: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A RelatedPerson who acts no more."""
    kept = {name: value for name, value in tree.items() if name != "meta"}
    profile = {"meta": {"profile": tree["meta"]["profile"]}} if tree.get("meta", {}).get("profile") else {}
    period = {**tree.get("period", {}), "end": now.isoformat(timespec="seconds")}
    return {**kept, **profile, "active": False, "period": period}
