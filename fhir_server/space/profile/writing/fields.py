"""Fields of a form about one's health, what people type in them, and what is wrong with it (WCAG 2.1 §3.3.1).

A day may be known by its year or month alone: https://hl7.org/fhir/R4/datatypes.html#dateTime.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal

from fhir_server.fhir.dates import begins, ends
from fhir_server.space.paris import PARIS
from fhir_server.space.record.pages.days import day

Words = tuple[str, str]
Shape = Literal["text", "area", "when", "day", "choice", "number", "age"]
#: The longest text of each shape, in characters.
LONGEST: Mapping[Shape, int] = {"text": 200, "area": 1000, "when": 30, "day": 30, "choice": 40, "number": 20, "age": 3}
_MONTH = re.compile(r"(\d{4})-(\d{1,2})|(\d{1,2})[/.-](\d{4})", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}([.,]\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: in the form.
        words: its label.
        shape: what is typed in it.
        required: whether it must be filled in.
        options: of a choice: (value, words).
        hint: beside it; ("", "") for none.
    """

    name: str
    words: Words
    shape: Shape = "text"
    required: bool = False
    options: Sequence[tuple[str, Words]] = ()
    hint: Words = ("", "")


@dataclass(frozen=True, slots=True)
class Life:
    """Between which days something of somebody's health was: their birth ("" where it is not said), and today."""

    born: str
    today: date

    def wrong(self, said: str) -> str:
        """A key of `WRONG` where a date, or part of one, is of no day of this life; "" where it is."""
        first, last = begins(said, PARIS), ends(said, PARIS)
        if first is None or last is None:
            return "date"
        if first.date() > self.today:
            return "future"
        return "birth" if self.born and f"{last:%Y-%m-%d}" < self.born else ""


#: What may be wrong with a field → in French and in English.
WRONG: Mapping[str, Words] = {
    "empty": ("Remplissez ce champ.", "Fill this in."),
    "long": ("C’est trop long.", "This is too long."),
    "option": ("Choisissez dans la liste.", "Choose from the list."),
    "date": ("Donnez une année, un mois ou un jour : 2019, 03/2019 ou 12/03/2019.",
             "Give a year, a month or a day: 2019, 03/2019 or 12/03/2019."),
    "day": ("Donnez un jour, par exemple 12/03/2019.", "Give a day, such as 12/03/2019."),
    "future": ("Cette date est dans l’avenir.", "This date is in the future."),
    "birth": ("Cette date est avant la naissance.", "This date is before the birth."),
    "order": ("La fin est avant le début.", "The end is before the beginning."),
    "number": ("Donnez un nombre, par exemple 12,5.", "Give a number, such as 12.5."),
    "range": ("Cette valeur n’est pas possible : vérifiez le nombre et l’unité.",
              "This value is not possible: check the number and the unit."),
    "age": ("Donnez un âge en années, de 0 à 130.", "Give an age in years, from 0 to 130."),
}  # fmt: skip


def read(field: Field, typed: str, life: Life) -> tuple[str, str]:
    """What is kept of what somebody typed, and a key of `WRONG`, "" where nothing is."""
    if not typed:
        return "", "empty" if field.required else ""
    if len(typed) > LONGEST[field.shape]:
        return "", "long"
    match field.shape:
        case "text":
            return " ".join(typed.split()), ""
        case "area":
            return typed, ""
        case "choice":
            return (typed, "") if typed in dict(field.options) else ("", "option")
        case "number":
            found = number(typed)
            return ("", "number") if found is None else (str(found), "")
        case "age":
            return (typed, "") if typed.isascii() and typed.isdigit() and int(typed) <= 130 else ("", "age")
        case _:
            return _dated(field.shape, typed, life)


def number(typed: str) -> Decimal | None:
    """A number with a comma or a point; None where it is none."""
    if not _NUMBER.fullmatch(typed):
        return None
    try:
        return Decimal(typed.replace(",", "."))
    except InvalidOperation:
        return None


def _dated(shape: Shape, typed: str, life: Life) -> tuple[str, str]:
    said = when(typed, whole=shape == "day")
    if said is None:
        return "", "day" if shape == "day" else "date"
    wrong = life.wrong(said)
    return ("", wrong) if wrong else (said, "")


def when(typed: str, whole: bool = False) -> str | None:
    """A year, a month or a day as R4 writes it; None where it is none, or is not a whole day though it has to be."""
    found = _MONTH.fullmatch(typed)
    if found is not None:
        year, month = int(found[1] or found[4]), int(found[2] or found[3])
        return f"{year:04}-{month:02}" if not whole and year >= 1800 and 1 <= month <= 12 else None
    if _YEAR.fullmatch(typed):
        return typed if not whole and int(typed) >= 1800 else None
    known = day(typed)
    return known.isoformat() if known is not None and known.year >= 1800 else None
