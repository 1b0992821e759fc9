"""Apps of the catalogue for tests of pages: a Device, the publisher's Organization and the OAuth client."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fhir_server.space.catalogue.apps import App, Category, Purpose
from fhir_server.space.catalogue.opening import of
from tests.server.closed import Space
from tests.smart.browser import App as Asking
from tests.smart.browser import an_app

INS_DEMO = "urn:oid:1.2.250.1.213.1.4.11"
READ = Purpose(
    "ordonnances",
    "Rappeler mes traitements",
    ("read",),
    (Category("http://loinc.org", "57833-6", "Prescription"),),
    "Vous rappeler l’heure de chaque prise.",
    "Trois mois",
    ("patient/DocumentReference.rs",),
)
WRITE = Purpose(
    "tension",
    "Suivre ma tension",
    ("write",),
    (Category("http://loinc.org", "85354-9", "Pression artérielle"),),
    "Montrer vos mesures à votre médecin.",
    "Un an",
    ("patient/Observation.c?code=http://loinc.org|85354-9",),
)
CARNET = App(
    id="carnet",
    client="carnet",
    name="Carnet Tension",
    publisher="Organization/alize",
    version="2.0.0",
    status="EN_LIGNE",
    categories=("mesures",),
    purposes=(READ, WRITE),
    description="Un carnet pour la pression artérielle.",
    url="https://carnet.example/",
    privacy_url="https://carnet.example/vie-privee",
)
#: What the app asks for; `launch/patient` alone, so that the patient is in context.
SCOPE = "launch/patient patient/DocumentReference.rs patient/Observation.c"


async def referenced(space: Space, app: App = CARNET, **changes: Any) -> Asking:
    """The app saved, its publisher known, its client registered."""
    await space.put({"resourceType": "Organization", "id": "alize", "name": "Éditeur Alizé Santé"})
    await of(space.house.services).catalogue.save(replace(app, **changes))
    scopes = " ".join(("openid fhirUser launch launch/patient offline_access", *scopes_of(app)))
    return await an_app(space, scopes, app.client, device=app.id, launch_uri=app.launch_uri or None)


def scopes_of(app: App) -> list[str]:
    """Every scope of every purpose."""
    return [scope for purpose in app.purposes for scope in purpose.scopes]


async def a_patient(space: Space, id: str = "p1", family: str = "DEMO", given: str = "Nathalie") -> None:
    """An invented patient, as an INS of demonstration says."""
    await space.put(
        {
            "resourceType": "Patient",
            "id": id,
            "identifier": [{"system": INS_DEMO, "value": "269054958815780"}],
            "name": [{"family": family, "given": [given]}],
        }
    )
