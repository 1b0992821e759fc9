"""What categories of data are called: classes of documents and measures, by the code systems that name them.

A code that is known is called by its own name, whatever the publisher of an app calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fhir_server.fhir.nos import CLASS
from fhir_server.space.catalogue.apps import Category
from fhir_server.validation.shipped import of

Words = tuple[str, str]

LOINC = "http://loinc.org"
#: Measures that people make at home: LOINC code → (French, English).
MEASURES: Mapping[str, Words] = {
    "85354-9": ("Pression artérielle", "Blood pressure"),
    "8867-4": ("Fréquence cardiaque", "Heart rate"),
    "29463-7": ("Poids corporel", "Body weight"),
    "8302-2": ("Taille", "Height"),
    "39156-5": ("Indice de masse corporelle", "Body mass index"),
    "15074-8": ("Glycémie", "Blood glucose"),
    "8310-5": ("Température corporelle", "Body temperature"),
    "59408-5": ("Saturation en oxygène", "Oxygen saturation"),
    "41950-7": ("Nombre de pas par jour", "Steps in a day"),
    "93832-4": ("Durée du sommeil", "Sleep duration"),
}


@cache
def documents() -> Mapping[str, Words]:
    """Classes of documents: "system|code" → words, French in both since the nomenclature is."""
    tree = of(CLASS, "CodeSystem") or {}
    return {f"{CLASS}|{one['code']}": (one["display"], one["display"]) for one in tree.get("concept", ())}


@cache
def measures() -> Mapping[str, Words]:
    """Measures: "system|code" → words."""
    return {f"{LOINC}|{code}": words for code, words in MEASURES.items()}


@cache
def known() -> Mapping[str, Words]:
    """Both documents and measures: "system|code" → words."""
    return {**documents(), **measures()}


def key_of(category: Category) -> str:
    """A category as the keys of these tables have it: "system|code"."""
    return f"{category.system}|{category.code}"


def name(category: Category) -> Words:
    """What a category is called: its own name, or the publisher's, or its code."""
    own = category.display or category.code
    return known().get(key_of(category), (own, own))
