"""Why a message was refused, in the words of whoever reads the page, beside what the record's pages say in French.

RGAA 4.1 criterion 8.7: a French page speaks French. The keys are what the room's rules say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhir_server.fhir.outcome import FhirError
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.record.pages.refusals import french as of_the_record

#: What ended says: the page knows by whom.
ENDED = "The professional has ended this exchange: nobody writes in it."

#: What the rules of messages say, as a pattern → the same in French; {0} is what the pattern's group found.
WORDS: Mapping[str, str] = {
    # Who writes to whom.
    r"The sender is who writes, or whom they act for\.": "Vous ne pouvez pas écrire sous ce nom.",
    r"The patient of an exchange is one, and no other patient takes part\.": (
        "Un échange concerne un seul patient, et aucun autre patient n’y prend part."
    ),
    r"A professional's message is to the patient\.": "Le message d’un professionnel s’adresse au patient.",
    r"A patient's message is to professionals alone\.": (
        "Le message d’un patient s’adresse à des professionnels seulement."
    ),
    r"A recipient is not here, or is no longer active\.": (
        "Un destinataire n’est pas dans l’annuaire, ou n’exerce plus."
    ),
    r"There is no such message to answer in this exchange\.": "Le message auquel vous répondez n’existe pas.",
    re.escape(ENDED): "Le professionnel a clos cet échange : personne n’y écrit plus.",
    r"A patient answers, or writes to a professional who wrote to them and has not ended the exchange, or to a "
    r"pharmacy that dispensed to them within a year\.": (
        "Vous pouvez répondre à un professionnel, ou écrire à un professionnel qui vous a écrit sans clore l’échange, "
        "ou à une pharmacie qui vous a délivré des médicaments depuis moins d’un an."
    ),
    r"The patient's health space is closed\.": "L’espace santé du patient est fermé.",
    r"The patient has blocked a professional of this exchange\.": (
        "Le patient a bloqué un professionnel de cet échange."
    ),
    r"A message has (\d+) recipients at most\.": "Un message a {0} destinataires au plus.",
    r"With the end of an exchange nothing else is written in it\.": "L’échange est clos : rien d’autre n’y est écrit.",
    r"Only a professional ends an exchange\.": "Seul un professionnel clôt un échange.",
    # Drafts, and what was sent.
    r"A message is a draft, or sent\.": "Un message est un brouillon, ou il est envoyé.",
    r"A message that was sent is not deleted\.": "Un message envoyé ne se supprime pas.",
    r"A message that was sent does not change: another message says what is otherwise\.": (
        "Un message envoyé ne change plus : écrivez-en un autre."
    ),
    # What goes with it.
    r"The files of a patient's message have 5 MB together at most\.": (
        "Les fichiers d’un message font 5 Mo au plus, tous ensemble."
    ),
    r"A text of a message has (\d+) characters at most\.": "Un texte d’un message a {0} caractères au plus.",
    r"What a message says has (\d+) characters together at most, its files apart\.": (
        "Un message a {0} caractères au plus, sans ses fichiers."
    ),
    r"A message has (\d+) parts at most\.": "Un message a {0} fichiers et documents au plus.",
    r"A document sent along is the patient's, and seen by the sender\.": (
        "Un document joint n’est pas, ou n’est plus, dans le dossier que vous voyez."
    ),
    r"What a message refers to is here, of its patient, and seen by who writes it\.": (
        "Ce à quoi le message renvoie n’est pas, ou n’est plus, dans le dossier que vous voyez."
    ),
    r"There is no such content here\.": "Un fichier joint n’est plus ici.",
    r"The subject of a message is one line, without control characters\.": (
        "L’objet tient sur une ligne, sans caractère invisible."
    ),
    r"The name of a file is one line, without control characters\.": (
        "Le nom d’un fichier tient sur une ligne, sans caractère invisible."
    ),
    r"Only the patient saves a file to their record\.": "Seul le patient enregistre un fichier dans son dossier.",
}
_KNOWN = tuple((re.compile(pattern), words) for pattern, words in WORDS.items())


def refused(error: FhirError, ended_by: str = "") -> tuple[Refusal, ...]:
    """Why, each reason once.

    Args:
        error: of what the page asked.
        ended_by: name of who ended the exchange, where the reader knows it.
    """
    said = [issue.diagnostics for issue in error.issues if issue.severity in ("error", "fatal")]
    return tuple(_named(one, ended_by) for one in dict.fromkeys(said))


def french(diagnostics: str) -> str:
    """What the server said, in French; "" of what is not known here."""
    found = ((pattern.fullmatch(diagnostics), words) for pattern, words in _KNOWN)
    return next((words.format(*match.groups()) for match, words in found if match), "") or of_the_record(diagnostics)


def _named(said: str, ended_by: str) -> Refusal:
    if said == ENDED and ended_by:
        return f"L’échange a été clos par {ended_by} : personne n’y écrit plus.", f"{ended_by} ended this exchange."
    return french(said), said
