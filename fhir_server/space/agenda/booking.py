"""Booking: an Appointment and the Slots that it fills are one commit.

What an appointment fills is busy from the commit on that made it so, and free again with the commit in which it lets go
of it: nothing is booked twice, and nothing stays taken by what is cancelled.
https://hl7.org/fhir/R4/appointment.html#proposed, https://hl7.org/fhir/R4/slot.html (Slot.status), guide GAP flow 6.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict, FhirError, Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.lots import Lot
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.agenda.claims import become
from fhir_server.space.agenda.model import FILLED, FILLS, FREE, Times, filled, local, slots, times
from fhir_server.space.agenda.rows import LASTS, ON_DAY, days
from fhir_server.store.filters import Filter, Id, Not, Range, Refers, Token, both, either
from fhir_server.store.protocol import Guard, Version

#: Slots that one appointment may name: each is read and written in its commit.
MOST_SLOTS = 50
_TAKEN = "The Slot is not free."
_NOT_HERE = "The reference is to a resource that is not here."
_HELD = "An appointment fills this Slot: it is free again when that is cancelled or moved."


async def together(context: Context, lot: Lot) -> list[tuple[int, FhirError]]:
    """What does not go together in a transaction: slots and the appointments which fill them.

    A slot says otherwise than its appointment, or two appointments fill the same: by the index neither would be found.
    """
    refused: list[tuple[int, FhirError]] = []
    fills: dict[str, str] = {}
    said: dict[str, tuple[int, str]] = {}
    for part in lot.parts:
        change = part.change
        if change is None or change.tree is None:
            continue
        if change.type == "Appointment":
            named = filled(change.tree, context.base)
            if not named.isdisjoint(fills):
                refused.append((part.number, Conflict(_TAKEN, "Appointment.slot", key="agenda-taken")))
            fills |= dict.fromkeys(named, FILLS.get(str(change.tree.get("status")), ""))
        elif change.type == "Slot":
            said[change.id] = (part.number, str(change.tree.get("status")))
    words = "An appointment of the same transaction fills this Slot, which says otherwise."
    refusal = Invalid(words, "Slot.status", code="business-rule", key="agenda-slot")
    return [*refused, *((said[id][0], refusal) for id in fills if id in said and said[id][1] not in FILLED)]


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """The slots that appointments take and let go of, each changed in the same commit.

    Raises:
        Conflict: a slot is not free, or another booked slot of its schedule is at the same time (409).
        Invalid: a slot is not here, too many are named, or it is of other people's schedule (422).
    """
    if context.administers:
        # A restored export says of each slot what it was.
        return Extra()
    made: list[Change] = []
    guards: list[Guard] = []
    for change in changes:
        extra = await _of(context, change, among)
        made += extra.changes
        guards += extra.guards
    return Extra(made, guards)


async def _of(context: Context, change: Change, among: Among) -> Extra:
    if change.tree is not None and len(slots(change.tree, context.base)) > MOST_SLOTS:
        raise _refused(f"An appointment fills {MOST_SLOTS} slots at most.", "slot", "too-costly")
    now, was = filled(change.tree, context.base), filled(_stored(change.before), context.base)
    await context.repository.as_server().ahead([("Slot", id) for id in sorted(now | was)])
    taken = await _taken(context, change, among, now, was)
    freed = [one for id in sorted(was - now) if (one := await _freed(context, id, among)) is not None]
    return Extra([*taken.changes, *freed], taken.guards)


async def _taken(context: Context, change: Change, among: Among, now: frozenset[str], was: frozenset[str]) -> Extra:
    """The slots of `now` as an appointment fills them, which filled those of `was` before."""
    made: list[Change] = []
    guards: list[Guard] = []
    for id in sorted(now):
        if f"Slot/{id}" in among.present:
            # The same transaction writes the slot itself: `together` has looked at what it says.
            guards += await _untaken(context, id, change.id)
            continue
        version = await _slot(context, id)
        tree, kept = parse(version.body), FILLS[str((change.tree or {})["status"])]
        if context.restores and tree.get("status") == kept:
            # It was written as filled by this one, or by another: that the appointments tell.
            guards += await _untaken(context, id, change.id)
            continue
        if id not in was or tree.get("status") not in FILLED:
            # That version is free, and the next one is ours: nobody else fills it.
            _require_free(tree)
            guards += await _alone(context, id, tree, now | was)
        if tree.get("status") != kept:
            made.append(Change("Slot", id, become(tree, kept), version, "PUT", as_server=True))
    return Extra(made, guards)


async def _freed(context: Context, id: str, among: Among) -> Change | None:
    """A slot that its appointment lets go of; None where the commit writes or deletes it anyway."""
    found = await context.repository.as_server().current("Slot", id)
    if found is None or found.deleted or f"Slot/{id}" in among.present | among.ended:
        return None
    tree = parse(found.body)
    if tree.get("status") not in FILLED:
        return None
    return Change("Slot", id, become(tree, FREE), found, "PUT", as_server=True)


async def _slot(context: Context, id: str) -> Version:
    """A slot that is to be filled; hidden from the caller is as absent."""
    seen = await context.repository.as_server().current("Slot", id)
    if seen is None or seen.deleted or not await context.repository.there([("Slot", id)]):
        raise Invalid(_NOT_HERE, "Appointment.slot", code="not-found")
    return seen


def _require_free(tree: dict[str, Any]) -> None:
    if tree.get("status") != FREE:
        raise Conflict(_TAKEN, "Appointment.slot", key="agenda-taken")


async def _untaken(context: Context, id: str, appointment: str) -> list[Guard]:
    """That no other appointment fills it: by the index, so that two that are written at once do not either."""
    where = both(Refers("slot", f"Slot/{id}"), holding(), Not(Id((appointment,))))
    if await context.repository.as_server().count({"Appointment": where}, 1):
        raise Conflict(_TAKEN, "Appointment.slot", key="agenda-taken")
    return [Guard("Appointment", where, frozenset())]


async def _alone(context: Context, id: str, tree: dict[str, Any], same: Collection[str]) -> list[Guard]:
    """That no other slot of its schedule is filled at the same time: its actors are in one place."""
    when, schedule = times(tree), local(tree.get("schedule"), context.base)
    where = overlapping(schedule, when)
    if where is None or tree.get("overbooked") is True:
        return []
    guard = Guard("Slot", both(where, Not(Id(tuple(sorted({*same, id}))))), frozenset())
    # Nearly always there is none: one is looked for when the commit found that there is.
    if guard in context.repository.failed and await context.repository.as_server().count({"Slot": guard.where}, 1):
        words = "Another Slot of the same Schedule is booked at that time."
        raise Conflict(words, "Appointment.slot", key="agenda-overlap")
    return [guard]


def overlapping(schedule: str, when: Times) -> Filter | None:
    """Filled slots of a schedule ("Schedule/1") at some time; None where that is no time."""
    on = days(schedule, when)
    if when.start is None or when.end is None or not on:
        return None
    # By the day first: few slots of one schedule are filled on it, however many there are.
    return both(either([Token(ON_DAY, one) for one in on]), Range(LASTS, low_to=when.end - 1, high_from=when.start))


def holding() -> Filter:
    """Appointments whose status fills their slots."""
    return either([Token("status", one) for one in sorted(FILLS)])


async def keep_filled(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """That no slot which an appointment fills is written free, at another time, or away.

    Raises:
        Conflict: an appointment fills it (409).
    """
    guards: list[Guard] = []
    for change in changes:
        if change.as_server or context.administers or change.before is None or change.before.deleted:
            continue
        if not _lets_go(_stored(change.before) or {}, change.tree):
            continue
        gone = {one.removeprefix("Appointment/") for one in among.ended | among.present if one.startswith("Appoint")}
        where = both(Refers("slot", f"Slot/{change.id}"), holding(), Not(Id(tuple(sorted(gone)))))
        if await context.repository.as_server().count({"Appointment": where}, 1):
            raise Conflict(_HELD, "Slot.status", key="agenda-held")
        guards.append(Guard("Appointment", where, frozenset()))
    return Extra(guards=guards)


#: What of a slot an appointment relies on.
_RELIED_ON = ("schedule", "start", "end")


def _lets_go(before: dict[str, Any], after: dict[str, Any] | None) -> bool:
    if before.get("status") not in FILLED:
        return False
    return (
        after is None
        or after.get("status") not in FILLED
        or any(before.get(name) != after.get(name) for name in _RELIED_ON)
    )


def _stored(version: Version | None) -> dict[str, Any] | None:
    return None if version is None or version.deleted else parse(version.body)


def _refused(words: str, element: str, code: str = "business-rule") -> Invalid:
    return Invalid(words, f"Appointment.{element}", code=code, key="agenda-booking")
