"""A child's vaccinations against the dated calendar: each dose that is due, and the one that was given for it.

What an Immunization is of is told by the calendar's own code where these pages wrote it, else by its words: vaccines
are called by brands, and no national code of them is published with the calendar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo

from fhir_server.fhir.dates import begins
from fhir_server.search.parameters.text import fold
from fhir_server.space.acting import MAJORITY
from fhir_server.space.agenda.prevention.calendar import Age, Due, birth, of
from fhir_server.space.profile.writing.making import CALENDAR

State = Literal["done", "late", "due", "coming"]
#: Beginning of the code of an item → what names its vaccine, in folded words: generic names, and brands in France.
NAMES: Mapping[str, re.Pattern[str]] = {
    code: re.compile(words)
    for code, words in {
        "vac-hexavalent": r"hexavalent|hexyon|infanrix hexa|vaxelis",
        "vac-pneumococcus": r"pneumocoque|pneumococ|prevenar|vaxneuvance|capvaxive",
        "vac-rotavirus": r"rotavirus|rotarix|rotateq",
        "vac-menb": r"meningocoque b\b|meningococ\w* b\b|bexsero|trumenba",
        "vac-menacwy": r"acwy|nimenrix|menveo|menquadfi",
        "vac-mmr": r"\bror\b|rougeole|measles|priorix|m m rvaxpro",
        "vac-booster": r"tetravac|infanrix ?quinta|infanrix tetra|repevax|boostrix|revaxis|\bdtp|rappel",
        "vac-hpv": r"papillomavirus|\bhpv\b|gardasil|cervarix",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Given:
    """A dose that was given: what it is called, when, and the beginning of its items' codes; "" for none."""

    words: str
    day: date | None
    code: str


@dataclass(frozen=True, slots=True)
class Dose:
    """One dose of the calendar: what is due, where it stands, and the day that it was given."""

    due: Due
    state: State
    day: date | None

    @property
    def title(self) -> tuple[str, str]:
        """What it is against, in French and in English, without what all of them are called."""
        french, english = self.due.item.title
        return french.removeprefix("Vaccination : "), english.removeprefix("Vaccination: ")


def given(trees: Iterable[Mapping[str, Any]], zone: ZoneInfo) -> list[Given]:
    """What Immunizations say was given, the earliest first; not what was not done, nor that there is none."""
    found = []
    for tree in trees:
        said = tree.get("occurrenceDateTime")
        if tree.get("status") == "completed" and said:
            at, concept = begins(said, zone), tree.get("vaccineCode") or {}
            words = str(concept.get("text") or _display(concept) or "")
            found.append(Given(words, None if at is None else at.date(), _code(concept, words)))
    return sorted(found, key=lambda one: one.day or date.min)


def doses(patient: Mapping[str, Any], today: date, had: Sequence[Given]) -> list[Dose]:
    """Each dose that is due to a child, in order; what was given counts for the first of its vaccine that is open."""
    born = birth(patient)
    if born is None:
        return []
    # What is due to adults is in nobody's notebook.
    of_age = Age(years=MAJORITY).after(born)
    due_ones = (one for one in of(patient, today) if one.item.kind == "vaccination" and one.start < of_age)
    dues = sorted(due_ones, key=lambda one: one.start)
    left = {id(one): one for one in had if one.code}
    found = []
    for due in dues:
        one = next((one for one in left.values() if _is_for(one, due)), None)
        if one is not None:
            del left[id(one)]
            found.append(Dose(due, "done", one.day))
        else:
            state: State = "coming" if today < due.start else "due" if today < due.end else "late"
            found.append(Dose(due, state, None))
    return found


def _is_for(one: Given, due: Due) -> bool:
    """Whether a dose counts for what is due: of its vaccine, and of boosters and catch-ups in their own time."""
    if not due.item.code.startswith(one.code):
        return False
    single = len(due.item.windows) == 1 and one.code in ("vac-booster", "vac-menacwy", "vac-hpv")
    return not single or one.day is None or (one.day >= due.start and one.day < due.end)


def _code(concept: Mapping[str, Any], words: str) -> str:
    own = (str(one.get("code")) for one in concept.get("coding", ()) if one.get("system") == CALENDAR)
    text = fold(f"{words} {_display(concept)}")
    named = (code for code, pattern in NAMES.items() if pattern.search(text))
    return next(iter((*own, *named)), "")


def _display(concept: Mapping[str, Any]) -> str:
    return next((str(one["display"]) for one in concept.get("coding", ()) if "display" in one), "")
