"""What there is between two people before something changes, and the guards that hold a change to just that.

The bounds speak of several resources, so that no version of one can be pinned for them: the change is of one commit
with the condition that those that were counted are still all there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import parse
from fhir_server.space.acting import cares
from fhir_server.space.delegations import people
from fhir_server.space.delegations.delegation import DELEGATION, LIVE, Delegation, delegation_id, from_consent
from fhir_server.store.filters import Filter, Not, Refers, Token, both
from fhir_server.store.protocol import Guard, Version

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Two people.

    Attributes:
        patient, caregiver: their Patients.
        consent, related: versions of the Consent and of the RelatedPerson of the two; None where there never were.
        asked: invitations of the patient that somebody may still answer.
        of_patient, of_caregiver: who acts for the patient now; as whom the caregiver acts now: RelatedPersons.
        guards: that nothing of this has changed.
    """

    patient: Tree
    caregiver: Tree
    consent: Version | None
    related: Version | None
    asked: Sequence[Delegation]
    of_patient: Sequence[Tree]
    of_caregiver: Sequence[Tree]
    guards: Sequence[Guard]

    @property
    def delegation(self) -> Delegation | None:
        """What was last decided between the two; None where nothing ever was."""
        return from_consent(tree_of(self.consent))

    @property
    def between(self) -> list[Tree]:
        """As whom the caregiver acts for the patient now."""
        return [one for one in self.of_patient if people.shares(one, self.caregiver)]

    @property
    def caregivers(self) -> int:
        """How many care for the patient."""
        return sum(map(cares, self.of_patient))

    @property
    def cared_for(self) -> int:
        """How many the caregiver cares for."""
        return sum(map(cares, self.of_caregiver))


async def standing(own: Repository, patient: str, caregiver: str, now: datetime) -> Standing:
    """What there is between two Patients (ids); `own` is the server's own sight."""
    id = delegation_id(patient, caregiver)
    # Read before those that are counted: a change between the two is one that the guards or the version meet.
    consent, related = await own.current("Consent", id), await own.current("RelatedPerson", id)
    one, other = await people.person(own, f"Patient/{patient}"), await people.person(own, f"Patient/{caregiver}")
    live = both(DELEGATION, LIVE, Refers("patient", f"Patient/{patient}"))
    mine = both(people.same_person(other), Not(Token("active", "false")))
    asked, guard_asked = await _read(own, "Consent", live)
    of_patient, guard_patient = await _read(own, "RelatedPerson", people.acting_for(patient))
    of_caregiver, guard_caregiver = await _read(own, "RelatedPerson", mine)
    known = [found for tree in asked if (found := from_consent(tree)) is not None]
    return Standing(
        one,
        other,
        consent,
        related,
        [each for each in known if each.shown(now) == "PENDING"],
        [each for each in of_patient if people.acts(each, now)],
        [each for each in of_caregiver if people.acts(each, now)],
        (guard_asked, guard_patient, guard_caregiver),
    )


async def _read(own: Repository, type: str, where: Filter) -> tuple[list[Tree], Guard]:
    page = await own.find({type: where}, count=people.MOST)
    ids = frozenset(version.id for version in page.versions)
    return [parse(version.body) for version in page.versions], own.guard(type, where, ids)
