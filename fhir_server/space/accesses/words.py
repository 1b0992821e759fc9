"""What was done to a record, and why, in words that people use: (French, English), tables that the rows are made of."""

from __future__ import annotations

from collections.abc import Mapping

Words = tuple[str, str]

#: Code of http://hl7.org/fhir/restful-interaction, or an operation → what somebody did, of which kinds of deed.
_DEEDS: Mapping[str, str] = {
    **dict.fromkeys(("read", "vread", "history-instance", "$docref"), "open"),
    **dict.fromkeys(("search-type", "search", "history-type", "history-system", "search-system"), "list"),
    "create": "add",
    **dict.fromkeys(("update", "patch"), "change"),
    "delete": "remove",
}
#: Deed → before the title of a document that whoever is told may see.
DOCUMENT: Mapping[str, Words] = {
    "open": ("a ouvert votre document", "opened your document"),
    "list": ("a vu dans une liste votre document", "saw in a list your document"),
    "add": ("a ajouté le document", "added the document"),
    "change": ("a modifié le document", "changed the document"),
    "remove": ("a supprimé le document", "removed the document"),
    "use": ("a consulté votre document", "looked at your document"),
}
#: Deed → before what else of a record it was done to.
ELSE: Mapping[str, Words] = {
    "open": ("a consulté", "looked at"),
    "list": ("a consulté", "looked at"),
    "add": ("a ajouté des informations dans", "added to"),
    "change": ("a modifié", "changed"),
    "remove": ("a supprimé des informations dans", "removed something from"),
    "use": ("a consulté", "looked at"),
}
#: What is said of what whoever is told may not see, and of all that no row below names: that the record was used.
RECORD: Words = ("a consulté votre dossier", "looked at your record")
#: What is said of a refusal.
REFUSED: Words = ("n’y a pas été autorisé", "was not allowed to")
#: Resource type → what people call it.
TYPES: Mapping[str, Words] = {
    "AllergyIntolerance": ("vos allergies", "your allergies"),
    "Appointment": ("vos rendez-vous", "your appointments"),
    "AuditEvent": ("le journal des accès à votre dossier", "the list of accesses to your record"),
    "CarePlan": ("vos plans de soins", "your care plans"),
    "CareTeam": ("votre équipe de soins", "your care team"),
    "Communication": ("vos messages", "your messages"),
    "Condition": ("vos maladies et antécédents", "your conditions"),
    "Consent": ("vos choix d’accès", "your choices of access"),
    "Coverage": ("votre couverture santé", "your coverage"),
    "DiagnosticReport": ("vos résultats d’examens", "your results"),
    "DocumentReference": ("la liste de vos documents", "the list of your documents"),
    "Encounter": ("vos consultations et séjours", "your visits and stays"),
    "Immunization": ("vos vaccinations", "your vaccinations"),
    "List": ("vos dossiers de classement", "your folders"),
    "MedicationRequest": ("vos traitements", "your treatments"),
    "MedicationStatement": ("vos traitements", "your treatments"),
    "Observation": ("vos mesures et résultats", "your measures and results"),
    "Patient": ("votre identité et vos coordonnées", "your identity and contacts"),
    "Procedure": ("vos interventions", "your procedures"),
    "RelatedPerson": ("vos proches", "those close to you"),
}
#: Purpose of use (http://terminology.hl7.org/CodeSystem/v3-ActReason) → why.
WHY: Mapping[str, Words] = {
    "TREAT": ("pour vous soigner", "to care for you"),
    "ETREAT": ("en urgence : régulation médicale (centre 15)", "in an emergency: medical regulation (15)"),
    "BTG": ("en urgence, sans votre accord préalable", "in an emergency, without asking you first"),
    "PATRQT": ("à votre demande", "at your request"),
    "HOPERAT": ("pour le fonctionnement du service", "to run the service"),
}
#: Who is meant where the directory has no name, by the type of what they are.
NAMELESS: Mapping[str, Words] = {
    "Practitioner": ("Un professionnel de santé", "A health professional"),
    "RelatedPerson": ("Une personne qui agit pour vous", "Somebody who acts for you"),
    "Patient": ("Une personne qui agit pour vous", "Somebody who acts for you"),
    "Person": ("L’assistance du service", "The support of the service"),
    "software": ("Un logiciel", "Software"),
    "": ("Une personne non identifiée", "Somebody unknown"),
}
#: The holder of the record, who is also told of what they did themself.
YOURSELF: Words = ("Vous", "You")


def deed(interaction: str) -> str:
    """What kind of deed an interaction is."""
    return _DEEDS.get(interaction, "use")
