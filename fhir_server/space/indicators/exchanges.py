"""Indicators of exchanges (messages, appointments, services), and what else is told beside the first ones."""

from __future__ import annotations

from fhir_server.space.indicators.indicator import Indicator, Part

_DOCUMENTS = ("documents", "documents")
_PERSONS = ("personnes", "persons")
_SPACES = ("espaces", "spaces")
_HOUSES = ("établissements", "hospitals")
_MESSAGES = ("messages", "messages")
_CONVERSATIONS = ("conversations", "conversations")
_APPOINTMENTS = ("rendez-vous", "appointments")
_DELEGATIONS = ("délégations", "delegations")
_SERVICES = ("services", "apps")
_CONSENTS = ("consentements", "consents")
_MEASURES = ("mesures", "measures")
_ACCESSES = ("consultations", "consultations")
_READ_BY_PROFESSIONALS = Part("consultations", frozenset({"professional"}))
_EVERYBODY = Part("states")

EXCHANGES: tuple[Indicator, ...] = (
    Indicator(
        "documents-year-before",
        ("Documents déposés un an plus tôt", "Documents filed a year before"),
        (
            "Comme « Documents déposés par mois et par secteur », sur les douze mois pleins d’avant.",
            "As documents filed by month and sector, within the twelve full months before these.",
        ),
        _DOCUMENTS,
        "documents",
        "month",
        "sector",
        window="before",
    ),
    Indicator(
        "establishments",
        ("Établissements de santé qui alimentent", "Hospitals that file"),
        (
            "Établissements (custodian) dont au moins un document du secteur « Établissements de "
            "santé » porte une date du mois ; chacun compte une fois par mois.",
            "Hospitals (custodian) of which at least one document is of the month; each counts once a month.",
        ),
        _HOUSES,
        "houses",
        "month",
        kind="persons",
        within=Part("documents", frozenset({"hospital"})),
    ),
    Indicator(
        "consultations-by-profession",
        ("Consultations par profession", "Consultations by profession"),
        (
            "Consultations de professionnels sur les douze derniers mois pleins, par profession (TRE_G15).",
            "Consultations by professionals within the last twelve full months, by profession (TRE_G15).",
        ),
        _ACCESSES,
        "readers",
        "profession",
        kind="shares",
        of=_READ_BY_PROFESSIONALS,
    ),
    Indicator(
        "messages",
        ("Messages par mois", "Messages by month"),
        (
            "Messages envoyés (Communication), brouillons exclus : par des professionnels à des "
            "patients, réponses des patients, et messages qui closent l’échange.",
            "Messages sent (Communication), drafts not: by professionals to patients, by patients, "
            "and those that end the exchange.",
        ),
        _MESSAGES,
        "messages",
        "month",
        "from",
    ),
    Indicator(
        "conversations",
        ("Conversations actives par mois", "Active conversations by month"),
        (
            "Échanges dans lesquels au moins un message a été envoyé dans le mois ; chacun compte une fois par mois.",
            "Exchanges in which at least one message was sent within the month; each counts once a month.",
        ),
        _CONVERSATIONS,
        "threads",
        "month",
        kind="persons",
        within=Part("messages"),
    ),
    Indicator(
        "appointments",
        ("Rendez-vous par mois", "Appointments by month"),
        (
            "Rendez-vous (Appointment) par mois de leur début : pris (honorés compris), demandés, "
            "annulés, non honorés.",
            "Appointments by the month in which they begin: booked (kept ones among them), asked "
            "for, called off, not kept.",
        ),
        _APPOINTMENTS,
        "appointments",
        "month",
        "became",
    ),
    Indicator(
        "delegations",
        ("Délégations en cours", "Delegations in force"),
        (
            "Délégations acceptées et en cours au jour de référence.",
            "Delegations that were accepted and hold on the reference day.",
        ),
        _DELEGATIONS,
        "bonds",
        "bond",
        window="ever",
    ),
    Indicator(
        "services",
        ("Services du catalogue par statut", "Services of the catalogue by status"),
        (
            "Services numériques référencés (Device), par statut. Ce ne sont pas des personnes : "
            "tous les nombres sont diffusés.",
            "Apps of the catalogue (Device), by status. They are no persons: all numbers are told.",
        ),
        _SERVICES,
        "services",
        "status",
        window="ever",
        kind="open",
    ),
    Indicator(
        "purposes",
        ("Consentements d’échange par finalité", "Consents to exchange, by purpose"),
        (
            "Consentements en cours donnés à un service du catalogue, par finalité.",
            "Consents in force that were given to apps of the catalogue, by purpose.",
        ),
        _CONSENTS,
        "purposes",
        "purpose",
        window="ever",
    ),
    Indicator(
        "paired",
        ("Personnes qui échangent avec un service", "Persons who exchange with an app"),
        (
            "Personnes qui ont donné au moins un consentement en cours à un service du catalogue ; "
            "chacune compte une fois.",
            "Persons who gave at least one consent in force to an app of the catalogue; each counts once.",
        ),
        _PERSONS,
        "paired",
        "month",
        window="ever",
        kind="persons",
        within=Part("purposes"),
        among=_EVERYBODY,
    ),
    Indicator(
        "measures",
        ("Mesures saisies par les patients", "Measures taken by patients"),
        (
            "Mesures (Observation) dont l’auteur est le patient ou un proche, par mois de la mesure.",
            "Measures (Observation) by the patient or those close to them, by the month they were taken.",
        ),
        _MEASURES,
        "measures",
        "month",
    ),
    Indicator(
        "openings",
        ("Espaces ouverts, non activés, par mois d’ouverture", "Spaces open and not activated, by month"),
        (
            "Espaces ouverts et pas encore activés, par le mois depuis lequel ils le sont.",
            "Spaces that are open and not activated yet, by the month since which they are.",
        ),
        _SPACES,
        "lives",
        "month",
        only={"state": frozenset({"open"})},
        kind="shares",
        of=Part("states", frozenset({"open"})),
        closed=True,
    ),
    Indicator(
        "closures",
        ("Espaces fermés par mois", "Spaces closed, by month"),
        (
            "Espaces fermés aujourd’hui, par le mois depuis lequel ils le sont ; un espace rouvert n’en est plus.",
            "Spaces that are closed today, by the month since which they are; one that was opened again is none.",
        ),
        _SPACES,
        "lives",
        "month",
        only={"state": frozenset({"closed"})},
        kind="shares",
        of=Part("states", frozenset({"closed"})),
        closed=True,
    ),
    Indicator(
        "majority",
        ("Mineurs et majeurs", "Minors and adults"),
        (
            "Patients enregistrés qui atteignent au plus 17 ans dans l’année, et les autres.",
            "Patients on file who reach 17 years at most this year, and the others.",
        ),
        _PERSONS,
        "births",
        "majority",
        window="ever",
        kind="shares",
        of=_EVERYBODY,
        closed=True,
    ),
)
