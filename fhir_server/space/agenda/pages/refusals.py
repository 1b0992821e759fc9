"""Why an entry was refused, in the words of whoever reads the page: RGAA 4.1 criterion 8.7."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.record.pages.refusals import french as of_the_record

#: What the rules of the agenda say → the same in French.
WORDS: Mapping[str, str] = {
    "The software that made this Appointment changes it: ask whom it is with.": (
        "Ce rendez-vous se modifie là où il a été pris : demandez-le au professionnel ou à l’établissement."
    ),
    "The end is before the start.": "La fin est avant le début.",
    "The appointment is not to come: nobody is reminded of it.": "Ce rendez-vous n’est plus à venir.",
    "There is no such item of prevention for this patient.": "Cette proposition n’est plus là.",
    "The item of prevention does not begin on that day.": "Cette proposition a changé de dates.",
    "The operation takes a status, or refused.": "Choisissez une réponse.",
    "It was done after the birth, and not later than today.": (
        "Le jour où c’est fait est après la naissance, et pas plus tard qu’aujourd’hui."
    ),
    "A day is written YYYY-MM-DD.": "Donnez un jour, par exemple 2027-03-01.",
    "An appointment has 10 reminders at most.": "Un rendez-vous a 10 rappels au plus.",
}


def refused(error: FhirError) -> tuple[Refusal, ...]:
    """Why, each reason once: no value of a patient's is among them."""
    said = [issue.diagnostics for issue in error.issues if issue.severity in ("error", "fatal")]
    return tuple((french(one), one) for one in dict.fromkeys(said))


def french(diagnostics: str) -> str:
    """What the server said, in French; "" of what is not known here."""
    return WORDS.get(diagnostics, "") or of_the_record(diagnostics)
