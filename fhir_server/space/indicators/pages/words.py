"""What the rows, columns and numbers of tables are called to people, in French and in English."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fhir_server.site.words import Language
from fhir_server.space.indicators.hiding import TOTAL
from fhir_server.space.indicators.sectors import SECTORS
from fhir_server.space.indicators.tables import COUNT
from fhir_server.space.record.pages.categories import type_words

_MONTHS: Mapping[Language, tuple[str, ...]] = {
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}
#: What rows and columns are → how they are headed.
HEADS: Mapping[str, tuple[str, str]] = {
    "month": ("Mois", "Month"),
    "period": ("Période", "Period"),
    "type": ("Type de document", "Type of document"),
    "state": ("État", "State"),
    "year": ("Âge", "Age"),
    "department": ("Département", "Department"),
    "profession": ("Profession", "Profession"),
    "status": ("Statut", "Status"),
    "bond": ("Lien", "Bond"),
    "purpose": ("Finalité", "Purpose"),
    "majority": ("Âge", "Age"),
}
_FIXED: Mapping[str, tuple[str, str]] = {
    TOTAL: ("Total", "Total"),
    COUNT: ("Nombre", "Count"),
    "ever": ("Depuis l’ouverture", "Ever"),
}
_NAMES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "sector": SECTORS,
    "by": {
        "professional": ("Professionnels", "Professionals"),
        "patient": ("Titulaires", "Holders"),
        "close": ("Proches", "Those close to them"),
        "other": ("Autres", "Others"),
    },
    "way": {
        "emergency": ("En urgence", "In an emergency"),
        "refused": ("Refusés", "Refused"),
    },
    "from": {
        "professional": ("De professionnels", "By professionals"),
        "patient": ("De patients", "By patients"),
        "end": ("Clôtures", "Ends"),
    },
    "became": {
        "booked": ("Pris", "Booked"),
        "asked": ("Demandés", "Asked for"),
        "cancelled": ("Annulés", "Called off"),
        "noshow": ("Non honorés", "Not kept"),
        "other": ("Autres", "Others"),
    },
    "status": {
        "EN_LIGNE": ("En ligne", "Online"),
        "HORS_LIGNE": ("Hors ligne", "Offline"),
        "PRESERIE": ("Présérie", "Trial"),
        "SUSPENDUE": ("Suspendu", "Suspended"),
        "DEREFERENCEE": ("Déréférencé", "Taken off"),
    },
    "majority": {"minor": ("Mineurs", "Minors"), "adult": ("Majeurs", "Adults")},
    "profession": {
        "10": ("Médecin", "Physician"),
        "21": ("Pharmacien", "Pharmacist"),
        "26": ("Audioprothésiste", "Audiologist"),
        "28": ("Opticien-lunetier", "Optician"),
        "40": ("Chirurgien-dentiste", "Dentist"),
        "50": ("Sage-femme", "Midwife"),
        "60": ("Infirmier", "Nurse"),
        "69": ("Infirmier psychiatrique", "Psychiatric nurse"),
        "70": ("Masseur-kinésithérapeute", "Physiotherapist"),
        "80": ("Pédicure-podologue", "Podiatrist"),
        "86": ("Technicien de laboratoire", "Laboratory technician"),
        "91": ("Orthophoniste", "Speech therapist"),
        "92": ("Orthoptiste", "Orthoptist"),
        "94": ("Ergothérapeute", "Occupational therapist"),
        "95": ("Diététicien", "Dietitian"),
        "96": ("Psychomotricien", "Psychomotor therapist"),
        "98": ("Manipulateur d’électroradiologie", "Radiographer"),
    },
    "bond": {"caregiving": ("Aidants", "Caregivers"), "representation": ("Représentants", "Representatives")},
    "state": {
        "informed": ("Annoncé, pas encore ouvert", "Announced, not open yet"),
        "opposed": ("Opposition", "Objected to"),
        "open": ("Ouvert, pas encore activé", "Open, not activated yet"),
        "activated": ("Activé", "Activated"),
        "closed": ("Fermé", "Closed"),
        "suspended": ("Suspendu", "Suspended"),
        "deceased": ("Titulaire décédé", "Holder deceased"),
        "erased": ("Effacé", "Erased"),
        "merged": ("Réuni avec un autre", "Made one with another"),
        "current": ("Visible des professionnels", "Seen by professionals"),
        "masked": ("Masqué aux professionnels", "Masked from professionals"),
        "replaced": ("Remplacé", "Replaced"),
    },
}
_NOT_SAID = ("non précisé", "not said")
_NARROW = "\N{NARROW NO-BREAK SPACE}"


def called(dim: str, key: str, language: Language) -> str:
    """What a row or a column is called; its own code where it has no other name."""
    at = 0 if language == "fr" else 1
    if key in _FIXED:
        return _FIXED[key][at]
    if not key:
        return _NOT_SAID[at]
    if dim in ("month", "period"):
        return _period(key, language)
    if dim == "type":
        return _types().get(key, key)
    if dim == "year":
        years = key.removesuffix("+").lstrip("0") or "0"
        band = f"{years} ans et plus" if language == "fr" else f"{years} years and more"
        return band if key.endswith("+") else f"{_years(key)} {'ans' if language == 'fr' else 'years'}"
    return _NAMES.get(dim, {}).get(key, (key, key))[at]


def number(value: float, language: Language, decimals: int = 0) -> str:
    """A number with its thousands apart, as the language has it."""
    text = f"{value:,.{decimals}f}"
    return text.replace(",", _NARROW).replace(".", ",") if language == "fr" else text


def scaled(value: float, language: Language) -> str:
    """A number in few figures: "1,2 million", "350 milliers"; small ones whole."""
    if value >= 1_000_000:
        shown = value / 1_000_000
        word = "million" if shown < 2 else "millions"
        return f"{number(shown, language, 0 if shown >= 100 else 1)} {word}"
    if value >= 100_000:
        return f"{number(value / 1_000, language)} {'milliers' if language == 'fr' else 'thousand'}"
    return number(value, language)


def _period(key: str, language: Language) -> str:
    year, _, rest = key.partition("-")
    if rest.startswith("W"):
        return f"{'semaine' if language == 'fr' else 'week'} {int(rest[1:])}, {year}"
    return f"{_MONTHS[language][int(rest) - 1]} {year}"


def _years(key: str) -> str:
    first, _, last = key.partition("-")
    return f"{int(first)}–{int(last)}"


@cache
def _types() -> Mapping[str, str]:
    return {code: words for (_, code), words in type_words().items()}
