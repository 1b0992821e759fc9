"""What people are told of, and in which words: a table, so that no message can say more than it.

Domain file §2.11: six kinds, which a person turns on and off. A notice says that there is something to see, and where;
never what, of whom or by whom (CSP R1111-43, L1110-4): no word of a message comes from what happened. Not an app's name
either, which tells of an illness as often as not.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.space.notices.occasion import KINDS, Kind, Language, Occasion, Words, both
from fhir_server.space.notices.occasions_of_identities import IDENTITIES
from fhir_server.space.notices.occasions_of_relatives import RELATIVES

__all__ = ["KINDS", "OCCASIONS", "Kind", "Language", "Occasion", "Words"]

#: Name → what it is. A kind is an occasion of its own name too: what is told where nothing closer is named.
OCCASIONS: Mapping[str, Occasion] = {
    "message": Occasion(
        "message",
        "/mes-messages",
        both(
            ("Vous avez un nouveau message", "Un nouveau message vous attend dans votre espace santé."),
            ("You have a new message", "A new message is waiting in your health space."),
        ),
        both(
            ("Un proche a un nouveau message", "Un nouveau message attend dans l’espace santé d’un proche."),
            ("A new message for a relative", "A new message is waiting in the health space of somebody you act for."),
        ),
    ),
    #: Of a professional: a patient has written.
    "reply": Occasion(
        "message",
        "/messages",
        both(
            ("Un patient vous a écrit", "Un message d’un patient vous attend dans votre messagerie."),
            ("A patient has written to you", "A message of a patient is waiting among your messages."),
        ),
    ),
    "document": Occasion(
        "document",
        "/mon-dossier",
        both(
            ("Vous avez un nouveau document", "Un document a été ajouté dans votre espace santé."),
            ("You have a new document", "A document was added to your health space."),
        ),
        both(
            ("Un proche a un nouveau document", "Un document a été ajouté dans l’espace santé d’un proche."),
            ("A new document for a relative", "A document was added to the health space of somebody you act for."),
        ),
    ),
    "visible": Occasion(
        "document",
        "/mon-dossier",
        both(
            (
                "Un document est disponible dans votre espace santé",
                "Un document est maintenant dans votre dossier médical. Vos professionnels de santé peuvent vous "
                "l’expliquer.",
            ),
            (
                "A document can be read in your health space",
                "A document is now in your health record. Your health professionals can explain it to you.",
            ),
        ),
        both(
            (
                "Un document est disponible dans l’espace santé d’un proche",
                "Un document est maintenant dans le dossier médical d’un proche. Ses professionnels de santé peuvent "
                "l’expliquer.",
            ),
            (
                "A document can be read in a relative’s health space",
                "A document is now in the health record of somebody you act for. Their health professionals can "
                "explain it.",
            ),
        ),
    ),
    "consult": Occasion(
        "document",
        "",
        both(
            (
                "Pensez à consulter votre professionnel de santé",
                "Un professionnel de santé qui vous a suivi récemment a une information à vous donner. Prenez "
                "rendez-vous avec lui, ou avec votre médecin traitant.",
            ),
            (
                "Please get in touch with your health professional",
                "A health professional who looked after you recently has something to tell you. Please make an "
                "appointment with them, or with your attending doctor.",
            ),
        ),
        both(
            (
                "Pensez à consulter le professionnel de santé d’un proche",
                "Un professionnel de santé qui a suivi récemment un proche a une information à lui donner. Prenez "
                "rendez-vous avec lui, ou avec son médecin traitant.",
            ),
            (
                "Please get in touch with a relative’s health professional",
                "A health professional who recently looked after somebody you act for has something to tell them. "
                "Please make an appointment, or see their attending doctor.",
            ),
        ),
    ),
    "appointment": Occasion(
        "appointment",
        "/mon-agenda",
        both(
            ("Un rendez-vous a changé", "Un rendez-vous a été ajouté ou modifié dans votre espace santé."),
            ("An appointment has changed", "An appointment was added or changed in your health space."),
        ),
        both(
            ("Le rendez-vous d’un proche a changé", "Un rendez-vous d’un proche a été ajouté ou modifié."),
            ("A relative’s appointment has changed", "An appointment of somebody you act for was added or changed."),
        ),
    ),
    "reminder": Occasion(
        "appointment",
        "/mon-agenda",
        both(
            ("Rappel de votre agenda", "Un rappel de votre agenda vous attend dans votre espace santé."),
            ("A reminder of your agenda", "A reminder of your agenda is waiting in your health space."),
        ),
        both(
            ("Rappel de l’agenda d’un proche", "Un rappel attend dans l’agenda d’un proche."),
            ("A reminder of a relative’s agenda", "A reminder is waiting in the agenda of somebody you act for."),
        ),
    ),
    #: The archive of one's data can be downloaded.
    "export": Occasion(
        "service",
        "/mes-donnees",
        both(
            (
                "Vos données peuvent être téléchargées",
                "Le fichier que vous avez demandé est prêt. Il est disponible pendant sept jours :",
            ),
            (
                "Your data can be downloaded",
                "The file that you asked for is ready. It is there for seven days:",
            ),
        ),
        both(
            (
                "Les données d’un proche peuvent être téléchargées",
                "Le fichier demandé pour un proche est prêt. Il est disponible pendant sept jours :",
            ),
            (
                "A relative’s data can be downloaded",
                "The file asked for somebody you act for is ready. It is there for seven days:",
            ),
        ),
        at_once=True,
    ),
    "service": Occasion(
        "service",
        "/mes-applications",
        both(
            (
                "Services synchronisés avec votre espace santé",
                "Des services peuvent échanger des données avec votre espace santé, comme vous l’avez accepté. Leur "
                "liste, et comment retirer ce que vous avez accepté :",
            ),
            (
                "Apps synchronised with your health space",
                "Apps may exchange data with your health space, as you accepted. Their list, and how to withdraw "
                "what you accepted:",
            ),
        ),
        both(
            (
                "Services synchronisés avec l’espace santé d’un proche",
                "Des services peuvent échanger des données avec l’espace santé d’un proche, comme cela a été accepté. "
                "Leur liste, et comment le retirer :",
            ),
            (
                "Apps synchronised with a relative’s health space",
                "Apps may exchange data with the health space of somebody you act for, as was accepted. Their list, "
                "and how to withdraw it:",
            ),
        ),
    ),
    "reconsent": Occasion(
        "service",
        "/mes-applications",
        both(
            (
                "Votre accord est de nouveau demandé",
                "Un service a changé ce qu’il fait de vos données. Sans nouvel accord de votre part, il n’échangera "
                "plus les données concernées. Lequel, et jusqu’à quand décider :",
            ),
            (
                "Your agreement is asked again",
                "An app has changed what it does with your data. Without a new agreement of yours it will no longer "
                "exchange the data concerned. Which one, and until when to decide:",
            ),
        ),
        both(
            (
                "Un accord est de nouveau demandé pour un proche",
                "Un service a changé ce qu’il fait des données d’un proche. Sans nouvel accord, il n’échangera plus "
                "les données concernées. Lequel, et jusqu’à quand décider :",
            ),
            (
                "An agreement for a relative is asked again",
                "An app has changed what it does with the data of somebody you act for. Without a new agreement it "
                "will no longer exchange the data concerned. Which one, and until when to decide:",
            ),
        ),
    ),
    "screening": Occasion(
        "screening",
        "/mon-agenda",
        both(
            ("Une information de prévention vous attend", "Une information de prévention est dans votre espace santé."),
            ("Prevention: something to read", "Information on prevention is in your health space."),
        ),
        both(
            (
                "Une information de prévention pour un proche",
                "Une information de prévention est dans l’espace santé d’un proche.",
            ),
            (
                "Prevention: something to read for a relative",
                "Information on prevention is in the health space of somebody you act for.",
            ),
        ),
    ),
    "access": Occasion(
        "access",
        "/mes-acces",
        both(
            (
                "Votre espace santé a été consulté",
                "Un professionnel a ouvert votre espace santé pour la première fois.",
            ),
            ("Your health space was opened", "A professional opened your health space for the first time."),
        ),
        both(
            (
                "L’espace santé d’un proche a été consulté",
                "Un professionnel a ouvert pour la première fois l’espace santé d’un proche.",
            ),
            (
                "A relative’s health space was opened",
                "A professional opened the health space of somebody you act for, for the first time.",
            ),
        ),
    ),
    "agreement": Occasion(
        "access",
        "/mon-dossier",
        both(
            (
                "Un professionnel peut consulter votre dossier médical",
                "Un professionnel a déclaré que vous acceptez qu’il consulte votre dossier médical. Qui, et comment "
                "le retirer :",
            ),
            (
                "A professional may consult your health record",
                "A professional said that you agreed to them consulting your health record. Who it is, and how to "
                "take it back:",
            ),
        ),
        both(
            (
                "Un professionnel peut consulter le dossier médical d’un proche",
                "Un professionnel a déclaré qu’il a l’accord nécessaire pour consulter le dossier médical d’un proche. "
                "Qui, et comment le retirer :",
            ),
            (
                "A professional may consult a relative’s health record",
                "A professional said that they have the agreement to consult the health record of somebody you act "
                "for. Who it is, and how to take it back:",
            ),
        ),
    ),
    "emergency": Occasion(
        "access",
        "/mes-acces",
        both(
            (
                "Votre espace santé a été ouvert en urgence",
                "Un professionnel a ouvert votre espace santé en déclarant une urgence. Qui, quand et pourquoi :",
            ),
            (
                "Your health space was opened in an emergency",
                "A professional opened your health space and said that it was an emergency. Who, when and why:",
            ),
        ),
        both(
            (
                "L’espace santé d’un proche a été ouvert en urgence",
                "Un professionnel a ouvert l’espace santé d’un proche en déclarant une urgence. Qui, quand et "
                "pourquoi :",
            ),
            (
                "A relative’s health space was opened in an emergency",
                "A professional opened the health space of somebody you act for and said that it was an emergency. "
                "Who, when and why:",
            ),
        ),
        at_once=True,
    ),
    #: Of the doctor who attends the patient.
    "emergency-attending": Occasion(
        "access",
        "",
        both(
            (
                "Le dossier de l’un de vos patients a été ouvert en urgence",
                "Un professionnel a ouvert en urgence le dossier de l’un des patients dont vous êtes le médecin "
                "traitant. Les traces de ce dossier disent qui, quand et pourquoi.",
            ),
            (
                "The record of one of your patients was opened in an emergency",
                "A professional opened, in an emergency, the record of one of the patients whose attending doctor you "
                "are. The traces of that record say who, when and why.",
            ),
        ),
        at_once=True,
    ),
    **RELATIVES,
    **IDENTITIES,
}
