"""How long before an appointment somebody is reminded of it: what a form offers, and what it says."""

from __future__ import annotations

from typing import Any

from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.reminders.keeping import FARTHEST_MINUTES, MOST
from fhir_server.space.agenda.reminders.operations import UCUM
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.service import Surroundings

#: Minutes before → the same in French and in English. What software chose beside these is offered too while it is.
OFFERED: dict[int, tuple[str, str]] = {
    0: ("à l’heure dite", "at its time"),
    15: ("15 minutes avant", "15 minutes before"),
    30: ("30 minutes avant", "30 minutes before"),
    60: ("1 heure avant", "1 hour before"),
    120: ("2 heures avant", "2 hours before"),
    1440: ("1 jour avant", "1 day before"),
    2880: ("2 jours avant", "2 days before"),
    10080: ("1 semaine avant", "1 week before"),
    20160: ("2 semaines avant", "2 weeks before"),
    43200: ("30 jours avant", "30 days before"),
}
#: Larger units first: minutes of one → its name, in French and in English, of one and of several.
_UNITS = ((1440, "jour", "day"), (60, "heure", "hour"), (1, "minute", "minute"))


def ticked(guest: Guest[Surroundings]) -> tuple[int, ...]:
    """The minutes that a form says, each once; what is no number of minutes up to a year is left out."""
    said = {one for one in guest.given.get("remind", ()) if one.isascii() and one.isdigit() and len(one) < 7}
    return tuple(sorted(one for one in map(int, said) if one <= FARTHEST_MINUTES))


def wrong(minutes: tuple[int, ...]) -> str:
    """What is wrong with them, as a key of the page's words; "" for nothing."""
    return "many" if len(minutes) > MOST else ""


def offered(minutes: tuple[int, ...]) -> dict[str, Any]:
    """What the form shows, of which `minutes` are ticked."""
    rows = {**OFFERED, **{one: words(one) for one in minutes if one not in OFFERED}}
    return {
        "reminders_offered": [(one, *rows[one]) for one in sorted(rows)],
        "reminders_chosen": list(minutes),
    }


def words(minutes: int) -> tuple[str, str]:
    """How long before, in the largest unit in which it is whole."""
    size, french, english = next(unit for unit in _UNITS if minutes % unit[0] == 0)
    count = minutes // size
    several = "s" if count > 1 else ""
    return f"{count} {french}{several} avant", f"{count} {english}{several} before"


async def chosen(asking: Asking, appointment: str) -> tuple[int, ...]:
    """How many minutes before the appointment (id) the patient is reminded."""
    answer = await asking.operate(("Appointment", appointment, "$reminders"))
    return tuple(int(one["valueDuration"]["value"]) for one in answer.get("parameter", ()))


async def keep(asking: Asking, appointment: str, minutes: tuple[int, ...]) -> None:
    """Choose them.

    Raises:
        FhirError: they are refused.
    """
    rows = [{"name": "before", "valueDuration": {"value": one, "system": UCUM, "code": "min"}} for one in minutes]
    await asking.operate(("Appointment", appointment, "$remind"), parameters(rows))
