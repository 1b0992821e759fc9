"""What a page shows of an Appointment: https://hl7.org/fhir/R4/appointment.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.grant import Scope
from fhir_server.site.signed_in import Guest
from fhir_server.space.agenda.model import AUTHOR, PATIENT, local, tags, times
from fhir_server.space.agenda.notebook import company, is_reminder
from fhir_server.space.agenda.reminders.keeping import COMING
from fhir_server.space.messages.pages.correspondents import called
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.people import asking, patients
from fhir_server.space.service import Surroundings

Tree = dict[str, Any]
Known = Mapping[str, Mapping[str, Any]]
#: What is brought along with appointments: whom they are with, and of roles who that is.
WITH = (
    ("_include", "Appointment:actor"),
    ("_include:iterate", "PractitionerRole:practitioner"),
    ("_include:iterate", "PractitionerRole:organization"),
)
#: Type → the letters of `cruds` that the patient's agenda needs beside what the record's pages have.
_MORE = {"Appointment": "cruds", "HealthcareService": "rs", "Location": "rs", "Patient": "rsu"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One of the agenda.

    Attributes:
        id: of the Appointment; version: that is shown.
        title: what it is; "" where it does not say.
        start, end: in the zone in which people read.
        status: of R4.
        own: whether the patient's side noted it, and so changes it.
        reminds: whether it is a reminder of theirs.
        others: names of whom and where it is with.
        telephones: (name, number) to ask at.
        notes: comment; instructions: for the patient.
    """

    id: str
    version: str
    title: str
    start: datetime
    end: datetime
    status: str
    own: bool
    reminds: bool
    others: tuple[str, ...]
    telephones: tuple[tuple[str, str], ...]
    notes: str
    instructions: str

    @property
    def is_off(self) -> bool:
        """Whether it does not take place."""
        return self.status == "cancelled"

    @property
    def is_to_come(self) -> bool:
        """Whether one may be reminded of it."""
        return self.status in COMING and self.start > datetime.now(UTC)

    def days(self) -> Iterator[date]:
        """The days on which it is."""
        day, last = self.start.date(), max(self.start, self.end - timedelta(microseconds=1)).date()
        while day <= last:
            yield day
            day += timedelta(days=1)


def of_patient(guest: Guest[Surroundings]) -> Asking | None:
    """What the page of the patient named in its address asks; None where the account does not act for them."""
    patient = guest.path("patient")
    if patient not in guest.account.patients:
        return None
    given = patients(guest.account, patient)
    more = tuple(Scope("patient", type, frozenset(verbs)) for type, verbs in _MORE.items())
    return asking(guest, replace(given, scopes=(*given.scopes, *more)))


def entry(tree: Tree, known: Known, zone: ZoneInfo) -> Entry | None:
    """What a page shows of it; None where it says no time, or was entered in error.

    Args:
        tree: an Appointment.
        known: what the reader is shown of people and places, by reference.
        zone: in which people read.
    """
    when = times(tree)
    if when.start is None or when.end is None or tree.get("status") == "entered-in-error":
        return None
    parties = [*_parties(tree, known)]
    return Entry(
        tree["id"],
        tree["meta"]["versionId"],
        str(tree.get("description") or _service(tree)),
        _at(when.start, zone),
        _at(when.end, zone),
        str(tree["status"]),
        PATIENT in tags(tree, AUTHOR),
        is_reminder(tree),
        tuple(dict.fromkeys(name for name, _ in parties if name)),
        tuple(dict.fromkeys((name, phone) for name, phone in parties if phone)),
        str(tree.get("comment", "")),
        str(tree.get("patientInstruction", "")),
    )


def _at(microseconds: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)).astimezone(zone)


def _service(tree: Tree) -> str:
    """What an appointment is for, where it has no title: words of its maker, for people."""
    concepts = [*tree.get("serviceType", ()), *tree.get("specialty", ())]
    return next((one["text"] for one in concepts if one.get("text")), "")


def _parties(tree: Tree, known: Known) -> Iterator[tuple[str, str]]:
    """(name, telephone) of all but the patient; "" where these are not known."""
    for one in tree.get("participant", ()):
        actor = one.get("actor", {})
        reference = local(actor, "")
        if reference.startswith(("Patient/", "RelatedPerson/")):
            continue
        tree_of = known.get(reference, {})
        name = called(reference, known) or str(actor.get("display", ""))
        yield name, _telephone(tree_of)


def _telephone(tree: Mapping[str, Any]) -> str:
    return next((str(one.get("value", "")) for one in tree.get("telecom", ()) if one.get("system") == "phone"), "")


def words_of(tree: Tree, zone: ZoneInfo) -> dict[str, str]:
    """The fields of the form of an entry."""
    shown = entry(tree, {}, zone)
    assert shown is not None
    until = shown.end.date() != shown.start.date()
    return {
        "title": shown.title,
        "day": shown.start.date().isoformat(),
        "start": f"{shown.start:%H:%M}",
        "until": shown.end.date().isoformat() if until else "",
        "end": f"{shown.end:%H:%M}",
        "with": company(tree),
        "notes": shown.notes,
        "kind": "reminder" if shown.reminds else "appointment",
    }
