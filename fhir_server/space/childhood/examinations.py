"""Where each of a child's examinations stands: done by a certificate or a word of the parents, planned, due or to come.

The calendar is the dated one of prevention. What an appointment was for is not always said: one within the time of an
examination is shown as what it is, an appointment that is planned or was kept, and not as the examination.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import begins
from fhir_server.space.agenda.prevention.calendar import Due, of
from fhir_server.space.childhood.certificates import Certificate

State = Literal["done", "not-done", "kept", "planned", "due", "coming", "unsaid"]
_COMING = frozenset({"booked", "pending", "proposed", "arrived", "checked-in", "waitlist"})
_KEPT = frozenset({"fulfilled", "arrived", "checked-in"})


@dataclass(frozen=True, slots=True)
class Examination:
    """One examination.

    Attributes:
        due: it, and from when until when.
        state: where it stands.
        day: when it was done, or of the appointment; None where that is not said.
        certificate: the document that says so; None without one.
    """

    due: Due
    state: State
    day: date | None
    certificate: Certificate | None

    @property
    def title(self) -> tuple[str, str]:
        """What it is called, in French and in English, without what all of them are called."""
        french, english = self.due.item.title
        return french.partition(" : ")[2] or french, english.partition(": ")[2] or english


def examinations(
    patient: Mapping[str, Any],
    today: date,
    certified: Sequence[Certificate],
    said: Mapping[str, tuple[str, date | None]],
    booked: Sequence[tuple[date, str]],
) -> list[Examination]:
    """All of them, the earliest first.

    Args:
        patient: the child.
        today: on which it is looked at.
        certified: what documents certify.
        said: key of what is due → its status, and when it was done, as the patient's side said.
        booked: the days of appointments, and the status of each.
    """
    dues = sorted((one for one in of(patient, today) if one.item.kind == "examination"), key=lambda one: one.start)
    numbered = {one.number: one for one in certified}
    return [_placed(one, today, numbered.get(one.item.certificate or -1), said, booked) for one in dues]


def _placed(
    due: Due,
    today: date,
    certificate: Certificate | None,
    said: Mapping[str, tuple[str, date | None]],
    booked: Sequence[tuple[date, str]],
) -> Examination:
    if certificate is not None:
        return Examination(due, "done", _day(certificate.day), certificate)
    status, day = said.get(due.key, ("", None))
    if status in ("DONE", "NOT_DONE"):
        return Examination(due, "done" if status == "DONE" else "not-done", day, None)
    within = [(at, status) for at, status in booked if due.start <= at < due.end]
    coming = next((at for at, status in within if at >= today and status in _COMING), None)
    kept = next((at for at, status in within if at <= today and status in _KEPT), None)
    if coming is not None or kept is not None:
        return Examination(due, "kept" if kept is not None else "planned", kept or coming, None)
    state: State = "coming" if today < due.start else "due" if today < due.end else "unsaid"
    return Examination(due, state, None, None)


def appointments(trees: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> list[tuple[date, str]]:
    """The days of Appointments, and the status of each; of what says no day nothing."""
    rows = ((begins(tree.get("start"), zone), str(tree.get("status"))) for tree in trees)
    return [(at.date(), status) for at, status in rows if at is not None]


def _day(said: str) -> date | None:
    at = begins(said, ZoneInfo("Europe/Paris"))
    return None if at is None or len(said) < len("2026-01-01") else at.date()
