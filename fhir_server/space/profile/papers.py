"""A patient summary on paper, in French or in English, for a journey: the document's sections in lines of a PDF/A.

Words of the record stay in the language in which they were written; titles, measures, statuses and what this server
coded itself are in that of the paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.operations.references import Key
from fhir_server.space.names import name_of
from fhir_server.space.printing import printed_pages
from fhir_server.space.profile.composing import TITLES
from fhir_server.space.profile.narrative import NOTHING_SHOWN, line

Tree = dict[str, Any]
_SEXES = {"female": ("femme", "female"), "male": ("homme", "male")}
_WORDS: Mapping[str, tuple[str, str]] = {
    "name": ("Nom", "Name"),
    "born": ("Date de naissance (AAAA-MM-JJ)", "Date of birth (YYYY-MM-DD)"),
    "sex": ("Sexe", "Sex"),
    "made": ("Établi le (AAAA-MM-JJ)", "Made on (YYYY-MM-DD)"),
    "note": (
        "Résumé établi par Mon espace santé à partir du dossier de cette personne ; aucun professionnel ne l’a relu.",
        "Summary made by Mon espace santé from this person’s health record; no professional has reviewed it. Words of "
        "the record are in the language in which they were written.",
    ),
    "unsaid": (
        "Une rubrique sans information ne dit pas qu’il n’y a rien.",
        "A section without information does not say that there is nothing.",
    ),
}


async def paper(bundle: Tree, language: str) -> bytes:
    """The PDF of a summary (a document Bundle), in "fr" or "en"."""
    return await printed_pages(TITLES[language], _lines(bundle, language), "en" if language == "en" else "fr-FR")


def _lines(bundle: Tree, language: str) -> Iterator[str]:
    inside: dict[Key, Tree] = {_key(entry["resource"]): entry["resource"] for entry in bundle["entry"]}
    composition = bundle["entry"][0]["resource"]
    person = next(tree for (type, _), tree in inside.items() if type == "Patient")
    spoken = language == "en"
    sex = _SEXES.get(str(person.get("gender")), ("", ""))[spoken]
    said = {"name": name_of(person), "born": person.get("birthDate", ""), "sex": sex, "made": bundle["timestamp"][:10]}
    for name, value in said.items():
        if value:
            yield f"{_WORDS[name][spoken]} : {value}" if language == "fr" else f"{_WORDS[name][spoken]}: {value}"
    yield ""
    yield _WORDS["note"][spoken]
    yield _WORDS["unsaid"][spoken]
    for section in composition["section"]:
        yield ""
        yield section["title"].upper()
        trees = [inside[_named(one["reference"])] for one in section.get("entry", ())]
        yield from [f"- {line(tree, inside, language)}" for tree in trees] or [NOTHING_SHOWN[language]]


def _key(tree: Tree) -> Key:
    return str(tree["resourceType"]), str(tree["id"])


def _named(reference: str) -> Key:
    type, id = reference.rsplit("/", 2)[-2:]
    return type, id
