"""What becomes of what there was of a minor when they come of age: one table, which the page shows.

Code civil, art. 388, 414; domain file §2.2 (representatives' access ends, the profile is the child's) and §4 (consents
to services are approved again). What opens the record to somebody waits for its holder; what closes it stays closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: It goes on; it permits nothing until the holder approves it; it is over.
Fate = Literal["continues", "waits", "ends"]


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one thing.

    Attributes:
        fate: what becomes of it.
        what: in French and in English.
        by: how it comes about: the rule that is judged by the clock at any moment, or what the hand-over writes.
    """

    fate: Fate
    what: tuple[str, str]
    by: str


FATES: Sequence[Row] = (
    Row(
        "continues",
        (
            "Tout ce que contient le dossier : documents, mesures, rendez-vous, messages, profil médical",
            "All that the record holds: documents, measures, appointments, messages, medical profile",
        ),
        "nothing touches it",
    ),
    Row(
        "continues",
        (
            "Ce que vous gardiez pour vous, et que vos représentants ne voyaient pas",
            "What you kept to yourself, which your representatives did not see",
        ),
        "document-of-a-minor",
    ),
    Row(
        "continues",
        (
            "Ce qui ferme le dossier : professionnels bloqués, urgences refusées, documents masqués par défaut",
            "What closes the record: professionals blocked, emergencies refused, documents masked by default",
        ),
        "record.choices: what denies has no end",
    ),
    Row(
        "continues",
        (
            "Les accès que des professionnels ont déclarés avec votre accord, jusqu’à leur fin",
            "Accesses that professionals declared with your agreement, until they end",
        ),
        "record.choices: their own end",
    ),
    Row(
        "continues",
        (
            "Les aidants que des professionnels ont enregistrés : vous pouvez y mettre fin",
            "Caregivers whom professionals registered: you may end it",
        ),
        "acting.cares",
    ),
    Row(
        "waits",
        (
            "Les applications que vos représentants avaient autorisées",
            "The apps that your representatives had let in",
        ),
        "catalogue.consent_resource.lapsed",
    ),
    Row(
        "waits",
        (
            "Les professionnels qu’ils avaient autorisés, et les documents masqués qu’ils laissaient voir en urgence",
            "The professionals whom they had authorised, and the masked documents that they let emergencies see",
        ),
        "record.choosing: their end is the majority",
    ),
    Row(
        "ends",
        (
            "L’accès de vos représentants légaux : pages, applications, abonnements, calendriers, archives en cours",
            "Your legal representatives’ access: pages, apps, subscriptions, calendars, archives under way",
        ),
        "acting-ended, acting.still_acting",
    ),
    Row(
        "ends",
        (
            "Les invitations à devenir votre second représentant",
            "Invitations to become your second representative",
        ),
        "delegations.bonds: of minors",
    ),
    Row(
        "ends",
        (
            "L’activation de l’espace par vos représentants : vous l’activez vous-même, avec votre code",
            "The activation of the space by your representatives: you activate it yourself, with your code",
        ),
        "accounts.states: come-of-age",
    ),
)
