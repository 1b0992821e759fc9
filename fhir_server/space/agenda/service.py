"""The health agenda: what software books, and what people keep of their own.

https://interop.esante.gouv.fr/ig/fhir/gap, domain file §2.8.
"""

from __future__ import annotations

from fhir_server.interactions.pipeline import Step
from fhir_server.space.agenda import answers, authors, booking, labels, owning, reading_rules, writing
from fhir_server.space.agenda.availability import step
from fhir_server.space.service import Service

_HERE = "fhir_server.space.agenda"
_APPOINTMENTS, _SLOTS = frozenset({"Appointment"}), frozenset({"Slot"})

AGENDA = Service(
    "agenda",
    opens=f"{_HERE}.reminders.keeping:opened",
    rules=(*reading_rules.RULES, *answers.RULES),
    ruled=f"{_HERE}.labels:rules",
    answers=dict.fromkeys(("Schedule", "Slot"), f"{_HERE}.platforms:answered"),
    demands={"Schedule": f"{_HERE}.demands:schedules", "Slot": f"{_HERE}.demands:slots"},
    steps=(
        Step("agenda-authors", frozenset({"Appointment", "Schedule", "Slot"}), arrange=authors.arrange),
        Step("agenda", _APPOINTMENTS | _SLOTS, validate=writing.validate),
        Step("slot-label-places", validate=labels.places),
        Step("availability", frozenset({"Schedule"}), validate=step.validate),
        Step("agenda-owners", frozenset({"Schedule", "Slot"}), complete=owning.complete),
        Step("appointments", _APPOINTMENTS, judge=writing.judge, complete=booking.complete),
        Step("bookings", _APPOINTMENTS | _SLOTS, together=booking.together),
        Step("answers", frozenset({"AppointmentResponse"}), complete=answers.complete),
        Step("slots", _SLOTS, complete=booking.keep_filled),
    ),
    operations={
        "Appointment-remind": f"{_HERE}.reminders.operations:choose",
        "Appointment-reminders": f"{_HERE}.reminders.operations:read",
        "Patient-prevention": f"{_HERE}.prevention.operations:read",
        "Patient-prevention-mark": f"{_HERE}.prevention.operations:mark",
    },
    jobs=f"{_HERE}.told:jobs",
    pages=f"{_HERE}.pages.rows:pages",
    rows={
        "Appointment": f"{_HERE}.rows:made",
        "Organization": f"{_HERE}.prefixes:organizations",
        "Practitioner": f"{_HERE}.prefixes:practitioners",
        "Schedule": f"{_HERE}.rows:made",
        "Slot": f"{_HERE}.rows:slots",
    },
)
