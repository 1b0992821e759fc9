"""Why the server refused what a page asked of it, in the words of whoever reads the page.

An OperationOutcome speaks English to who programs. RGAA 4.1 criterion 8.7: what is in another language is marked so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhir_server.fhir.outcome import FhirError

#: The same in French, "" where there is none, and in English.
Refusal = tuple[str, str]

#: What the rules of the record say, as a pattern → the same in French; {0} is what the pattern's group found.
WORDS: Mapping[str, str] = {
    # Documents.
    r"A document is current when it is filed\.": "Un document est en vigueur quand il est déposé.",
    r"Who files for themselves is the author, and no professional is\.": (
        "Qui dépose pour soi est l’auteur du document ; aucun professionnel ne l’est."
    ),
    r"It is EXP_PATIENT, or SNR for an app's\.": "Le secteur est celui d’un document de patient, ou d’une application.",
    r"(\S+) is not this caller's to file\.": "Ce type de document ({0}) n’est pas à vous de le déposer.",
    r"Documents of that type are filed by patients\.": "Ce type de document est déposé par les patients.",
    r"A patient files documents of the types EXPPAT_… and DOCPAT…\.": (
        "Un patient dépose des documents des types prévus pour les patients."
    ),
    r"Only who wrote a document changes this of it\.": "Seul l’auteur d’un document peut changer cela.",
    r"This does not change: a new document replaces this one\.": (
        "Cela ne change pas : un nouveau document remplace celui-ci."
    ),
    r"The status of a document does not become that\.": "Un document ne peut pas passer à cet état.",
    r"A document is deleted by its author with PATCH: status entered-in-error\.": (
        "Un document est supprimé par son auteur seulement."
    ),
    r"The content of a document does not change: a new document replaces it\.": (
        "Le contenu d’un document ne change pas : un nouveau document le remplace."
    ),
    r"(\S+) is not this caller's to add\.": "Ce choix de visibilité ({0}) n’est pas à vous de le faire.",
    r"(\S+) is not this caller's to remove\.": "Ce choix de visibilité ({0}) n’est pas à vous de le retirer.",
    r"The server says from when the patient sees the document\.": (
        "Le moment à partir duquel le patient voit le document est fixé par le service."
    ),
    r"Several labels hide this document: take away the one that is meant with remove\.": (
        "Plusieurs choix cachent ce document : dites lequel retirer."
    ),
    # Contents.
    r"The antivirus refuses this content: (.+)\.": "L’antivirus refuse ce fichier : {0}.",
    r"The content is longer than the antivirus takes\.": "Le fichier est trop volumineux pour l’antivirus.",
    r"Content cannot be looked through for viruses now\.": (
        "Le fichier ne peut pas être examiné par l’antivirus pour l’instant. Réessayez dans quelques minutes."
    ),
    r"A patient's document has a title of at most (\d+) characters\.": "Le titre a {0} caractères au plus.",
    r"Content is of one of these types: (.+)\.": "Le fichier est de l’un de ces types : {0}.",
    r"A patient's document has at most (\d+) bytes\.": "Le fichier a {0} octets au plus.",
    r"The content does not begin as content of this type does\.": (
        "Le contenu du fichier n’est pas du type qu’il dit être."
    ),
    # What replaces another.
    r"A document does not replace itself\.": "Un document ne se remplace pas lui-même.",
    r"What it replaces is not here\.": "Le document à remplacer n’est pas ici.",
    r"A document is replaced by who wrote it, or for the organisation that it was written for\.": (
        "Un document est remplacé par son auteur, ou pour la structure pour laquelle il a été écrit."
    ),
    r"What it replaces is a document of another patient\.": "Le document à remplacer est celui d’un autre patient.",
    r"What it replaces is not current: another has replaced it\.": "Le document à remplacer l’a déjà été par un autre.",
    r"What it replaces replaces this document\.": "Le document à remplacer remplace celui-ci.",
    r"Another document has this identifier, which is one document's alone\.": (
        "Un autre document a cet identifiant, qui n’est que d’un seul."
    ),
    # Choices.
    r"Only the holder, or the legal representative of a minor, decides on who sees the record\.": (
        "Seul le titulaire, ou le représentant légal d’un mineur, décide de qui voit le dossier."
    ),
    r"Others keep changing the same choices; try again\.": (
        "Ces choix sont en train d’être changés par ailleurs. Réessayez."
    ),
    r"An end lies ahead, and is of what is chosen\.": "Une fin est à venir, et de ce qui est choisi.",
    r"A choice of this kind (?:names a professional|is about no professional)\.": (
        "Ce choix n’est pas fait comme il doit l’être."
    ),
    r"There is no such Practitioner\.": "Ce professionnel n’est pas dans l’annuaire.",
    r"What a professional wrote is not the patient's to change\.": (
        "Un professionnel a écrit cela : seul un professionnel le change."
    ),
    r"Who writes for themselves is the recorder, and no professional is\.": (
        "Qui écrit pour soi, ou pour un proche, n’écrit au nom d’aucun professionnel."
    ),
    r"This is no possible value of the measure in its unit\.": "Cette valeur n’est pas possible dans cette unité.",
    r"A measure is not of a day to come\.": "Ce jour est dans l’avenir.",
    r"A measure is not of a day before its patient's birth\.": "Ce jour est avant la naissance.",
    r"The record is closed: nothing is filed in it until it is opened again\.": (
        "Cet espace est fermé : rien n’y est déposé tant qu’il n’est pas rouvert."
    ),
    r"There is no such Patient\.": "Ce patient n’est pas connu ici.",
    r"A professional may say that the patient agreed to them, and nothing else of a patient's choices\.": (
        "Un professionnel déclare l’accord du patient à sa propre consultation, et rien d’autre."
    ),
    r"The patient has blocked this professional, who can be authorised once that is taken back\.": (
        "Le patient a bloqué ce professionnel : il peut l’autoriser après l’avoir débloqué."
    ),
    r"An agreement that a professional declares ends within (\d+) days\.": "Cet accord dure {0} jours au plus.",
    # Of any write.
    r".*(?:has changed meanwhile|version).*": "Cela a changé entre-temps. Rechargez la page, puis recommencez.",
}
_KNOWN = tuple((re.compile(pattern), french) for pattern, french in WORDS.items())


def refused(error: FhirError) -> list[Refusal]:
    """Why, each reason once: no value of a patient's is among them."""
    said = [issue.diagnostics for issue in error.issues if issue.severity in ("error", "fatal")]
    return [(french(one), one) for one in dict.fromkeys(said)]


def french(diagnostics: str) -> str:
    """What the server said, in French; "" of what is not known here."""
    found = ((pattern.fullmatch(diagnostics), words) for pattern, words in _KNOWN)
    return next((words.format(*match.groups()) for match, words in found if match), "")
