"""Why a calendar was not taken in, in the words of whoever reads the page: RGAA 4.1 criterion 8.7."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.agenda.calendar.bounds import CHANGES, COMPONENTS, DEPTH, LARGEST, LINE, LONGEST_UID, MOST
from fhir_server.space.agenda.pages.refusals import french as of_the_agenda
from fhir_server.space.record.pages.refusals import Refusal

_NO_CALENDAR = "Ce fichier n’est pas un calendrier (iCalendar, .ics)."
#: What is said of a file → the same in French.
OF_FILES: Mapping[str, str] = {
    "This is no calendar of RFC 5545.": _NO_CALENDAR,
    "This is no calendar of RFC 5545: it begins with VCALENDAR.": _NO_CALENDAR,
    "There is no event in the calendar.": "Ce calendrier n’a aucun rendez-vous.",
    "A calendar is written in UTF-8.": "Ce fichier n’est pas écrit en UTF-8 : exportez-le de nouveau.",
    f"A calendar has {COMPONENTS} components at most, {DEPTH} inside one another.": (
        "Ce calendrier a trop d’éléments : exportez une période plus courte."
    ),
    f"A line of a calendar has {LINE} characters at most.": "Une ligne de ce fichier est trop longue.",
    f"A calendar brings {MOST} entries at most, each time that something recurs counted.": (
        f"Ce calendrier apporte plus de {MOST} entrées, chaque répétition comptée : exportez une période plus courte."
    ),
    f"A calendar has {LARGEST} bytes at most.": "Ce fichier dépasse 1 Mo : exportez une période plus courte.",
    f"The zones of a calendar change at {CHANGES} times at most, each by a rule or by itself.": (
        f"Les fuseaux horaires de ce calendrier changent plus de {CHANGES} fois."
    ),
    "The calendar takes too long to read.": "Ce calendrier est trop long à lire : exportez une période plus courte.",
    "Too many long requests at once.": "Trop de demandes à la fois : recommencez dans quelques secondes.",
}
#: What is said of one event, whose number stands before it → the same in French.
OF_EVENTS: Mapping[str, str] = {
    "The INTERVAL of an RRULE is 1 at least.": "l’intervalle de sa répétition (INTERVAL) est d’au moins 1",
    "An event has a property that is none of RFC 5545.": "une de ses propriétés ne se lit pas",
    f"An event has one UID, of {LONGEST_UID} characters at most.": (
        f"il lui faut un identifiant (UID) de {LONGEST_UID} caractères au plus"
    ),
    "An event has no DTSTART.": "il ne dit pas quand il commence (DTSTART)",
    "A RECURRENCE-ID speaks of one occurrence (no RANGE).": "RECURRENCE-ID parle de plusieurs fois (RANGE)",
    "An event is of no year of these centuries.": "son année n’est pas de ces siècles",
    "A DURATION is a length of time, and stands once.": "sa durée (DURATION) ne se lit pas",
    "An event ends before it starts.": "sa fin est avant son début",
    "An event lasts a year at most.": "il dure plus d’un an",
    f"An event recurs more than {MOST} times.": f"il se répète plus de {MOST} fois",
    f"An event recurs {MOST} times at most.": f"il se répète plus de {MOST} fois",
    "An event has several RRULE.": "il a plusieurs règles de répétition (RRULE)",
    "An RRULE is none of RFC 5545.": "sa règle de répétition (RRULE) ne se lit pas",
    "An event recurs daily, weekly, monthly or yearly.": "il se répète plusieurs fois par jour",
    "An RRULE never ends: it has neither COUNT nor UNTIL.": "sa répétition n’a pas de fin (COUNT ou UNTIL)",
    "An RRULE goes on for more than five years.": "sa répétition dure plus de cinq ans",
    "An RDATE is a date or an instant.": "une de ses dates (RDATE) ne se lit pas",
    **{
        f"A {name} is a date or an instant, and stands once.": f"{name} n’est pas une date, ou s’y trouve deux fois"
        for name in ("DTSTART", "DTEND", "RECURRENCE-ID")
    },
    **{
        f"The zone of a {name} is not known.": f"le fuseau horaire de {name} n’est pas connu"
        for name in ("DTSTART", "DTEND", "RECURRENCE-ID")
    },
}
_NUMBERED = re.compile(r"Event (\d+): (.*)", re.DOTALL)


def refused(error: FhirError) -> tuple[Refusal, ...]:
    """Why, each reason once: (French, as the server said it); nothing that stands in the file is among them."""
    said = [issue.diagnostics for issue in error.issues if issue.severity in ("error", "fatal")]
    return tuple((french(one), one) for one in dict.fromkeys(said))


def french(diagnostics: str) -> str:
    """What the server said, in French; "" of what is not known here."""
    found = _NUMBERED.fullmatch(diagnostics)
    if found is None:
        return OF_FILES.get(diagnostics, "") or of_the_agenda(diagnostics)
    said = OF_EVENTS.get(found[2])
    return f"Rendez-vous n° {found[1]} du fichier : {said}." if said else ""
