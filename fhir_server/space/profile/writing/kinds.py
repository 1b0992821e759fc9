"""What people write in their own profile, kind by kind: where it stands, its fields, and whether it can end.

Mon espace santé, "Mon profil": allergies, illnesses, operations, treatments, vaccinations, measures, family history,
way of life. Each is a resource of R4 in its patient's words; what a professional wrote is shown beside, and is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhir_server.space.profile.writing.fields import Field, Words
from fhir_server.space.profile.writing.measuring import VITALS
from fhir_server.space.record.pages.measured import MEASURES


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind.

    Attributes:
        type: of the resource.
        section: LOINC code of the section of a summary in which it stands.
        title: of its page; one: what one entry is called where it is added.
        fields: of its form.
        search: by which those of a patient are found, the patient apart.
        ended: how it is said that it is over; ("", "") of what does not end.
    """

    type: str
    section: str
    title: Words
    one: Words
    fields: tuple[Field, ...]
    search: tuple[tuple[str, str], ...] = ()
    ended: Words = ("", "")


_DATED = ("Une année, un mois ou un jour : 2019, 03/2019 ou 12/03/2019.",
          "A year, a month or a day: 2019, 03/2019 or 12/03/2019.")  # fmt: skip
_SINCE = Field("since", ("Depuis quand", "Since when"), "when", hint=_DATED)
_WHEN = Field("since", ("Quand", "When"), "when", hint=_DATED)
_NOTE = Field("note", ("Précisions", "Details"), "area")


def _what(french: str, english: str, *hint: str) -> Field:
    return Field("what", (french, english), required=True, hint=(hint[0], hint[1]) if hint else ("", ""))


CATEGORIES = (
    ("food", ("Aliment", "Food")),
    ("medication", ("Médicament", "Medication")),
    ("environment", ("Milieu (pollen, animaux…)", "Environment (pollen, animals…)")),
    ("biologic", ("Produit biologique (vaccin, sang…)", "Biologic product (vaccine, blood…)")),
)
CRITICALITIES = (
    ("high", ("Grave : elle peut mettre la vie en danger", "Severe: it may endanger life")),
    ("low", ("Sans gravité", "Not severe")),
    ("unable-to-assess", ("Inconnue", "Unknown")),
)
#: v3-RoleCode → words: R4's value set of relationships in a family.
RELATIVES = (
    ("MTH", ("Mère", "Mother")),
    ("FTH", ("Père", "Father")),
    ("SIS", ("Sœur", "Sister")),
    ("BRO", ("Frère", "Brother")),
    ("CHILD", ("Enfant", "Child")),
    ("MGRMTH", ("Grand-mère maternelle", "Maternal grandmother")),
    ("MGRFTH", ("Grand-père maternel", "Maternal grandfather")),
    ("PGRMTH", ("Grand-mère paternelle", "Paternal grandmother")),
    ("PGRFTH", ("Grand-père paternel", "Paternal grandfather")),
    ("AUNT", ("Tante", "Aunt")),
    ("UNCLE", ("Oncle", "Uncle")),
)
#: LOINC code of an Observation → words.
HABITS: Mapping[str, Words] = {
    "72166-2": ("Tabac", "Tobacco"),
    "11331-6": ("Alcool", "Alcohol"),
    "73985-4": ("Activité physique", "Physical activity"),
    "61144-2": ("Alimentation", "Diet"),
}
#: Items of the vaccination calendar (`profiles/ens/prevention`) that a dose may be of → words.
VACCINES: Mapping[str, Words] = {
    "vac-hexavalent": ("Hexavalent (DTP, coqueluche, Hib, hépatite B)",
                       "Hexavalent (DTP, pertussis, Hib, hepatitis B)"),
    "vac-pneumococcus": ("Pneumocoque", "Pneumococcus"),
    "vac-rotavirus": ("Rotavirus", "Rotavirus"),
    "vac-menb": ("Méningocoque B", "Meningococcus B"),
    "vac-menacwy": ("Méningocoques ACWY", "Meningococci ACWY"),
    "vac-mmr": ("Rougeole, oreillons, rubéole (ROR)", "Measles, mumps, rubella (MMR)"),
    "vac-booster": ("Rappel diphtérie, tétanos, poliomyélite, coqueluche",
                    "Booster: diphtheria, tetanus, polio, pertussis"),
    "vac-hpv": ("Papillomavirus (HPV)", "Papillomavirus (HPV)"),
    "vac-influenza": ("Grippe", "Influenza"),
    "vac-covid": ("Covid-19", "Covid-19"),
    "vac-zoster": ("Zona", "Shingles"),
    "vac-rsv": ("Virus respiratoire syncytial (VRS)", "Respiratory syncytial virus (RSV)"),
}  # fmt: skip
_VITALS = tuple((code, MEASURES[code].words) for code in VITALS)

