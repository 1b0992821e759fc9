"""What the constraint of a granular scope leaves, in words: `category=…|laboratory` is "category: laboratory results".

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters.
Nobody can agree to what they cannot read (RGPD art. 4(11) and 7(2)): no query is shown as it is written.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

#: French, English.
Words = tuple[str, str]

#: Search parameter → what it is called.
PARAMETERS: dict[str, Words] = {
    "_lastUpdated": ("dernière modification", "last change"),
    "_profile": ("profil", "profile"),
    "_security": ("niveau de confidentialité", "confidentiality"),
    "_source": ("provenance", "source"),
    "_tag": ("étiquette", "tag"),
    "author": ("auteur", "author"),
    "authored": ("date de prescription", "date of prescription"),
    "authoredon": ("date de prescription", "date of prescription"),
    "category": ("catégorie", "category"),
    "class": ("type de séjour", "class"),
    "clinical-status": ("état clinique", "clinical status"),
    "code": ("code", "code"),
    "criticality": ("gravité", "criticality"),
    "date": ("date", "date"),
    "identifier": ("identifiant", "identifier"),
    "intent": ("intention", "intent"),
    "medium": ("voie", "medium"),
    "onset-date": ("date d’apparition", "date of onset"),
    "patient": ("patient", "patient"),
    "period": ("période", "period"),
    "recorded-date": ("date d’enregistrement", "date recorded"),
    "status": ("état", "status"),
    "subject": ("patient", "patient"),
    "type": ("type", "type"),
    "vaccine-code": ("vaccin", "vaccine"),
    "verification-status": ("certitude", "verification status"),
}
#: Code → what it means, where that is the same in whatever it is a code of.
CODES: dict[str, Words] = {
    "active": ("en cours", "active"),
    "activity": ("activité physique", "activity"),
    "completed": ("terminé", "completed"),
    "confirmed": ("confirmé", "confirmed"),
    "current": ("en vigueur", "current"),
    "encounter-diagnosis": ("diagnostic d’un séjour", "encounter diagnosis"),
    "exam": ("examen clinique", "exam"),
    "final": ("définitif", "final"),
    "health-concern": ("préoccupation de santé", "health concern"),
    "imaging": ("imagerie", "imaging"),
    "inactive": ("inactif", "inactive"),
    "laboratory": ("résultats de laboratoire", "laboratory results"),
    "LAB": ("laboratoire", "laboratory"),
    "preliminary": ("provisoire", "preliminary"),
    "problem-list-item": ("problème suivi", "problem list item"),
    "procedure": ("actes", "procedures"),
    "resolved": ("résolu", "resolved"),
    "social-history": ("mode de vie", "social history"),
    "survey": ("questionnaires", "surveys"),
    "therapy": ("traitement", "therapy"),
    "vital-signs": ("signes vitaux", "vital signs"),
}
#: Code system → what it is called.
SYSTEMS: dict[str, str] = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED CT",
    "http://unitsofmeasure.org": "UCUM",
    "http://www.whocc.no/atc": "ATC",
    "http://hl7.org/fhir/sid/icd-10": "CIM-10",
    "https://smt.esante.gouv.fr/terminologie-cim-10": "CIM-10",
}
#: Modifier → what is said before the values.
MODIFIERS: dict[str, Words] = {
    "": ("", ""),
    "not": ("sauf ", "except "),
    "in": ("dans la liste ", "in the list "),
    "not-in": ("hors de la liste ", "not in the list "),
    "below": ("et ce qui en relève : ", "and what is part of it: "),
    "above": ("et ce dont cela relève : ", "and what it is part of: "),
    "text": ("contenant ", "containing "),
    "contains": ("contenant ", "containing "),
    "exact": ("exactement ", "exactly "),
    "of-type": ("du type ", "of type "),
    "identifier": ("d’identifiant ", "with identifier "),
}
#: Prefix of a date or quantity → what is said before it.
PREFIXES: dict[str, Words] = {
    "eq": ("", ""),
    "ne": ("sauf ", "except "),
    "gt": ("après ", "after "),
    "sa": ("après ", "after "),
    "ge": ("à partir de ", "from "),
    "lt": ("avant ", "before "),
    "eb": ("avant ", "before "),
    "le": ("jusqu’à ", "until "),
    "ap": ("vers ", "about "),
}
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=\d)")
#: What hides or reorders what is read.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_OR: Words = (" ou ", " or ")


def constraint(query: str) -> Words:
    """The words of a constraint, `name=value&name=value`."""
    parts = [_condition(*pair.partition("=")[::2]) for pair in query.split("&") if pair]
    return " ; ".join(fr for fr, _ in parts), "; ".join(en for _, en in parts)


def _condition(name: str, given: str) -> Words:
    code, _, modifier = _shown(name).partition(":")
    label = PARAMETERS.get(code) or (code.replace("-", " "),) * 2
    if modifier == "missing":
        there = given == "false"
        return (
            f"{label[0]} {'indiqué' if there else 'non indiqué'}",
            f"{label[1]} {'given' if there else 'not given'}",
        )
    before = MODIFIERS.get(modifier) or (f"({modifier}) ",) * 2
    values = [_value(one) for one in re.split(r"(?<!\\),", given)]
    fr, en = (_OR[n].join(value[n] for value in values) for n in (0, 1))
    return f"{label[0]} : {before[0]}{fr}", f"{label[1]}: {before[1]}{en}"


def _value(given: str) -> Words:
    text = _shown(given).replace("\\,", ",").replace("\\|", "|")
    prefix = _PREFIXED.match(text)
    if prefix:
        return PREFIXES[prefix[1]][0] + text[2:], PREFIXES[prefix[1]][1] + text[2:]
    system, bar, code = text.rpartition("|")
    known = CODES.get(code)
    if known:
        return known
    if not code and bar:
        return f"tout code de {_named(system)}", f"any code of {_named(system)}"
    own = f"{code} ({_named(system)})" if system else code
    return own, own


def _named(system: str) -> str:
    return SYSTEMS.get(system) or system.rstrip("/").rpartition("/")[2].rpartition(":")[2]


def _shown(text: str) -> str:
    return _UNSEEN.sub("�", unquote_plus(text))
