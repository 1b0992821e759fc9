"""What a scope means, in words a person understands; French and English.

https://hl7.org/fhir/smart-app-launch/best-practices.html: people decide on what they can read.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.access.scopes import read
from fhir_server.smart.constraint_words import constraint

#: Resource type → what it is called; any other is shown by its FHIR name.
TYPES: dict[str, tuple[str, str]] = {
    "*": ("toutes les données du dossier", "all the data of the record"),
    "AllergyIntolerance": ("les allergies", "allergies"),
    "Appointment": ("les rendez-vous", "appointments"),
    "Binary": ("le contenu des documents", "the content of documents"),
    "Communication": ("les messages", "messages"),
    "Condition": ("les maladies et antécédents", "conditions"),
    "Device": ("les appareils", "devices"),
    "DiagnosticReport": ("les comptes rendus d’examens", "diagnostic reports"),
    "DocumentReference": ("les documents", "documents"),
    "Encounter": ("les séjours et consultations", "visits"),
    "Immunization": ("les vaccinations", "immunizations"),
    "MedicationRequest": ("les prescriptions", "prescriptions"),
    "MedicationStatement": ("les traitements", "medications"),
    "Observation": ("les mesures et résultats", "measures and results"),
    "Patient": ("l’identité", "identity"),
    "Practitioner": ("l’annuaire des professionnels", "the directory of professionals"),
    "Procedure": ("les actes", "procedures"),
}
#: Letters of a scope → what is done.
VERBS: tuple[tuple[str, tuple[str, str]], ...] = (
    ("rs", ("consulter", "see")),
    ("c", ("ajouter", "add to")),
    ("u", ("modifier", "change")),
    ("d", ("supprimer", "delete")),
)
#: Scopes that are not about resources and that a person decides on.
SPECIAL: dict[str, tuple[str, str]] = {
    "openid": ("vous reconnaître à chaque visite", "recognise you at each visit"),
    "fhirUser": ("savoir qui vous êtes", "know who you are"),
    "profile": ("connaître votre nom", "know your name"),
    "offline_access": ("garder l’accès en votre absence", "keep access while you are away"),
    "online_access": ("garder l’accès tant que vous êtes connecté", "keep access while you are signed in"),
}
#: Needed for the app to work at all: shown, and not to be unticked.
TOGETHER = frozenset({"openid", "fhirUser", "launch", "launch/patient", "launch/encounter"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the consent page: the scope, its words, and whether it can be refused alone."""

    scope: str
    fr: str
    en: str
    optional: bool


def lines(scopes: tuple[str, ...]) -> list[Line]:
    """A line for each scope that says something to a person, same order."""
    found = []
    for text in scopes:
        words = SPECIAL.get(text) or _resources(text)
        if words is not None:
            found.append(Line(text, words[0], words[1], text not in TOGETHER))
    return found


def _resources(text: str) -> tuple[str, str] | None:
    one = read(text)
    if one is None:
        return None
    what = TYPES.get(one.type, (one.type, one.type))
    done = [words for letters, words in VERBS if one.verbs & set(letters)]
    words = constraint(one.query)
    limit = (f" (seulement : {words[0]})", f" (only: {words[1]})") if one.query else ("", "")
    fr = f"{', '.join(fr for fr, _ in done)} {what[0]}{limit[0]}"
    return fr, f"{', '.join(en for _, en in done)} {what[1]}{limit[1]}"
