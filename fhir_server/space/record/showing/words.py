"""What the server itself says around a document, in French and in English."""

from __future__ import annotations

from fhir_server.site.words import Language

#: Key → (French, English).
_WORDS: dict[str, tuple[str, str]] = {
    "about": ("En résumé", "In short"),
    "patient": ("Patient", "Patient"),
    "born": ("né(e) le {}", "born on {}"),
    "born-male": ("né le {}", "born on {}"),
    "born-female": ("née le {}", "born on {}"),
    "written": ("Date du document", "Date of the document"),
    "author": ("Auteur", "Author"),
    "authors": ("Auteurs", "Authors"),
    "authenticator": ("Responsable du document", "Signed by"),
    "custodian": ("Conservé par", "Kept by"),
    "act": ("Acte", "Act"),
    "recipients": ("Destinataires", "Recipients"),
    "content": ("Contenu", "Content"),
    "table": ("Tableau", "Table"),
    "notes": ("Notes", "Notes"),
    "note": ("Note {}", "Note {}"),
    "back": ("retour au texte", "back to the text"),
    "picture": ("Image du document", "Picture of the document"),
    "joined": ("Fichier joint : {}", "Enclosed file: {}"),
    "elsewhere": ("Ce fichier n’est pas dans le document.", "This file is not in the document."),
    "unread": ("Ce fichier ne peut pas être lu.", "This file cannot be read."),
    "no-text": ("Cette partie n’a pas de texte ; voici ses données.", "This part has no text; here are its data."),
    "file": ("fichier {}", "file {}"),
}


def said(key: str, language: Language, *values: str) -> str:
    """The words of a key."""
    return _WORDS[key][0 if language == "fr" else 1].format(*values)
