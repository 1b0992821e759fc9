"""What the catalogue's codes and scopes are called, in French and in English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.smart.consent_words import Line, lines
from fhir_server.space.catalogue.apps import Purpose

#: Status of an app → (French, English).
STATUSES: Mapping[str, tuple[str, str]] = {
    "EN_LIGNE": ("En ligne", "On line"),
    "HORS_LIGNE": ("Hors ligne", "Off line"),
    "PRESERIE": ("Présérie : patients fictifs seulement", "Pre-series: invented patients only"),
    "SUSPENDUE": ("Suspendue : aucun échange", "Suspended: no exchange"),
    "DEREFERENCEE": ("Retirée du catalogue", "Removed from the catalogue"),
}
#: Category of https://fhir-server.example/CodeSystem/ens-app-category → (French, English); others by their code.
CATEGORIES: Mapping[str, tuple[str, str]] = {
    "mesures": ("Suivi de mesures", "Measures"),
    "maladie-chronique": ("Maladie chronique", "Chronic disease"),
    "prevention": ("Prévention et dépistage", "Prevention and screening"),
    "vaccination": ("Vaccination", "Vaccination"),
    "traitement": ("Traitements et ordonnances", "Medications and prescriptions"),
    "rendez-vous": ("Rendez-vous", "Appointments"),
    "documents": ("Documents de santé", "Health documents"),
    "activite": ("Activité physique et sommeil", "Physical activity and sleep"),
    "bien-etre": ("Bien-être", "Well-being"),
    "urgence": ("Urgence", "Emergency"),
    "coordination": ("Coordination entre professionnels", "Coordination between professionals"),
    "aide-decision": ("Aide à la décision", "Decision support"),
    "telesante": ("Télésanté", "Telehealth"),
}


@dataclass(frozen=True, slots=True)
class Done:
    """What an app does for one purpose.

    Attributes:
        lines: what is read and written, in words, each once.
        categories: (French, English) of documents and measures that alone are concerned; () for all.
    """

    lines: tuple[Line, ...]
    categories: tuple[tuple[str, str], ...]


def done_with(purpose: Purpose) -> Done:
    """What a purpose means, in words: constraints of its scopes are told by its categories."""
    plain = dict.fromkeys(scope.partition("?")[0] for scope in purpose.scopes)
    # Read when a purpose is first told: the names are the nomenclature's.
    from fhir_server.space.catalogue.pages.data_words import name

    categories = tuple(dict.fromkeys(name(one) for one in purpose.categories))
    return Done(tuple(lines(tuple(plain))), categories)


def category(code: str) -> tuple[str, str]:
    """What a category of the catalogue is called."""
    return CATEGORIES.get(code, (code, code))
