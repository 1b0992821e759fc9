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
from fhir_server.space.delegations import people
from fhir_server.space.delegations.bonds import BONDS, Bond, Kind
from fhir_server.space.delegations.delegation import DELEGATION, LIVE, Delegation, delegation_id, from_consent
from fhir_server.store.filters import Filter, Not, Refers, Token, both
from fhir_server.store.protocol import Guard, Version

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Two people.

    Attributes:
        patient, delegate: their Patients.
        bond: by what the one acts for the other, or shall.
        consent, related: versions of the Consent and of the RelatedPerson of the two; None where there never were.
        asked: invitations of the patient, of that kind, that somebody may still answer.
        of_patient, of_delegate: who acts for the patient now; as whom the delegate acts now: RelatedPersons.
        guards: that nothing of this has changed.
    """

    patient: Tree
    delegate: Tree
    bond: Bond
    consent: Version | None
    related: Version | None
    asked: Sequence[Delegation]
    of_patient: Sequence[Tree]
    of_delegate: Sequence[Tree]
    guards: Sequence[Guard]

    @property
    def delegation(self) -> Delegation | None:
        """What was last decided between the two; None where nothing ever was."""
        return from_consent(tree_of(self.consent))

    @property
    def between(self) -> list[Tree]:
        """As whom the delegate acts for the patient now."""
        return [one for one in self.of_patient if people.shares(one, self.delegate)]

    @property
    def is_full(self) -> bool:
        """Whether as many act for the patient as may."""
        return self.bond.count(self.of_patient) >= self.bond.most[0]

    def is_asked_full_with(self, more: int) -> bool:
        """Whether as many act for the patient, with so many more or who may yet accept it, as may act."""
        return self.bond.count(self.of_patient) + len(self.asked) + more >= self.bond.most[0]

    @property
    def is_busy(self) -> bool:
        """Whether the delegate acts for as many as they may."""
        most = self.bond.most_of_one
        return most is not None and self.bond.count(self.of_delegate) >= most[0]


async def standing(own: Repository, patient: str, delegate: str, kind: Kind, now: datetime) -> Standing:
    """What there is of a kind between two Patients (ids); `own` is the server's own sight."""
    id = delegation_id(patient, delegate, kind)
    # Read before those that are counted: a change between the two is one that the guards or the version meet.
    consent, related = await own.current("Consent", id), await own.current("RelatedPerson", id)
    one, other = await people.person(own, f"Patient/{patient}"), await people.person(own, f"Patient/{delegate}")
    live = both(DELEGATION, LIVE, Refers("patient", f"Patient/{patient}"))
    mine = both(people.same_person(other), Not(Token("active", "false")))
    asked, guard_asked = await _read(own, "Consent", live)
    of_patient, guard_patient = await _read(own, "RelatedPerson", people.acting_for(patient))
    of_delegate, guard_delegate = await _read(own, "RelatedPerson", mine)
    known = [found for tree in asked if (found := from_consent(tree)) is not None]
    return Standing(
        one,
        other,
        BONDS[kind],
        consent,
        related,
        [each for each in known if each.kind == kind and each.shown(now) == "PENDING"],
        [each for each in of_patient if people.acts(each, now) and people.binds(each, one, now)],
        [each for each in of_delegate if people.acts(each, now)],
        (guard_asked, guard_patient, guard_delegate),
    )


async def _read(own: Repository, type: str, where: Filter) -> tuple[list[Tree], Guard]:
    page = await own.find({type: where}, count=people.MOST)
    ids = frozenset(version.id for version in page.versions)
    return [parse(version.body) for version in page.versions], own.guard(type, where, ids)
