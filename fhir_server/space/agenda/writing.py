"""What is refused of appointments, slots and schedules that R4 and the guides' profiles let pass.

Domain file §2.8: the space is no booking tool, so that the patient's side keeps entries of its own and fills no slot;
titles have 100 characters at most and notes 1,000.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, Invalid, Issue
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.agenda.authors import is_patients
from fhir_server.space.agenda.booking import MOST_SLOTS
from fhir_server.space.agenda.model import AUTHOR, FILLS, PATIENT, SOFTWARE, actors, local, slots, tags, times
from fhir_server.space.agenda.rows import MOST_DAYS, days

#: Characters of the texts of a patient's entry: its title, its notes.
LONGEST = {"description": 100, "comment": 1000, "patientInstruction": 1000}
#: Who has a schedule: what an appointment names of these must have the slots that it fills.
_WITH_SCHEDULES = ("Practitioner/", "PractitionerRole/", "HealthcareService/", "Device/")
_REVERSED = "The end is before the start."


async def validate(context: Context, tree: dict[str, Any], profiles: Sequence[str]) -> list[Issue]:
    """What is wrong with an Appointment or a Slot alone: with its times, or a slot that is named twice."""
    type, when = tree["resourceType"], times(tree)
    if type == "Appointment" and (twice := _named_twice(tree, context.base)):
        return twice
    if when.are_reversed or (type == "Slot" and when.start is not None and when.start == when.end):
        words = _REVERSED if type == "Appointment" else "A Slot ends after it starts."
        return [Issue("error", "business-rule", words, f"{type}.end", "agenda-times")]
    if type == "Slot" and len(days("", when)) > MOST_DAYS:
        return [Issue("error", "business-rule", "A Slot lasts a year at most.", "Slot.end", "agenda-times")]
    return []


def _named_twice(tree: Mapping[str, Any], base: str) -> list[Issue]:
    """Slots that are named before, in whichever spelling: an appointment fills each once.

    https://hl7.org/fhir/R4/appointment.html: `slot` is "the slots … that are filled by the appointment".
    """
    named = tree.get("slot")
    said = [local(one, base) or str(one.get("reference")) for one in (named if isinstance(named, list) else ())]
    words = "An appointment names a slot once."
    again = (number for number, one in enumerate(said) if one != "None" and one in said[:number])
    return [Issue("error", "business-rule", words, f"Appointment.slot[{number}]", "agenda-slot") for number in again]


async def judge(context: Context, change: Change) -> None:
    """Refuse an Appointment that is not its writer's to make, or that does not fit the slots that it names.

    Raises:
        Forbidden: the patient's side would change what software made (403).
        Invalid: an entry of the patient's side is more than one, or the slots are of others or at another time (422).
    """
    grant = context.repository.grant
    if change.as_server or context.administers:
        return
    before = None if change.before is None or change.before.deleted else parse(change.before.body)
    if is_patients(grant):
        if before is not None and not _is_own(before, grant.client):
            raise Forbidden("The software that made this Appointment changes it: ask whom it is with.", "Appointment")
        if change.tree is not None and (issues := [*_beyond_notebook(change.tree, context.base)]):
            raise Invalid(issues=issues)
    if change.tree is not None and (before is None or _moved(before, change.tree)):
        await _require_fitting(context, change.tree)


def _is_own(before: Mapping[str, Any], client: str | None) -> bool:
    """Whether the patient's side made it, or the very software that asks."""
    if PATIENT in tags(before, AUTHOR):
        return True
    return client is not None and client in tags(before, SOFTWARE)


def _beyond_notebook(tree: Mapping[str, Any], base: str) -> Iterable[Issue]:
    if slots(tree, base) or tree.get("slot"):
        words = "The space is no booking tool: an entry of the patient's names no slot."
        yield Issue("error", "business-rule", words, "Appointment.slot", "agenda-notebook")
    for name, most in LONGEST.items():
        said = tree.get(name)
        if isinstance(said, str) and len(said) > most:
            words = f"An entry of the patient's has {most} characters here at most."
            yield Issue("error", "too-long", words, f"Appointment.{name}", "agenda-length")


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    return any(before.get(name) != after.get(name) for name in ("slot", "start", "end", "participant", "status"))


async def _require_fitting(context: Context, tree: dict[str, Any]) -> None:
    """That the slots it fills are of whom it is with, and when it is."""
    named = sorted(slots(tree, context.base))
    if not named or len(named) > MOST_SLOTS or tree.get("status") not in FILLS:
        return
    own = context.repository.as_server()
    # Read once, whole: by that it is judged whether the caller sees it, too.
    await own.ahead([("Slot", id) for id in named])
    if len(await context.repository.there([("Slot", id) for id in named])) < len(named):
        # What is hidden is said to be absent where it is booked, and nothing of it is told before.
        return
    found = [parse(one.body) for id in named if (one := await own.current("Slot", id)) is not None and not one.deleted]
    if len(found) < len(named):
        # Said of what is absent and of what is hidden alike, where it is booked.
        return
    said, each = times(tree), [times(one) for one in found]
    first = min((one.start for one in each if one.start is not None), default=None)
    last = max((one.end for one in each if one.end is not None), default=None)
    if said.start is not None and first is not None and said.start < first:
        raise _astray("The appointment starts before the slots that it fills.", "start")
    if said.end is not None and last is not None and said.end > last:
        raise _astray("The appointment ends after the slots that it fills.", "end")
    await _require_theirs(context, tree, found)


async def _require_theirs(context: Context, tree: dict[str, Any], found: Sequence[Mapping[str, Any]]) -> None:
    having = {one for one in actors(tree, context.base) if one.startswith(_WITH_SCHEDULES)}
    if not having:
        return
    own = context.repository.as_server()
    keys = sorted({local(one.get("schedule"), context.base) for one in found} - {""})
    await own.ahead([("Schedule", key.partition("/")[2]) for key in keys])
    for key in keys:
        version = await own.current("Schedule", key.partition("/")[2])
        if version is None or version.deleted:
            continue
        theirs = {local(one, context.base) for one in parse(version.body).get("actor", ())}
        held = {one for one in theirs if one.startswith(_WITH_SCHEDULES)}
        if held and not held & having:
            raise _astray("A Slot is of the Schedule of others than this appointment's participants.", "slot")


def _astray(words: str, element: str) -> Invalid:
    return Invalid(words, f"Appointment.{element}", code="business-rule", key="agenda-slot")
