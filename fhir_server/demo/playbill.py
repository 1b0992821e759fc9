"""Who is who in the demonstration, and what there is to try as each: what its home page lists.

No password stands here: the start prints it, and whoever reads the page may be anybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_server.demo.cast import CAST
from fhir_server.site.home import Player
from fhir_server.site.service_pages import Words
from fhir_server.smart.people.accounts import Accounts

#: Login → what they are in French, and what to try.
TRIED: Mapping[str, tuple[str, Words]] = {
    "patient": (
        "patient",
        (
            "Ajouter un document, en masquer un, lire ses messages, voir qui a consulté le dossier et pourquoi.",
            "Add a document, mask one, read messages, see who looked at the record and why.",
        ),
    ),
    "parent": (
        "parent de deux enfants",
        (
            "Passer de son dossier à celui d’un enfant, voir les vaccinations et examens de son âge.",
            "Go from one’s own record to a child’s, see the vaccinations and examinations of their age.",
        ),
    ),
    "aidante": (
        "aidante de deux personnes",
        (
            "Lire et ranger pour quelqu’un d’autre ; ce que l’on décide à sa place est refusé.",
            "Read and file for somebody else; what one would decide in their place is refused.",
        ),
    ),
    "medecin": (
        "médecin généraliste",
        (
            "Ouvrir un dossier par l’INS, puis deux outils sans se reconnecter ; en urgence, un autre dossier.",
            "Open a record by its INS, then two tools without signing in again; in an emergency, another record.",
        ),
    ),
    "cardiologue": (
        "cardiologue à deux exercices",
        (
            "Choisir l’exercice au nom duquel on agit, écrire à un patient, tenir son agenda.",
            "Choose the exercise one acts in, write to a patient, keep one’s agenda.",
        ),
    ),
    "pharmacie": (
        "pharmacienne",
        (
            "Ouvrir un dossier : tous les types de documents ne sont pas lus par toutes les professions.",
            "Open a record: not every profession reads every type of document.",
        ),
    ),
    "editeur": (
        "éditrice de logiciels",
        ("Déposer le dossier d’une application et le suivre.", "File the application of an app, and follow it."),
    ),
    "verification": (
        "vérifie les applications",
        ("Prendre un dossier déposé et dire s’il est complet.", "Take an application and say whether it is whole."),
    ),
    "commission": (
        "donne son avis sur les applications",
        ("Donner un avis, avec ses raisons.", "Give an opinion, with its reasons."),
    ),
    "administration": (
        "décide des applications",
        (
            "Référencer, suspendre ou retirer une application : ses jetons ne valent plus rien aussitôt.",
            "Reference, suspend or withdraw an app: its tokens are worth nothing at once.",
        ),
    ),
}


async def players(accounts: Accounts) -> Sequence[Player]:
    """Those of the cast who may sign in here, in its order; nobody where no demonstration was set up."""
    found = [(role, await accounts.by_login(role.login)) for role in CAST]
    return [
        Player(role.login, account.name, (TRIED[role.login][0], role.who), TRIED[role.login][1], role.page)
        for role, account in found
        if account is not None and account.subject == role.subject
    ]
