"""Who may choose what of a patient's record, and the one way in which it is chosen.

CSP R1111-47 to R1111-49 and the national product's rules: the holder, or a minor's legal representative, decides on the
sharing; a caregiver does not; a professional may say that the patient agreed to them reading the record, for a time,
and the patient is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Literal

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.access.write_rules import administers
from fhir_server.fhir.dates import ends
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Forbidden, Invalid, Issue, NotFound
from fhir_server.space.acting import cares, ended, is_of_age, minute, of_age_from, only_cares
from fhir_server.space.paris import PARIS
from fhir_server.space.record.choices import (
    AGREED,
    CHOICE,
    OF_PROFESSIONALS,
    OPENING,
    Choice,
    Kind,
    choice_id,
    from_consent,
    to_consent,
)
from fhir_server.store.filters import Id, Refers, both
from fhir_server.store.protocol import Stale

#: Choices that one call may make.
MOST = 50
#: A patient with more of them than this has them read in parts.
_PAGE = 500
_ATTEMPTS = 20

#: As whom somebody decides.
Decider = Literal["holder", "professional", "administrator"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A choice that is asked for.

    Attributes:
        kind: what it is about.
        professional: "Practitioner/1"; "" where it is about none.
        chosen: whether it shall be so.
        until: when it shall end by itself; aware; None for no end, or the longest a professional may say.
        element: where it stands in what was sent, for refusals.
    """

    kind: Kind
    professional: str = ""
    chosen: bool = True
    until: datetime | None = None
    element: str = ""


async def of(own: Repository, patient: str) -> list[Choice]:
    """What a patient (id) ever chose, taken back or not, the newest first; `own` is the server's own sight."""
    found: list[Choice] = []
    where, after = both(CHOICE, Refers("patient", f"Patient/{patient}")), None
    while True:
        page = await own.find({"Consent": where}, after=after, count=_PAGE)
        read = (from_consent(parse(version.body)) for version in page.versions)
        found += [one for one in read if one is not None]
        after = page.next
        if after is None:
            return sorted(found, key=lambda one: one.when, reverse=True)


async def decider(own: Repository, grant: Grant, patient: str) -> Decider:
    """As whom a caller decides on the record of a patient (id).

    Raises:
        NotFound: there is no such patient, or not for this caller (404).
        Forbidden: the caller sees the patient and does not decide for them: a caregiver, staff (403).
    """
    version = await own.current("Patient", patient)
    if version is None or version.deleted or grant.patient not in (None, patient):
        raise NotFound("There is no such Patient.")
    subject = grant.subject or ""
    if not subject and (grant.own or administers(grant)):
        return "administrator"
    if subject.startswith(("Practitioner/", "PractitionerRole/")):
        return "professional"
    if subject == f"Patient/{patient}":
        return "holder"
    if patient not in grant.wards or await ended(own, subject, (patient,), minute()):
        raise NotFound("There is no such Patient.")
    if is_minor(str(parse(version.body).get("birthDate", ""))) and not await _is_caregiver(own, subject, patient):
        return "holder"
    raise Forbidden("Only the holder, or the legal representative of a minor, decides on who sees the record.")


async def choose(repository: Repository, patient: str, wanted: Sequence[Wanted], most: timedelta) -> list[Choice]:
    """Make choices of a patient's (id) record, all of them or none; as they are then kept, same order.

    Args:
        repository: the caller's, whose grant says who decides.
        patient: id.
        wanted: what is asked for.
        most: for how long a professional may say at most that the patient agreed.

    Raises:
        NotFound, Forbidden: as `decider`; a professional chooses for another, or anything but an agreement.
        Invalid: what is asked for cannot be, naming the element (422).
        Conflict: others kept changing the same choices (409).
    """
    own, grant = repository.as_server(), repository.grant
    who = await decider(own, grant, patient)
    judged = [await _judged(own, grant, who, one, most) for one in wanted]
    if who == "holder" and grant.subject != f"Patient/{patient}":
        majority = of_age_from(tree_of(await own.current("Patient", patient)))
        judged = [_of_a_minor(one, majority) for one in judged]
    for _ in range(_ATTEMPTS):
        now = datetime.now(UTC).replace(microsecond=0)
        known = {one.id: one for one in await of(own, patient)}
        chosen = [_made(patient, one, performer(grant, patient), now) for one in judged]
        issues = [_contradicted(one, chosen, known, asked, now) for one, asked in zip(chosen, judged, strict=True)]
        if found := [issue for issue in issues if issue is not None]:
            raise Invalid(issues=found)
        new = {one.id: one for one in (*_ended(chosen, known, now), *chosen) if not _is_same(one, known.get(one.id))}
        try:
            if new:
                await repository.transact([await _put(own, one) for one in new.values()])
        except Stale:
            continue
        return [new.get(one.id, known.get(one.id, one)) for one in chosen]
    raise Conflict("Others keep changing the same choices; try again.", headers={"Retry-After": "1"})


async def lapse(own: Repository, patient: str, now: datetime) -> int:
    """Have end what others than a patient (id) and professionals opened of their record; how many there were."""
    opened = [one for one in await of(own, patient) if one.kind in OPENING and one.holds(now)]
    theirs = [one for one in opened if one.performer.startswith(("Patient/", "RelatedPerson/"))]
    lapsed = [replace(one, chosen=False, until=None) for one in theirs if one.performer != f"Patient/{patient}"]
    if lapsed:
        await own.transact([await _put(own, one) for one in lapsed])
    return len(lapsed)


def performer(grant: Grant, patient: str) -> str:
    """Who decides, as a Consent names them: the holder, where software alone speaks for them."""
    return grant.subject or f"Patient/{patient}"