#: What addresses call a kind → it, in the order in which a profile is filled in.
KINDS: Mapping[str, Kind] = {
    "allergies": Kind(
        "AllergyIntolerance", "48765-2", ("Allergies et intolérances", "Allergies and intolerances"),
        ("Ajouter une allergie", "Add an allergy"),
        (_what("Allergie à quoi", "Allergy to what",
               "Par exemple : arachide, pénicilline.", "Such as peanuts, penicillin."),
         Field("category", ("Sorte", "Sort"), "choice", options=CATEGORIES),
         Field("criticality", ("Gravité", "Severity"), "choice", options=CRITICALITIES),
         Field("reaction", ("Réaction", "Reaction"), hint=("Par exemple : urticaire.", "Such as hives.")),
         _SINCE, _NOTE),
        ended=("Cette allergie n’est plus d’actualité", "This allergy is over")),
    "maladies": Kind(
        "Condition", "11450-4", ("Maladies et problèmes de santé", "Illnesses and health problems"),
        ("Ajouter une maladie", "Add an illness"),
        (_what("Maladie ou problème de santé", "Illness or health problem"), _SINCE, _NOTE),
        ended=("C’est guéri ou terminé", "It is healed or over")),
    "antecedents": Kind(
        "Condition", "11348-0", ("Antécédents médicaux", "Past illnesses"),
        ("Ajouter un antécédent", "Add a past illness"),
        (_what("Maladie passée", "Past illness"), _SINCE,
         Field("until", ("Jusqu’à quand", "Until when"), "when"), _NOTE)),
    "interventions": Kind(
        "Procedure", "47519-4", ("Hospitalisations et interventions", "Hospital stays and operations"),
        ("Ajouter une intervention", "Add an operation"),
        (_what("Intervention ou hospitalisation", "Operation or hospital stay"), _WHEN, _NOTE)),
    "traitements": Kind(
        "MedicationStatement", "10160-0", ("Traitements", "Treatments"),
        ("Ajouter un traitement", "Add a treatment"),
        (_what("Médicament ou traitement", "Medication or treatment"),
         Field("dosage", ("Posologie", "Dosage"),
               hint=("Par exemple : 1 comprimé le matin.", "Such as 1 tablet in the morning.")),
         _SINCE, _NOTE),
        ended=("Je ne le prends plus", "I no longer take it")),
    "vaccinations": Kind(
        "Immunization", "11369-6", ("Vaccinations", "Vaccinations"),
        ("Ajouter une vaccination", "Add a vaccination"),
        (Field("vaccine", ("Vaccin du calendrier", "Vaccine of the calendar"), "choice",
               options=tuple(VACCINES.items())),
         Field("what", ("Nom du vaccin", "Name of the vaccine"),
               hint=("Nécessaire s’il n’est pas dans la liste.", "Needed where it is not in the list.")),
         Field("since", ("Date de l’injection", "Date of the injection"), "when", required=True, hint=_DATED),
         Field("lot", ("Numéro de lot", "Lot number")), _NOTE)),
    "mesures": Kind(
        "Observation", "8716-3", ("Mesures", "Measures"),
        ("Ajouter une mesure", "Add a measure"),
        (Field("measure", ("Mesure", "Measure"), "choice", required=True, options=_VITALS),
         Field("value", ("Valeur", "Value"), "number", required=True,
               hint=("Poids en kg, taille et périmètre en cm. De la tension : la systolique.",
                     "Weight in kg, height and circumference in cm. Of blood pressure: the systolic.")),
         Field("second", ("Tension diastolique", "Diastolic pressure"), "number"),
         Field("since", ("Jour de la mesure", "Day of the measure"), "day", required=True)),
        search=(("code", ",".join(VITALS)),)),
    "famille": Kind(
        "FamilyMemberHistory", "10157-6", ("Antécédents familiaux", "Family history"),
        ("Ajouter un antécédent familial", "Add to the family history"),
        (Field("relative", ("Lien de parenté", "Relationship"), "choice", required=True, options=RELATIVES),
         _what("Maladie", "Illness"),
         Field("age", ("Âge auquel elle a commencé", "Age at which it began"), "age"), _NOTE)),
    "mode-de-vie": Kind(
        "Observation", "29762-2", ("Mode de vie", "Way of life"),
        ("Ajouter une habitude", "Add a habit"),
        (Field("habit", ("Sujet", "Subject"), "choice", required=True, options=tuple(HABITS.items())),
         _what("Ce qu’il en est", "How it is", "Par exemple : 10 cigarettes par jour ; je cours deux fois par semaine.",
               "Such as 10 cigarettes a day; I run twice a week."),
         Field("since", ("Jour", "Day"), "day", required=True)),
        search=(("code", ",".join(HABITS)),)),
}  # fmt: skip
