"""What notices say, in French and English. They name apps and dates, never anything of a person's health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fhir_server.jobs.recipients import Language

_MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()

Letter = tuple[str, str]


def synchronised(language: Language, apps: Sequence[str], link: str) -> Letter:
    """Subject and text of the reminder of the apps that a space exchanges data with."""
    listed = "\n".join(f"  - {name}" for name in apps)
    if language == "en":
        return (
            "Apps synchronised with your health space",
            f"Hello,\n\nThese apps may exchange data with your health space, as you accepted:\n\n{listed}\n\n"
            f"You may withdraw at any time what you accepted:\n{link}\n",
        )
    return (
        "Services synchronisés avec votre espace santé",
        f"Bonjour,\n\nCes services peuvent échanger des données avec votre espace santé, comme vous l’avez accepté :"
        f"\n\n{listed}\n\nVous pouvez à tout moment retirer ce que vous avez accepté :\n{link}\n",
    )


def reconsent(language: Language, app: str, deadline: date, link: str) -> Letter:
    """Subject and text of the notice that a new version of an app asks anew."""
    if language == "en":
        return (
            f"{app}: your agreement is asked again",
            f"Hello,\n\nThe app {app} has changed what it does with your data. Without a new agreement of yours by "
            f"{deadline.isoformat()}, it will no longer exchange the data concerned. Open the app to decide, or look "
            f"here at what you accepted:\n{link}\n",
        )
    day = f"{'1er' if deadline.day == 1 else deadline.day} {_MONTHS[deadline.month - 1]} {deadline.year}"
    return (
        f"{app} : votre accord est de nouveau demandé",
        f"Bonjour,\n\nLe service {app} a changé ce qu’il fait de vos données. Sans nouvel accord de votre part avant "
        f"le {day} inclus, il n’échangera plus les données concernées. Ouvrez le service pour décider, ou revoyez ici "
        f"ce que vous avez accepté :\n{link}\n",
    )


def emergency(language: Language, link: str) -> Letter:
    """Subject and text of the notice to the holder that their record was opened in an emergency."""
    if language == "en":
        return (
            "Your health space was opened in an emergency",
            f"Hello,\n\nA professional opened your health space and said that it was an emergency. Who, when and why "
            f"is written here:\n{link}\n",
        )
    return (
        "Votre espace santé a été ouvert en urgence",
        f"Bonjour,\n\nUn professionnel a ouvert votre espace santé en déclarant une urgence. Qui, quand et pourquoi, "
        f"vous le lisez ici :\n{link}\n",
    )


def emergency_to_doctor() -> Letter:
    """Subject and text of the notice to the attending doctor; the patient is not named in a message."""
    return (
        "Le dossier de l’un de vos patients a été ouvert en urgence",
        "Bonjour,\n\nUn professionnel a ouvert en urgence le dossier de l’un des patients dont vous êtes le médecin "
        "traitant. Les traces de ce dossier disent qui, quand et pourquoi.\n",
    )


def agreement(language: Language, link: str) -> Letter:
    """Subject and text of the notice that a professional said the holder agreed to their record being read."""
    if language == "en":
        return (
            "A professional may consult your health record",
            f"Hello,\n\nA professional said that you agreed to them consulting your health record. Who it is, and how "
            f"to take it back, is written here:\n{link}\n",
        )
    return (
        "Un professionnel peut consulter votre dossier médical",
        f"Bonjour,\n\nUn professionnel a déclaré que vous acceptez qu’il consulte votre dossier médical. Qui, et "
        f"comment le retirer, vous le lisez ici :\n{link}\n",
    )


def consult(language: Language) -> Letter:
    """Subject and text of the request to consult the professional who has something to say; it says no more."""
    if language == "en":
        return (
            "Please get in touch with your health professional",
            "Hello,\n\nA health professional who looked after you recently has something to tell you. Please make an "
            "appointment with them, or with your attending doctor.\n",
        )
    return (
        "Pensez à consulter votre professionnel de santé",
        "Bonjour,\n\nUn professionnel de santé qui vous a suivi récemment a une information à vous donner. Prenez "
        "rendez-vous avec lui, ou avec votre médecin traitant.\n",
    )


def visible(language: Language, link: str) -> Letter:
    """Subject and text of the notice that a document is there which the holder did not see before."""
    if language == "en":
        return (
            "A document can be read in your health space",
            f"Hello,\n\nA document is now in your health record. Your health professionals can explain it to you. You "
            f"read it here:\n{link}\n",
        )
    return (
        "Un document est disponible dans votre espace santé",
        f"Bonjour,\n\nUn document est maintenant dans votre dossier médical. Vos professionnels de santé peuvent vous "
        f"l’expliquer. Vous le lisez ici :\n{link}\n",
    )
