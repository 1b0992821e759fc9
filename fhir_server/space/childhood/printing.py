"""The notebook on paper: the same as the page, in lines of a PDF/A (`space.pdfa`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from fhir_server.space.childhood import doses, examinations
from fhir_server.space.childhood.measures import GROWTH
from fhir_server.space.childhood.notebook import Notebook
from fhir_server.space.printing import printed_pages

STATES: Mapping[examinations.State | doses.State, str] = {
    "done": "fait",
    "not-done": "non fait",
    "kept": "rendez-vous honoré",
    "planned": "rendez-vous prévu",
    "due": "à faire en ce moment",
    "coming": "à venir",
    "late": "en retard, ou non noté",
    "unsaid": "non noté",
}
_BY = {"patient": "saisi par la famille", "professional": "saisi par un professionnel", "certificate": "certificat"}


async def printed(one: Notebook, name: str) -> bytes:
    """The PDF; `name` is the child's."""
    return await printed_pages("Carnet de santé de l’enfant", _lines(one, name))


def _lines(one: Notebook, name: str) -> Iterator[str]:
    born = "date de naissance inconnue" if one.born is None else f"né(e) le {_day(one.born)}"
    yield f"{name}, {born}. Imprimé le {_day(one.today)}."
    yield ""
    yield "ALLERGIES"
    yield from one.allergies or ["Aucune allergie connue." if one.none else "Aucune information disponible."]
    yield ""
    yield "EXAMENS DE SANTÉ"
    for exam in one.examinations:
        day = f" le {_day(exam.day)}" if exam.day else ""
        certificate = f" (certificat {exam.due.item.certificate})" if exam.due.item.certificate else ""
        yield f"{exam.title[0]}{certificate} : {STATES[exam.state]}{day}"
    yield ""
    yield "VACCINATIONS DU CALENDRIER"
    for dose in one.doses:
        title = dose.title[0]
        day = f" le {_day(dose.day)}" if dose.day else f" (à partir du {_day(dose.due.start)})"
        yield f"{title} : {STATES[dose.state]}{day}"
    yield ""
    yield "VACCINATIONS NOTÉES"
    yield from [f"{one.words}{f' le {_day(one.day)}' if one.day else ''}" for one in one.given] or ["Aucune."]
    for code, (words, unit) in GROWTH.items():
        rows = [row for row in one.grown if row.code == code]
        yield ""
        yield words[0].upper()
        for row in rows:
            usual = "" if row.percentile is None else f", {row.percentile}e percentile OMS"
            value = f"{row.value:g}".replace(".", ",")
            yield f"{_day(row.day)} : {value} {unit}{usual} ({_BY[row.by]})"
        if not rows:
            yield "Aucune mesure."


def _day(day: date) -> str:
    return f"{day:%d/%m/%Y}"
