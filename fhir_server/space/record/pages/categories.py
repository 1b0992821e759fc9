"""The categories under which people find documents, as Mon espace santé shows them, and which types are of each.

A type that no row names is of the category of its class: ConceptMap ASS_X16, types (JDV_J66) to classes (TRE_A03).
https://mos.esante.gouv.fr/NOS/ASS_X16-CorrespondanceType-Classe-DMP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from fhir_server.fhir.nos import nos
from fhir_server.validation.shipped import of

Words = tuple[str, str]
#: (system, code).
Code = tuple[str, str]

LOINC = "http://loinc.org"
_CLASS_OF = nos("ASS_X16-CorrespondanceType-Classe-DMP")
_ALL_TYPES = nos("JDV_J66-TypeCode-DMP")

#: What a document is of that nobody can place.
REST = "AUTR_DOC"


class Category(NamedTuple):
    """What a category is called, the types that are of it, and the classes whose other types are."""

    words: Words
    types: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()


def _row(fr: str, en: str, types: str = "", classes: str = "") -> Category:
    return Category((fr, en), frozenset(types.split()), frozenset(classes.split()))


#: Code of the category → its row, in the order in which they are shown.
CATEGORIES: Mapping[str, Category] = {
    "ORD_SOIN": _row("Ordonnances et soins", "Prescriptions and care", "DOCPAT02", "42 43 44 45"),
    "BIOLOGIE": _row("Analyses de biologie", "Laboratory results", "11502-2 60568-3 51969-4 DOCPAT05"),
    "RADIO_SC": _row("Imagerie médicale", "Medical imaging", "18748-4 52040-3 DOCPAT04", "31"),
    "CPT_REND": _row("Comptes rendus", "Reports", "DOCPAT03", "10"),
    "SYNTHESE": _row("Synthèses médicales", "Medical summaries", "DOCPAT01", "11"),
    "CAR_VAC": _row("Vaccinations", "Vaccinations", "87273-9 11369-6 96874-3"),
    "DEPISTAG": _row(
        "Prévention et dépistage",
        "Prevention and screening",
        "75482-0 75492-9 59283-2 68817-6 83869-8 96173-0 DOCPAT06",
    ),
    "CERT_MED": _row("Certificats médicaux", "Medical certificates", "DOCPAT07", "52"),
    "DOC_ADM": _row("Documents administratifs", "Administrative documents", "DOCPAT09", "95"),
    "REMB": _row("Remboursements", "Reimbursements", "REMB", "60"),
    "DIR_ANT": _row("Directives anticipées", "Advance directives", "EXPPAT_3"),
    "VDP": _row("Volontés et droits", "Wishes and rights", "EXPPAT_1"),
    "SYNTH_PML": _row("Profil médical", "Medical profile", "DOCPAT08"),
    "QUEST_SANTE": _row("Questionnaires de santé", "Health questionnaires", "74465-6"),
    REST: _row("Autres documents", "Other documents", "EXPPAT_2 28653-4 34842-5", "90"),
}

#: Types that people file themselves, as they are called to them: JDV_J66, of TRE_A05; (code, (French, English)).
OWN_TYPES: Sequence[tuple[str, Words]] = (
    ("DOCPAT02", ("Ordonnance, traitement ou soin", "Prescription, treatment or care")),
    ("DOCPAT03", ("Compte rendu", "Report")),
    ("DOCPAT04", ("Imagerie : radio, scanner, IRM, échographie", "Imaging: X-ray, CT, MRI, ultrasound")),
    ("DOCPAT05", ("Résultat d’analyse de biologie", "Laboratory result")),
    ("DOCPAT06", ("Prévention, vaccination ou dépistage", "Prevention, vaccination or screening")),
    ("DOCPAT07", ("Certificat médical", "Medical certificate")),
    ("DOCPAT01", ("Synthèse médicale", "Medical summary")),
    ("DOCPAT09", ("Document administratif", "Administrative document")),
    ("EXPPAT_3", ("Directives anticipées", "Advance directives")),
    (
        "EXPPAT_1",
        ("Volontés et droits : don d’organes, personne de confiance…", "Wishes and rights: organ donation, …"),
    ),
    ("EXPPAT_2", ("Autre document", "Other document")),
)


def category(tree: Mapping[str, Any]) -> str:
    """The category of a DocumentReference: by its type, as a search has it, so that it is found where it is shown."""
    codings = tree.get("type", {}).get("coding", ())
    found = (_placed().get((str(one.get("system", "")), str(one.get("code", "")))) for one in codings)
    return next((one for one in found if one is not None), REST)


def condition(chosen: str) -> tuple[str, str]:
    """The search parameter, and its value, that finds the documents of a category."""
    placed = _placed()
    if chosen == REST:
        # With what has a type that nobody knows here.
        return "type:not", ",".join(sorted(f"{system}|{code}" for (system, code), of in placed.items() if of != REST))
    return "type", ",".join(sorted(f"{system}|{code}" for (system, code), of in placed.items() if of == chosen))


@cache
def type_words() -> Mapping[Code, str]:
    """What each type is called by the nomenclature, in French."""
    tree = of(_ALL_TYPES, "ValueSet") or {}
    return {
        (include["system"], one["code"]): str(one.get("display", one["code"]))
        for include in tree.get("compose", {}).get("include", ())
        for one in include.get("concept", ())
    }


@cache
def _placed() -> Mapping[Code, str]:
    """Type → its category."""
    own = {type: code for code, row in CATEGORIES.items() for type in row.types}
    classes = class_of()
    return {key: own.get(key[1]) or _of_class(classes.get(key, "")) for key in type_words()}


@cache
def class_of() -> Mapping[Code, str]:
    """Type → its class, a code of TRE_A03."""
    tree = of(_CLASS_OF, "ConceptMap") or {}
    return {
        (group["source"], element["code"]): str(element["target"][0]["code"])
        for group in tree.get("group", ())
        for element in group.get("element", ())
        if element.get("target")
    }


def _of_class(code: str) -> str:
    return next((name for name, row in CATEGORIES.items() if code in row.classes), REST)
