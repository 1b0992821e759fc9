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
    "api": ("Référence de l’API", "API reference"),
    "base": ("Adresse FHIR", "FHIR base address"),
    "breadcrumb": ("Fil d’Ariane", "Breadcrumb"),
    "by-software": ("Par un logiciel", "From software"),
    "by-software-text": ("La même recherche avec curl :", "The same search with curl:"),
    "capabilities": ("Capacités du serveur", "What the server can do"),
    "chosen-version": ("Version", "Version"),
    "closed-text": (
        "Les données de santé ne sont montrées qu’aux logiciels autorisés. Connectez-vous pour retrouver votre compte, "
        "vos applications et vos outils.",
        "Health data are shown to authorized software only. Sign in to find your account, your apps and your tools.",
    ),
    "code": ("Code", "Code"),
    "detail-of": ("Détail technique :", "Technical detail:"),
    "content": ("Contenu", "Content"),
    "deleted": ("supprimée", "deleted"),
    "details": ("Détail", "Detail"),
    "element": ("Élément", "Element"),
    "error": ("Erreur", "Error"),
    "error-text": ("La demande n’a pas abouti.", "The request did not succeed."),
    "explore": ("Parcourir", "Browse"),
    "fatal": ("Erreur fatale", "Fatal error"),
    "fhir-is-at": ("Les données FHIR de ce serveur sont sous :", "The FHIR data of this server are below:"),
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
    "menu": ("Menu", "Menu"),
    "my-account": ("Mon compte", "My account"),
    "my-space": ("Mon espace", "My space"),
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
    "to-sign-in": ("Se connecter", "Sign in"),
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
}

#: Kind of issue, https://hl7.org/fhir/R4/valueset-issue-type.html → (French, English): what pages say of it. The words
#: of an OperationOutcome itself are for who programs, in English.
KINDS: Mapping[str, tuple[str, str]] = {
    "invalid": ("Le contenu n’est pas valable.", "The content is not valid."),
    "structure": ("Le contenu n’a pas la structure attendue.", "The content does not have the structure expected."),
    "required": ("Un élément obligatoire manque.", "A required element is missing."),
    "value": ("Une valeur n’est pas acceptable.", "A value is not acceptable."),
    "invariant": ("Une règle de contenu n’est pas respectée.", "A rule about the content is broken."),
    "security": ("L’accès n’est pas permis.", "Access is not permitted."),
    "login": ("Il faut s’identifier pour voir cette page.", "You need to sign in to see this page."),
    "unknown": ("L’identité n’a pas pu être vérifiée.", "The identity could not be verified."),
    "expired": ("La session ou l’autorisation a pris fin.", "The session or authorization has ended."),
    "forbidden": ("Cet accès est refusé.", "This access is refused."),
    "suppressed": ("Une partie des informations n’est pas montrée.", "Some of the information is not shown."),
    "processing": ("La demande n’a pas pu être traitée.", "The request could not be processed."),
    "not-supported": ("Ce serveur n’offre pas cette possibilité.", "This server does not offer this."),
    "duplicate": ("Cela existe déjà.", "This is there already."),
    "multiple-matches": ("Plusieurs ressources correspondent.", "Several resources match."),
    "not-found": ("Il n’y a rien à cette adresse.", "There is nothing at this address."),
    "deleted": ("La ressource a été supprimée.", "The resource has been deleted."),
    "too-long": ("La demande est trop longue.", "The request is too long."),
    "code-invalid": ("Un code n’est pas connu.", "A code is not known."),
    "extension": ("Une extension n’est pas acceptable.", "An extension is not acceptable."),
    "too-costly": ("La demande coûterait trop de travail.", "The request would take too much work."),
    "business-rule": ("Une règle de l’espace de santé s’y oppose.", "A rule of the health space does not allow it."),
    "conflict": ("Une autre modification est venue d’abord.", "Another change came first."),
    "transient": ("Le serveur n’a pas pu répondre.", "The server could not answer."),
    "lock-error": ("La ressource est occupée.", "The resource is in use."),
    "no-store": ("Le serveur ne peut rien garder pour le moment.", "The server can keep nothing at the moment."),
    "exception": ("Le serveur a rencontré une erreur.", "The server met an error."),
    "timeout": ("La réponse a pris trop de temps.", "The answer took too long."),
    "incomplete": ("La réponse n’est pas complète.", "The answer is not complete."),
    "throttled": ("Trop de demandes : réessayez dans un moment.", "Too many requests: try again in a moment."),
    "informational": ("Pour information.", "For information."),
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
