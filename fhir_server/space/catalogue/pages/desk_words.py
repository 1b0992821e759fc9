"""What the desks call states, steps and duties, and what they say of what is wrong; in French and in English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fhir_server.fhir.outcome import Issue
from fhir_server.site.words import KINDS
from fhir_server.space.catalogue.completeness import LONGEST, MOST_PURPOSES, MOST_SCOPES
from fhir_server.space.catalogue.impact_assessment import LARGEST

Words = tuple[str, str]

STATES: Mapping[str, Words] = {
    "filed": ("Déposé, à vérifier", "Filed, to be verified"),
    "incomplete": ("À compléter par l’éditeur", "To be completed by the publisher"),
    "verified": ("Vérifié, avis attendu", "Verified, awaiting an opinion"),
    "opined": ("Avis rendu, décision attendue", "Opinion given, awaiting a decision"),
    "accepted": ("Accepté, convention à signer", "Accepted, convention to be signed"),
    "refused": ("Refusé", "Refused"),
    "abandoned": ("Abandonné par l’éditeur", "Abandoned by the publisher"),
    "signed": ("Référencé", "Referenced"),
    "suspended": ("Suspendu", "Suspended"),
    "offline": ("Hors ligne", "Off line"),
    "dereferenced": ("Déréférencé", "Removed from the catalogue"),
    "superseded": ("Remplacé par une version plus récente", "Replaced by a newer version"),
}
#: Step → (what the button says, what was done).
STEPS: Mapping[str, tuple[Words, Words]] = {
    "file": (("Déposer le dossier", "File"), ("Dépôt", "Filed")),
    "complete": (("Redéposer le dossier complété", "File again, completed"), ("Complément", "Completed")),
    "abandon": (("Abandonner le dossier", "Abandon the file"), ("Abandon", "Abandoned")),
    "return": (("Renvoyer à l’éditeur", "Return to the publisher"), ("Renvoi à l’éditeur", "Returned")),
    "verify": (("Valider la vérification", "Verification passed"), ("Vérification", "Verified")),
    "opine": (("Rendre l’avis", "Give the opinion"), ("Avis de la commission", "Opinion of the commission")),
    "accept": (("Accepter le référencement", "Accept"), ("Décision favorable", "Accepted")),
    "refuse": (("Refuser le référencement", "Refuse"), ("Décision de refus", "Refused")),
    "sign": (
        ("Signer la convention et mettre en ligne", "Sign the convention and put on line"),
        ("Signature de la convention", "Convention signed"),
    ),
    "suspend": (("Suspendre", "Suspend"), ("Suspension", "Suspended")),
    "resume": (("Lever la suspension", "End the suspension"), ("Fin de la suspension", "Suspension ended")),
    "take-offline": (("Mettre hors ligne", "Take off line"), ("Mise hors ligne", "Taken off line")),
    "put-online": (("Remettre en ligne", "Put on line"), ("Mise en ligne", "Put on line")),
    "dereference": (
        ("Déréférencer définitivement", "Remove from the catalogue for good"),
        ("Déréférencement", "Removed from the catalogue"),
    ),
    "supersede": (("", ""), ("Remplacement par une version plus récente", "Replaced by a newer version")),
}
DUTIES: Mapping[str, Words] = {
    "publisher": ("éditeur", "publisher"),
    "verifier": ("vérificateur", "verifier"),
    "commission": ("commission", "commission"),
    "administrator": ("administrateur", "administrator"),
}
OPINIONS: Mapping[str, Words] = {
    "favourable": ("Favorable", "Favourable"),
    "reserved": ("Favorable avec réserves", "Favourable, with reservations"),
    "unfavourable": ("Défavorable", "Unfavourable"),
}
VERDICTS: Mapping[str, Words] = {
    "met": ("Conforme", "Met"),
    "not-met": ("Non conforme", "Not met"),
    "not-applicable": ("Sans objet", "Not applicable"),
}
#: Key of an issue → what is said beside its field; of an issue without a row its kind.
WRONG: Mapping[str, Words] = {
    "missing": ("À remplir.", "To be filled in."),
    "too-long": (f"{LONGEST} caractères au plus.", f"{LONGEST} characters at most."),
    "https": ("Une adresse qui commence par https://", "An address that begins with https://"),
    "redirect": (
        "Chaque adresse commence par https:// (ou http:// sur la machine de la personne), sans # ni *.",
        "Each address begins with https:// (or http:// on the person’s own machine), without # or *.",
    ),
    "no-redirect": (
        "Sans adresse de retour, personne ne pourrait ouvrir l’application.",
        "Without a redirect URI nobody could open the app.",
    ),
    "no-keys": (
        "Des droits system/ demandent des clés publiques, ou leur adresse.",
        "system/ scopes need public keys, or their address.",
    ),
    "keys": (
        "Un JWKS de clés publiques : RSA de 2048 bits ou plus, ou EC P-384, chacune avec son kid.",
        "A JWKS of public keys: RSA of 2048 bits or more, or EC P-384, each with its kid.",
    ),
    "keys-twice": ("Les clés ou leur adresse, pas les deux.", "The keys or their address, not both."),
    "category": ("Choisissez au moins une catégorie.", "Choose at least one category."),
    "same-version": (
        "Un nouveau dossier porte sur une nouvelle version : changez le numéro.",
        "A new file is for a new version: change the number.",
    ),
    "needless-purpose": ("Une application sans échange n’a pas de finalité.", "Without exchanges there is no purpose."),
    "option": ("Choisissez une réponse.", "Choose an answer."),
    "secondary-use": (
        "Les données de l’espace de santé ne servent qu’aux finalités déclarées.",
        "Data of the space serve the declared purposes only.",
    ),
    "kind": ("Un fichier PDF ou OpenDocument (.odt).", "A PDF or OpenDocument (.odt) file."),
    "too-large": (f"{LARGEST // 1024 // 1024} Mo au plus.", f"{LARGEST // 1024 // 1024} MB at most."),
    "purposes": (f"De 1 à {MOST_PURPOSES} finalités.", f"1 to {MOST_PURPOSES} purposes."),
    "same-code": ("Ce code est celui d’une autre finalité.", "Another purpose has this code."),
    "purpose-code": (
        "Le code : lettres minuscules sans accent, chiffres et tirets.",
        "The code: small letters, digits and hyphens.",
    ),
    "actions": ("Choisissez lecture, écriture ou les deux.", "Choose reading, writing or both."),
    "data-category": ("Une catégorie par ligne : système|code|libellé.", "One category a line: system|code|words."),
    "scopes": (f"De 1 à {MOST_SCOPES} droits SMART, un par ligne.", f"1 to {MOST_SCOPES} SMART scopes, one a line."),
    "scope": ("Une ligne n’est pas un droit SMART sur des ressources.", "A line is no SMART scope about resources."),
    "scope-type": ("Nommez les types utiles au lieu de « * ».", "Name the types that are needed, not “*”."),
    "scope-level": (
        "Une application pour patients demande des droits patient/… seulement.",
        "An app for patients asks for patient/… scopes alone.",
    ),
    "scope-verbs": (
        "Un droit va plus loin que la lecture ou l’écriture choisie.",
        "A scope does more than the reading or writing chosen.",
    ),
    "unknown-criterion": ("Ce critère n’est pas demandé.", "This criterion is not asked."),
    "comment-missing": ("Expliquez pourquoi.", "Say why."),
    "criterion-open": ("Choisissez un résultat.", "Choose a result."),
    "criterion-unmet": (
        "Non conforme : le dossier se renvoie à l’éditeur.",
        "Not met: the file is returned to its publisher.",
    ),
    "not-begun": ("Au plus tard aujourd’hui : signer met en ligne.", "Today at the latest: signing puts on line."),
    "past": ("Aujourd’hui ou plus tard, et après le début.", "Today or later, and after the beginning."),
    "day": ("Une date : AAAA-MM-JJ.", "A day: YYYY-MM-DD."),
    "needless": ("À laisser vide pour cette étape.", "To be left empty for this step."),
    "other-duty": ("Cette étape revient à une autre fonction.", "This step is for another duty."),
    "no-step": ("Cette étape n’existe pas.", "There is no such step."),
    "not-now": (
        "Cette étape n’est pas possible là où en est le dossier.",
        "This step is not possible where the file stands.",
    ),
    "app-gone": ("L’application n’existe plus.", "The app is no more."),
    "app-suspended": (
        "L’application est suspendue : levez d’abord la suspension.",
        "The app is suspended: end the suspension first.",
    ),
    "client": ("Cet identifiant est celui d’une autre application.", "This client id is another app’s."),
    "overtaken": (
        "Le dossier a changé entre-temps : relisez-le avant de recommencer.",
        "The file has changed meanwhile: read it again before you go on.",
    ),
    "under-way": ("Un dossier de cette application est déjà en cours.", "A file of this app is under way."),
}


def told(issues: Iterable[Issue]) -> dict[str, Words]:
    """What is wrong, by field; the first of several of one field. "" for what is of no field."""
    found: dict[str, Words] = {}
    for issue in issues:
        own = (KINDS.get(issue.code, KINDS["processing"])[0], issue.diagnostics)
        found.setdefault(issue.expression or "", WRONG.get(issue.key or "", own))
    return found
