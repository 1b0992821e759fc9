"""Every indicator that the space reports: what it is called, what exactly it counts, and who may see it."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.space.indicators.exchanges import EXCHANGES
from fhir_server.space.indicators.indicator import Indicator, Part
from fhir_server.space.indicators.sectors import NOT_PROFESSIONAL, SECTORS

_DOCUMENTS = ("documents", "documents")
_PERSONS = ("personnes", "persons")
_SPACES = ("espaces", "spaces")
_ACCESSES = ("consultations", "consultations")
_READ = frozenset({"opened", "emergency"})
_BY_PROFESSIONALS = Part("documents", frozenset(SECTORS) - NOT_PROFESSIONAL)
_READ_BY_PROFESSIONALS = Part("consultations", frozenset({"professional"}))
_EVERYBODY = Part("states")
_READ_BY_USERS = Part("consultations", frozenset({"patient", "close"}))

INDICATORS: tuple[Indicator, ...] = (
    Indicator(
        "documents",
        ("Documents déposés par mois et par secteur", "Documents filed, by month and sector"),
        (
            "Documents (DocumentReference) déposés dans les dossiers, remplacés et masqués compris, erronés "
            "et supprimés "
            "exclus ; mois de leur date, à Paris ; secteur d’activité de l’auteur.",
            "Documents (DocumentReference) filed in records, replaced and masked ones included, those entered in error "
            "or deleted not; by the month of their date in Paris and the sector in which the author works.",
        ),
        _DOCUMENTS,
        "documents",
        "month",
        "sector",
    ),
    Indicator(
        "document-types",
        ("Les dix types de documents les plus déposés", "The ten types of documents filed most"),
        (
            "Documents déposés par des professionnels sur les douze derniers mois pleins, par type (JDV_J66).",
            "Documents filed by professionals within the last twelve full months, by type (JDV_J66).",
        ),
        _DOCUMENTS,
        "types",
        "type",
        only={"by": frozenset({"professional"})},
        top=10,
        kind="shares",
        of=_BY_PROFESSIONALS,
    ),
    Indicator(
        "document-states",
        ("Documents masqués et remplacés", "Documents masked and replaced"),
        (
            "Documents déposés sur les douze derniers mois pleins, selon qu’ils sont visibles des "
            "professionnels, masqués "
            "aux professionnels (MASQUE_PS) ou remplacés par une version plus récente.",
            "Documents filed within the last twelve full months: seen by professionals, masked from them "
            "(MASQUE_PS), or "
            "replaced by a newer one.",
        ),
        _DOCUMENTS,
        "documents",
        "state",
        kind="shares",
        of=Part("documents"),
        closed=True,
    ),
    Indicator(
        "records-fed",
        ("Dossiers alimentés", "Records fed"),
        (
            "Personnes dont le dossier a reçu dans le mois au moins un document d’un professionnel ; "
            "chacune compte une "
            "fois par mois.",
            "Persons whose record was sent at least one document of a professional within the month; each "
            "counts once a "
            "month.",
        ),
        _PERSONS,
        "fed",
        "month",
        kind="persons",
        within=_BY_PROFESSIONALS,
        among=_EVERYBODY,
    ),
    Indicator(
        "records-ever-fed",
        ("Dossiers alimentés depuis l’ouverture", "Records ever fed"),
        (
            "Personnes dont le dossier contient au moins un document d’un professionnel, quelle qu’en soit la date.",
            "Persons whose record has at least one document of a professional, of whatever date.",
        ),
        _PERSONS,
        "fed",
        "month",
        window="ever",
        only={"month": frozenset({"ever"})},
        kind="persons",
        within=_BY_PROFESSIONALS,
        among=_EVERYBODY,
    ),
    Indicator(
        "consultations",
        ("Consultations par mois", "Consultations by month"),
        (
            "Échanges qui ont ouvert quelque chose d’un dossier, urgences comprises et refus exclus, selon "
            "qui l’a ouvert.",
            "Exchanges that opened something of a record, emergencies included and refusals not, by who opened it.",
        ),
        _ACCESSES,
        "reads",
        "month",
        "by",
        only={"way": _READ},
    ),
    Indicator(
        "records-read",
        ("Dossiers consultés par des professionnels", "Records opened by professionals"),
        (
            "Personnes dont un professionnel a ouvert le dossier dans le mois ; chacune compte une fois par mois.",
            "Persons whose record a professional opened within the month; each counts once a month.",
        ),
        _PERSONS,
        "read",
        "month",
        kind="persons",
        within=_READ_BY_PROFESSIONALS,
        among=_EVERYBODY,
    ),
    Indicator(
        "users-by-month",
        ("Utilisateurs par mois", "Users by month"),
        (
            "Titulaires et proches qui ont ouvert un dossier dans le mois ; chacun compte une fois par mois.",
            "Holders and those close to them who opened a record within the month; each counts once a month.",
        ),
        _PERSONS,
        "users",
        "period",
        kind="persons",
        within=_READ_BY_USERS,
    ),
    Indicator(
        "users-by-week",
        ("Utilisateurs par semaine", "Users by week"),
        (
            "Titulaires et proches qui ont ouvert un dossier dans la semaine (ISO 8601) ; chacun compte une fois.",
            "Holders and those close to them who opened a record within the week (ISO 8601); each counts once.",
        ),
        _PERSONS,
        "users",
        "period",
        window="weeks",
        kind="persons",
        within=_READ_BY_USERS,
    ),
    Indicator(
        "patient-documents",
        ("Documents ajoutés par les patients", "Documents added by patients"),
        (
            "Documents que les patients et leurs proches ont ajoutés eux-mêmes sur les douze derniers mois pleins, par "
            "type ; directives anticipées comprises.",
            "Documents that patients and those close to them added within the last twelve full months, by "
            "type; advance "
            "directives among them.",
        ),
        _DOCUMENTS,
        "types",
        "type",
        only={"by": frozenset({"patient"})},
        top=10,
        kind="shares",
        of=Part("documents", frozenset({"patient"})),
    ),
    Indicator(
        "activations",
        ("Espaces activés par mois", "Spaces activated by month"),
        (
            "Espaces activés aujourd’hui, par le mois depuis lequel ils le sont.",
            "Spaces that are activated today, by the month since which they are.",
        ),
        _SPACES,
        "lives",
        "month",
        kind="shares",
        of=Part("states", frozenset({"activated"})),
        closed=True,
        only={"state": frozenset({"activated"})},
    ),
    Indicator(
        "ages",
        ("Dossiers par âge", "Records by age"),
        (
            "Patients enregistrés, par l’âge qu’ils atteignent dans l’année, en tranches de dix ans.",
            "Patients on file, by the age they reach this year, in steps of ten years.",
        ),
        _PERSONS,
        "births",
        "year",
        window="ever",
        kind="shares",
        of=_EVERYBODY,
        closed=True,
    ),
    Indicator(
        "departments",
        ("Dossiers par département", "Records by department"),
        (
            "Patients enregistrés, par le département de leur code postal.",
            "Patients on file, by the department of their postal code.",
        ),
        _PERSONS,
        "patients",
        "department",
        window="ever",
        kind="shares",
        of=_EVERYBODY,
        closed=True,
        top=101,
    ),
    Indicator(
        "states",
        ("Espaces par état", "Spaces by state"),
        (
            "Espaces par état aujourd’hui ; un dossier dont rien n’est écrit compte comme son Patient le dit.",
            "Spaces by their state today; a record of which nothing is written counts as its Patient says.",
        ),
        _SPACES,
        "lives",
        "state",
        window="ever",
    ),
    Indicator(
        "unusual-accesses",
        ("Accès en urgence et refusés", "Emergency accesses and refusals"),
        (
            "Échanges de professionnels : dossiers ouverts en urgence (bris de glace), et demandes refusées.",
            "Exchanges of professionals: records opened in an emergency (break the glass), and requests refused.",
        ),
        _ACCESSES,
        "reads",
        "month",
        "way",
        only={"way": frozenset({"emergency", "refused"}), "by": frozenset({"professional"})},
        public=False,
    ),
    *EXCHANGES,
)
BY_CODE: Mapping[str, Indicator] = {one.code: one for one in INDICATORS}
