"""What the fields of a file are called, in French and in English: beside each, and in the list of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhir_server.space.catalogue.criteria import questions

Words = tuple[str, str]

#: Field of the card, or of a purpose after its number → its label.
LABELS: Mapping[str, Words] = {
    "app.name": ("Nom de l’application", "Name of the app"),
    "app.version": ("Version", "Version"),
    "app.description": ("Description, en une ou deux phrases", "Description, in a sentence or two"),
    "app.client": ("Identifiant OAuth (client_id)", "OAuth client id"),
    "app.audience": ("Pour qui", "For whom"),
    "app.category": ("Catégories du catalogue", "Categories of the catalogue"),
    "app.exchanges": ("Échange de données avec l’espace de santé", "Exchange of data with the health space"),
    "app.url": ("Site de l’application", "The app’s site"),
    "app.privacy_url": ("Politique de confidentialité", "Privacy policy"),
    "app.launch_uri": ("Adresse de lancement SMART", "SMART launch address"),
    "app.redirect_uris": ("Adresses de retour (redirect_uri), une par ligne", "Redirect URIs, one a line"),
    "app.jwks_uri": ("Adresse des clés publiques (jwks_uri)", "Address of its public keys (jwks_uri)"),
    "app.jwks": ("Clés publiques (JWKS)", "Public keys (JWKS)"),
    "app.safety": ("Sécurité et certifications, une par ligne", "Safety and certifications, one a line"),
    "app.purpose": ("Finalités", "Purposes"),
    "dpia": (
        "Analyse d’impact relative à la protection des données (AIPD)",
        "Data protection impact assessment (DPIA)",
    ),
    "label": ("Finalité, en mots simples", "Purpose, in plain words"),
    "code": ("Code de la finalité", "Code of the purpose"),
    "action": ("Lecture ou écriture", "Reading or writing"),
    "category": ("Documents et mesures concernés", "Documents and measures concerned"),
    "others": ("Autres catégories, une par ligne", "Other categories, one a line"),
    "justification": ("Pourquoi ces données sont nécessaires", "Why these data are needed"),
    "retention": ("Durée de conservation", "Kept for how long"),
    "scope": ("Droits SMART, un par ligne", "SMART scopes, one a line"),
}
_PURPOSE = re.compile(r"app\.purpose\[(\d+)\]\.(\w+)")


def label(name: str) -> Words:
    """What a field is called in the list of what is wrong."""
    if match := _PURPOSE.fullmatch(name):
        number, own = int(match[1]) + 1, LABELS.get(match[2], ("", ""))
        return f"Finalité {number}, {own[0]}", f"Purpose {number}, {own[1]}"
    if name.startswith("answers."):
        text = next((one.text for one in questions(True) if f"answers.{one.link}" == name), "")
        return text, text
    return LABELS.get(name, ("", ""))