async def _judged(own: Repository, grant: Grant, who: Decider, one: Wanted, most: timedelta) -> Wanted:
    """What is asked for, its end filled in."""
    now = datetime.now(UTC)
    if one.until is not None and (one.until <= now or not one.chosen):
        raise _invalid("An end lies ahead, and is of what is chosen.", one, "until")
    if (one.kind in OF_PROFESSIONALS) != bool(one.professional):
        said = "names a professional" if one.kind in OF_PROFESSIONALS else "is about no professional"
        raise _invalid(f"A choice of this kind {said}.", one, "practitioner")
    if one.professional and one.chosen and not await is_there(own, one.professional, "Practitioner"):
        raise _invalid("There is no such Practitioner.", one, "practitioner")
    if who != "professional":
        return one
    if one.kind not in AGREED or one.professional != await practitioner_of(own, grant.subject or ""):
        raise Forbidden(
            "A professional may say that the patient agreed to them, and nothing else of a patient's choices."
        )
    if not one.chosen:
        return one
    latest = now + most
    if one.until is not None and one.until > latest:
        raise _invalid(f"An agreement that a professional declares ends within {most.days} days.", one, "until")
    return Wanted(one.kind, one.professional, True, one.until or latest.replace(microsecond=0), one.element)


def _of_a_minor(one: Wanted, majority: datetime | None) -> Wanted:
    """What a representative opens of a minor's record is open until the minor is of age, who then chooses anew."""
    if majority is None or not one.chosen or one.kind not in OPENING:
        return one
    # The end of a choice is its last moment.
    last = majority.astimezone(UTC) - timedelta(seconds=1)
    return replace(one, until=min(one.until or last, last))


async def practitioner_of(own: Repository, subject: str) -> str:
    """ "Practitioner/1" of a professional who is named by it, or by one of their roles; "" for nobody."""
    if not subject.startswith("PractitionerRole/"):
        return subject if subject.startswith("Practitioner/") else ""
    version = await own.current(*subject.split("/", 1))
    tree = tree_of(version)
    return str(tree.get("practitioner", {}).get("reference", ""))


def _made(patient: str, one: Wanted, by: str, now: datetime) -> Choice:
    return Choice(patient, one.kind, one.professional, one.chosen, now, by, one.until)


def _contradicted(
    one: Choice, chosen: Sequence[Choice], known: dict[str, Choice], asked: Wanted, now: datetime
) -> Issue | None:
    """Why an authorisation cannot be: its professional is blocked, and that is not taken back with it."""
    if one.kind not in AGREED or not one.chosen:
        return None
    id = choice_id(one.patient, "blocked", one.professional)
    block = next((other for other in chosen if other.id == id), known.get(id))
    if block is None or not block.holds(now):
        return None
    words = "The patient has blocked this professional, who can be authorised once that is taken back."
    return Issue("error", "business-rule", words, asked.element or None)


def _ended(chosen: Sequence[Choice], known: dict[str, Choice], now: datetime) -> list[Choice]:
    """What ends with what is chosen: who is blocked is authorised no more, also when the block is taken back."""
    found = []
    for one, kind in product(chosen, AGREED):
        before = known.get(choice_id(one.patient, kind, one.professional))
        if one.kind == "blocked" and one.chosen and before is not None and before.chosen:
            found.append(Choice(one.patient, kind, one.professional, False, now, one.performer))
    return found


def _is_same(one: Choice, before: Choice | None) -> bool:
    if before is None:
        return not one.chosen
    return (one.chosen, one.until, one.performer) == (before.chosen, before.until, before.performer)


async def _put(own: Repository, one: Choice) -> Any:
    tree = to_consent(one)
    before = await own.current("Consent", one.id)
    return await own.put("Consent", one.id, tree, serialize(tree), before)


def is_minor(birth_date: str) -> bool:
    """Whether somebody born on a day, in a month or a year is a minor: represented by others; no, where none is said.

    Of a month or a year alone its last day counts, as where somebody comes of age (`space.acting`).
    """
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    return ends(birth_date, PARIS) is not None and not is_of_age({"birthDate": birth_date}, now)


async def _is_caregiver(own: Repository, subject: str, patient: str) -> bool:
    """Whether somebody acts for a patient (id) by helping them, as registered. Parents are patients too."""
    if not subject.startswith("RelatedPerson/"):
        return await only_cares(own, subject, patient)
    version = await own.current(*subject.split("/", 1))
    tree = tree_of(version)
    return not tree or cares(tree)


async def helps_with_space(own: Repository, grant: Grant, patient: str) -> bool:
    """Whether a professional is one whom the patient (id) lets help with their space, and is not blocked."""
    professional = await practitioner_of(own, grant.subject or "")
    if not professional:
        return False
    now = datetime.now(UTC)
    kinds: tuple[Kind, ...] = ("administrator", "blocked")
    ids = [choice_id(patient, kind, professional) for kind in kinds]
    page = await own.find({"Consent": Id(tuple(ids))}, count=len(ids))
    known = [from_consent(parse(version.body)) for version in page.versions]
    held = {one.kind for one in known if one is not None and one.holds(now)}
    return held == {"administrator"}


async def is_there(own: Repository, reference: str, type: str) -> bool:
    """Whether a literal reference names what is here, of that type."""
    if reference.count("/") != 1 or not reference.startswith(f"{type}/"):
        return False
    version = await own.current(*reference.split("/", 1))
    return version is not None and not version.deleted


def _invalid(words: str, one: Wanted, part: str) -> Invalid:
    where = f"{one.element}.part.where(name='{part}')" if one.element else None
    return Invalid(issues=[Issue("error", "business-rule", words, where)])
