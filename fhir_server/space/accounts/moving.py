"""The one way in which a space moves from a state to another: who may, judged at the version that is then replaced.

The Basic that says where it stands and the Patient that says whether the record is in use are of one commit: `life`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Invalid, Issue, NotFound
from fhir_server.operations.invocation import element
from fhir_server.space.accounts.life import Life, born, from_basic, life_id, patient_of, to_basic
from fhir_server.space.accounts.states import ASKED, MOVES, SIX_WEEKS, Event, Move, Role, State, allowed
from fhir_server.store.filters import Id
from fhir_server.store.protocol import Put, Stale, Version

_ATTEMPTS = 20
#: Characters of a reason.
LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """What shall happen to a space.

    Attributes:
        event: of the table.
        role: of who asks.
        at: when it happens; aware.
        performer: "Patient/1" or "RelatedPerson/1"; "" for the operator and for time.
        reason: of the operator; "" without.
        died: when somebody died, as a FHIR date or dateTime; "" where nobody did.
    """

    event: Event
    role: Role
    at: datetime
    performer: str = ""
    reason: str = ""
    died: str = ""


@dataclass(frozen=True)
class Found:
    """A space as it is stored: its Patient, and its life where one is written."""

    patient: Version
    basic: Version | None

    @cached_property
    def tree(self) -> dict[str, Any]:
        """The Patient as it is stored, parsed."""
        return parse(self.patient.body)

    @cached_property
    def life(self) -> Life | None:
        """Where it stands; None where nothing is written of it."""
        return None if self.basic is None or self.basic.deleted else from_basic(parse(self.basic.body))

    @property
    def state(self) -> State | None:
        """The state; of a space that nothing is written of, as its Patient says."""
        life = self.life
        return born(self.tree) if life is None else life.state

    def may(self, role: Role) -> tuple[Event, ...]:
        """What somebody in that role may ask to have happen to it now."""
        asked = self.life is not None and self.life.deletion
        known = (*(allowed(None, role) if self.untold else ()), *allowed(self.state, role))
        return tuple(one for one in known if one in ASKED and (asked or one != "cancel-deletion"))

    @property
    def untold(self) -> bool:
        """Whether perhaps nobody was told of it: nothing is written of it, and its Patient lives and is not in use."""
        return self.life is None and self.state == "closed"


async def found(own: Repository, patients: Sequence[str]) -> list[Found | None]:
    """The spaces of patients (ids), same order; None where there is no such Patient.

    `own` is the server's own sight.
    """
    lives = {life_id(one): one for one in patients}
    scope = {"Patient": Id(tuple(sorted(set(patients)))), "Basic": Id(tuple(sorted(lives)))}
    page = await own.find(scope, count=2 * len(lives))
    versions = {(one.type, one.id): one for one in page.versions}
    spaces: list[Found | None] = []
    for one in patients:
        patient, key = versions.get(("Patient", one)), ("Basic", life_id(one))
        # One that was deleted is not found, and has a version that the next follows.
        basic = versions.get(key) or (None if patient is None else await own.current(*key))
        spaces.append(None if patient is None else Found(patient, basic))
    return spaces


async def move(repository: Repository, patient: str, asked: Asked) -> Life:
    """Have it happen; where the space stands then.

    Args:
        repository: of the caller, as whom it is traced.
        patient: id.
        asked: what shall happen.

    Raises:
        NotFound: there is no such Patient (404).
        Invalid: it cannot happen in this state, or not by them, or a reason is missing (422).
        Conflict: others kept changing the same space (409).
    """
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        (space,) = await found(own, [patient])
        if space is None:
            raise NotFound("There is no such Patient.")
        after = moved(space, asked)
        try:
            await repository.transact(await writes(own, space, after, asked))
        except Stale:
            continue
        return after
    raise Conflict("Others keep changing the same space; try again.", headers={"Retry-After": "1"})


def moved(space: Found, asked: Asked) -> Life:
    """Where a space stands after something happened to it.

    Raises:
        Invalid: it cannot happen in this state, or not by them; its time has not come; a reason is missing (422).
    """
    life, state = space.life, space.state
    # Software that made the Patient opened the record: somebody whom nobody told yet is told before.
    before = None if asked.event == "inform" and space.untold else state
    row = MOVES.get((asked.event, before))
    if row is None or asked.role not in row.by:
        may = ", ".join(space.may(asked.role)) or "nothing"
        raise _refused(f"This cannot happen to a space that is {before or 'not told of'}; what can: {may}.")
    if row.reasoned and not asked.reason:
        raise _refused("A reason is needed.", "reason")
    if asked.event == "cancel-deletion" and not (life is not None and life.deletion):
        raise _refused("Nobody asked that this space be deleted.")
    if asked.event == "due" and (life is None or life.next is None or asked.at < life.next):
        raise _refused("Its time has not come.")
    return _after(space, row, asked)


async def writes(own: Repository, space: Found, after: Life, asked: Asked) -> list[Put]:
    """The new versions that say where a space stands: of its Basic, and of its Patient where that changes."""
    basic = to_basic(after)
    made = [await own.put("Basic", after.id, basic, serialize(basic), space.basic)]
    before = space.tree
    patient = _with_death(patient_of(before, after), asked)
    if patient != before:
        made.append(await own.put("Patient", space.patient.id, patient, serialize(patient), space.patient))
    return made


def _after(space: Found, row: Move, asked: Asked) -> Life:
    life, state = space.life, space.state
    former = life.former if life is not None else None
    after: State = former or "open" if row.after == "former" else row.after
    stays = after == state and life is not None
    since = life.since if stays and life is not None else asked.at
    next = None
    if row.next is not None:
        # What was closed is kept from then on, whatever was asked between.
        next = row.next.after(since if asked.event == "cancel-deletion" else asked.at)
    elif after == "informed":
        # Who was told of it, and had no time left to object while it was merged, has it anew.
        next = SIX_WEEKS.after(asked.at)
    return Life(
        patient=space.patient.id,
        state=after,
        since=since,
        event=asked.event,
        at=asked.at,
        role=asked.role,
        performer=asked.performer,
        reason=asked.reason[:LONGEST_REASON],
        next=next,
        former=_former(row, state, former),
        deletion=asked.event == "ask-deletion",
    )


def _former(row: Move, state: State | None, former: State | None) -> State | None:
    """The state to go back to: where it was before; of one state that follows another such, the first's."""
    if row.after == "former" or row.after in ("informed", "opposed", "open", "activated", "erased"):
        return None
    if row.after in ("deceased", "merged"):
        return state
    return state if state in ("open", "activated") else former


def _with_death(patient: dict[str, Any], asked: Asked) -> dict[str, Any]:
    if asked.event not in ("die", "correct-death"):
        return patient
    after = {name: value for name, value in patient.items() if not name.lstrip("_").startswith("deceased")}
    if asked.event == "die":
        after.update({"deceasedDateTime": asked.died} if asked.died else {"deceasedBoolean": True})
    return after


def _refused(words: str, part: str = "event") -> Invalid:
    return Invalid(issues=[Issue("error", "business-rule", words, element(part))])
