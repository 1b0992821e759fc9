"""The software of the demonstration: an app for patients, two tools for professionals, an establishment's software.

The first three are apps of the catalogue, on line, with the purposes a commission accepted; the fourth is admitted
outside it (https://hl7.org/fhir/smart-app-launch/backend-services.html), and so is a terminal, through which people
of the demonstration ask for what they like of what is theirs (`terminal`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from fhir_server.demo.cast import PUBLISHER
from fhir_server.smart.clients.registered import Client
from fhir_server.space.catalogue.apps import Action, App, Audience, Category, Purpose

_LOINC = "http://loinc.org"
_MEASURES = {"29463-7": "Poids", "85354-9": "Pression artérielle"}
#: Client id of the establishment's software, and all that it may ask for.
ESTABLISHMENT = "demo-etablissement"
ESTABLISHMENT_SCOPES = (
    "system/Patient.rs",
    "system/DocumentReference.rs",
    "system/Binary.r",
    "system/Observation.rs",
    "system/Practitioner.rs",
    "system/PractitionerRole.rs",
    "system/Organization.rs",
)
#: Client id of a terminal, and where its codes go: nobody listens there, who asked reads the answer (RFC 8252 §7.3).
TERMINAL, TERMINAL_REDIRECT = "demo-terminal", "http://127.0.0.1/demo-terminal"
TERMINAL_SCOPES = ("openid", "fhirUser", "launch/patient", "user/*.cruds", "patient/*.cruds")


def _measures(verbs: str) -> tuple[str, ...]:
    return tuple(f"patient/Observation.{verbs}?code={_LOINC}|{code}" for code in _MEASURES)


def _purpose(code: str, label: str, actions: tuple[Action, ...], why: str, kept: str, *scopes: str) -> Purpose:
    measures = _MEASURES if "Observation" in scopes[0] else {}
    categories = tuple(Category(_LOINC, *one) for one in measures.items())
    return Purpose(code, label, actions, categories, why, kept, scopes)


_SHOWN = "Aucune conservation : affichage seul"
_DOCUMENTS = ("patient/DocumentReference.rs", "patient/Binary.r")


@dataclass(frozen=True, slots=True)
class Sample:
    """One way the sample app presents itself.

    Attributes:
        client: client id; its Device has the same id.
        place: folder of its addresses.
        name, description: shown in the catalogue.
        audience: who uses it.
        categories: of the catalogue.
        purposes: accepted by the commission.
        title: which words its pages have for a title (`app/words.js`).
    """

    client: str
    place: str
    name: str
    description: str
    audience: Audience
    categories: tuple[str, ...]
    purposes: tuple[Purpose, ...]
    title: str

    def app(self, origin: str, today: date) -> App:
        """The app of the catalogue, its convention beginning today."""
        return App(
            id=self.client,
            client=self.client,
            name=self.name,
            publisher=PUBLISHER,
            version="1.0.0",
            status="EN_LIGNE",
            categories=self.categories,
            audience=self.audience,
            purposes=self.purposes,
            description=self.description,
            url=f"{origin}/{self.place}/",
            privacy_url=f"{origin}/{self.place}/",
            convention_start=today,
            safety=("Démonstration : données inventées, sur cette machine seulement",),
        )

    def registered(self, origin: str) -> Client:
        """The public client, at an origin."""
        launch = f"{origin}/{self.place}/launch.html" if self.audience == "professional" else None
        return Client(
            self.client,
            self.name,
            "public",
            redirect_uris=(f"{origin}/{self.place}/",),
            scopes=("openid", "fhirUser", "launch", "launch/patient", "offline_access"),
            launch_uri=launch,
            device=self.client,
        )

    def configuration(self, base: str) -> Mapping[str, Any]:
        """What its pages read before anything else (`app/oauth.js`)."""
        scopes = dict.fromkeys(scope for purpose in self.purposes for scope in purpose.scopes)
        return {
            "iss": base,
            "client": self.client,
            "scope": " ".join(("openid", "fhirUser", *scopes)),
            "professional": self.audience == "professional",
            "title": self.title,
        }


SAMPLES = (
    Sample(
        "demo-carnet",
        "carnet",
        "Carnet de démonstration",
        "L’application d’exemple : vos documents, vos mesures, et de quoi en ajouter.",
        "patient",
        ("documents", "mesures"),
        (
            _purpose("identite", "Vous reconnaître par votre nom", ("read",), "Afficher de qui est le dossier ouvert.",
                     _SHOWN, "patient/Patient.r"),
            _purpose("documents", "Montrer vos documents", ("read",), "Retrouver un document sans changer de page.",
                     _SHOWN, *_DOCUMENTS),
            _purpose("mesures", "Suivre votre poids et votre tension", ("read", "write"),
                     "Enregistrer les mesures faites à la maison et en montrer la suite.", _SHOWN, *_measures("crs")),
        ),
        "title",
    ),
    Sample(
        "demo-cabinet",
        "cabinet",
        "Cabinet de démonstration",
        "Un outil d’exemple : le dossier du patient pendant la consultation.",
        "professional",
        ("documents", "coordination"),
        (
            _purpose("consultation", "Lire le dossier pendant la consultation", ("read",),
                     "Donner au professionnel les documents utiles.", _SHOWN, "patient/Patient.r", *_DOCUMENTS),
            _purpose("mesures", "Lire et ajouter des mesures", ("read", "write"),
                     "Noter la mesure faite au cabinet.", _SHOWN, *_measures("crs")),
        ),
        "title-professional",
    ),
    Sample(
        "demo-courbes",
        "courbes",
        "Mesures de démonstration",
        "Un second outil d’exemple : les mesures du patient, sans ses documents.",
        "professional",
        ("mesures", "aide-decision"),
        (
            _purpose("identite", "Savoir de qui sont les mesures", ("read",), "Ne pas confondre deux patients.",
                     _SHOWN, "patient/Patient.r"),
            _purpose("courbes", "Lire les mesures du patient", ("read",), "Montrer leur suite pendant la consultation.",
                     _SHOWN, *_measures("rs")),
        ),
        "title-measures",
    ),
)  # fmt: skip


def clients(origin: str, jwks: Mapping[str, Any]) -> Iterator[Client]:
    """Every client: the sample app's at `origin`, the establishment's with its public keys, a terminal."""
    for sample in SAMPLES:
        yield sample.registered(origin)
    yield Client(
        ESTABLISHMENT,
        "Logiciel d’établissement de démonstration",
        "confidential-asymmetric",
        jwks=dict(jwks),
        scopes=ESTABLISHMENT_SCOPES,
        grants=("client_credentials",),
    )
    yield Client(
        TERMINAL,
        "Terminal de démonstration",
        "public",
        redirect_uris=(TERMINAL_REDIRECT,),
        scopes=TERMINAL_SCOPES,
        grants=("authorization_code",),
    )
