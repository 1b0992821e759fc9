"""Every word a page shows, in French and in English.

RGAA 4.1 criteria 8.3 and 8.7: a page says which language it is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["fr", "en"]

#: Key used in templates → (French, English).
WORDS: Mapping[str, tuple[str, str]] = {
    "about": (
        "Ce serveur garde des dossiers de santé au format HL7 FHIR R4 (4.0.1) et répond aux logiciels par une API "
        "REST, en JSON ou en XML. Ces pages montrent les mêmes réponses à une personne.",
        "This server keeps health records as HL7 FHIR R4 (4.0.1) and answers software through a REST API, in JSON or "
        "XML. These pages show the same answers to a person.",
    ),
    "accounts": ("Comptes de démonstration", "Demonstration accounts"),
    "api": ("Référence de l’API", "API reference"),
    "base": ("Adresse FHIR", "FHIR base address"),
    "breadcrumb": ("Fil d’Ariane", "Breadcrumb"),
    "by-software": ("Par un logiciel", "From software"),
    "by-software-text": ("La même recherche avec curl :", "The same search with curl:"),
    "capabilities": ("Capacités du serveur", "What the server can do"),
    "catalogue": ("Catalogue d’applications", "App catalogue"),
    "chosen-version": ("Version", "Version"),
    "code": ("Code", "Code"),
    "content": ("Contenu", "Content"),
    "count": ("Nombre", "Count"),
    "deleted": ("supprimée", "deleted"),
    "details": ("Détail", "Detail"),
    "element": ("Élément", "Element"),
    "error": ("Erreur", "Error"),
    "error-text": ("La demande n’a pas abouti.", "The request did not succeed."),
    "explore": ("Parcourir", "Browse"),
    "fatal": ("Erreur fatale", "Fatal error"),
    "find": ("Rechercher", "Search"),
    "first": ("Première page", "First page"),
    "format": ("Formats", "Formats"),
    "health": ("État du serveur", "Server health"),
    "history": ("Historique", "History"),
    "home": ("Accueil", "Home"),
    "information": ("Information", "Information"),
    "instant": ("Date", "Date"),
    "interaction": ("Interactions", "Interactions"),
    "label": ("Libellé", "Label"),
    "language": ("Langue", "Language"),
    "last": ("Dernière page", "Last page"),
    "main": ("Navigation principale", "Main navigation"),
    "match": ("trouvée", "match"),
    "include": ("incluse", "included"),
    "outcome": ("message", "message"),
    "method": ("Action", "Action"),
    "mode": ("Raison", "Reason"),
    "my-account": ("Mon compte", "My account"),
    "narrative": ("Résumé lisible", "Readable summary"),
    "next": ("Page suivante", "Next page"),
    "no-results": ("Aucune ressource ne correspond.", "No resource matches."),
    "operations": ("Opérations", "Operations"),
    "outcome-title": ("Réponse du serveur", "The server’s answer"),
    "pages": ("Pages de résultats", "Result pages"),
    "parameter": ("Paramètre", "Parameter"),
    "parameters": ("Critères de recherche", "Search criteria"),
    "prefix-hint": ("AAAA-MM-JJ, précédée au besoin de ge, le, gt, lt", "YYYY-MM-DD, with ge, le, gt or lt before it"),
    "previous": ("Page précédente", "Previous page"),
    "quantity-hint": ("nombre|système|unité", "number|system|unit"),
    "reference-hint": ("Type/identifiant", "Type/id"),
    "resource": ("Ressource", "Resource"),
    "results": ("Résultats", "Results"),
    "severity": ("Gravité", "Severity"),
    "skip": ("Aller au contenu", "Skip to content"),
    "start": ("Pour commencer", "Where to start"),
    "string-hint": ("début du texte, sans accents ni majuscules", "start of the text, case and accents ignored"),
    "success": ("Tout va bien", "All is well"),
    "title": ("Serveur FHIR", "FHIR server"),
    "token-hint": ("code ou système|code", "code or system|code"),
    "total": ("Nombre total de résultats :", "Total results:"),
    "total-unknown": ("Nombre total non compté.", "Total not counted."),
    "type": ("Type", "Type"),
    "types": ("Types de ressources", "Resource types"),
    "updated": ("Mise à jour", "Last updated"),
    "version": ("Version", "Version"),
    "view": ("Présentation", "View"),
    "views": ("Présentations de la ressource", "Views of the resource"),
    "needs-script": (
        "Swagger UI demande JavaScript ; la même référence sans :",
        "Swagger UI needs JavaScript; without:",
    ),
    "path": ("Adresse", "Address"),
    "raw": ("brut", "raw"),
    "reference-text": (
        "Chaque adresse et chaque paramètre que ce serveur connaît, type par type.",
        "Every address and parameter this server knows, type by type.",
    ),
    "show": ("Afficher", "Show"),
    "warning": ("Avertissement", "Warning"),
    "who": ("Qui", "Who"),
    "sign-in": ("Identifiant", "Login"),
}

#: Search parameter type → the hint under its field.
HINTS = {
    "string": "string-hint",
    "token": "token-hint",
    "date": "prefix-hint",
    "reference": "reference-hint",
    "quantity": "quantity-hint",
}


def said(language: Language) -> dict[str, str]:
    """The words in one language."""
    return {key: pair[language == "en"] for key, pair in WORDS.items()}


def language(asked: str | None, accept: str | None) -> Language:
    """English when `?lang=en` or `Accept-Language` prefers it to French; French otherwise."""
    if asked in ("fr", "en"):
        return "en" if asked == "en" else "fr"
    for part in _by_preference(accept or ""):
        if part in ("fr", "en"):
            return "en" if part == "en" else "fr"
    return "fr"


def _by_preference(accept: str) -> list[str]:
    ranked: list[tuple[float, int, str]] = []
    for rank, part in enumerate(accept[:1000].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            ranked.append((-float(quality or 1), rank, tag.strip().lower()[:2]))
        except ValueError:
            continue
    return [tag for quality, _, tag in sorted(ranked) if quality < 0]
