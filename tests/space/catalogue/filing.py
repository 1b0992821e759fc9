"""Files of apps for tests of the referencing: a publisher, the staff, a file that lacks nothing, files in any state."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.app import House
from fhir_server.fhir.json import parse, serialize
from fhir_server.space.catalogue import dossiers
from fhir_server.space.catalogue.apps import App, Category, Purpose, Status
from fhir_server.space.catalogue.criteria import criteria
from fhir_server.space.catalogue.dossiers import Dossier, Result, State, Taken
from fhir_server.space.catalogue.impact_assessment import Attached
from fhir_server.space.catalogue.opening import of
from fhir_server.space.catalogue.referencing import Referencing
from fhir_server.space.catalogue.step_input import Act, Actor
from fhir_server.store.filters import EVERYTHING

TODAY = datetime.now(UTC).date()
ALIZE = "Organization/alize"
PEOPLE = {
    "publisher": Actor("Person/camille", frozenset({"publisher"}), ALIZE),
    "verifier": Actor("Person/sacha", frozenset({"verifier"})),
    "commission": Actor("Person/claude", frozenset({"commission"})),
    "administrator": Actor("Person/alix", frozenset({"administrator"})),
}
STRANGER = Actor("Person/dominique", frozenset({"publisher"}), "Organization/melisse")
SUIVI = Purpose(
    "suivi",
    "Suivre ma tension",
    ("read", "write"),
    (Category("http://loinc.org", "85354-9", "Pression artérielle"),),
    "Montrer la courbe de vos mesures.",
    "Un an",
    ("patient/Observation.crs?code=http://loinc.org|85354-9",),
)
APP = App(
    id="",
    client="carnet",
    name="Carnet Tension",
    publisher="",
    version="1.0.0",
    status="EN_LIGNE",
    categories=("mesures",),
    purposes=(SUIVI,),
    description="Un carnet pour la pression artérielle.",
    url="https://carnet.example/",
    privacy_url="https://carnet.example/vie-privee",
    redirect_uris=("https://carnet.example/retour",),
)
ANSWERS = {
    "use": "care",
    "users": "Mille personnes",
    "funding": "Un abonnement",
    "medical-device": "no",
    "hosting": "En France",
    "hds": "true",
    "security-contact": "securite@carnet.example",
    "audit": "Mars 2026",
    "dpo": "dpo@carnet.example",
    "processors": "Aucun",
    "outside-eu": "false",
    "secondary-use": "false",
}
DPIA = Attached("Analyse d'impact", b"%PDF-1.7 fictive")
MET = {one.code: Result("met") for one in criteria(True)}
#: What each step is taken with when nothing is missing.
ACTS = {
    "abandon": Act("Nous renonçons."),
    "return": Act("Le contact manque."),
    "verify": Act(results=MET),
    "opine": Act("Utile.", opinion="favourable"),
    "accept": Act("Accepté."),
    "refuse": Act("Refusé."),
    "sign": Act(start=TODAY, end=TODAY + timedelta(days=1095)),
    "suspend": Act("Une faille."),
    "resume": Act("Corrigée."),
    "take-offline": Act("Maintenance."),
    "dereference": Act("Abandonné."),
}
#: Status of an app whose file stands in a state.
STATUS: dict[State, Status] = {
    "signed": "EN_LIGNE",
    "suspended": "SUSPENDUE",
    "offline": "HORS_LIGNE",
    "dereferenced": "DEREFERENCEE",
}


@dataclass
class Desk:
    """The referencing of an opened server."""

    house: House

    @property
    def referencing(self) -> Referencing:
        return Referencing(of(self.house.services).catalogue)

    async def file(self, app: App = APP, actor: Actor = PEOPLE["publisher"]) -> Dossier:
        return await self.referencing.file(actor, app, ANSWERS, DPIA)

    async def step(self, dossier: Dossier, step: str, duty: str = "", act: Act | None = None) -> Dossier:
        """The step by whoever has it, with what it needs."""
        actor = PEOPLE[duty or OWNERS[step]]
        return await self.referencing.step(actor, dossier.id, step, act or ACTS.get(step))

    async def walked(self, dossier: Dossier, *steps: str) -> Dossier:
        for step in steps:
            dossier = await self.step(dossier, step)
        return dossier

    async def signed(self, app: App = APP) -> Dossier:
        return await self.walked(await self.file(app), "verify", "opine", "accept", "sign")

    async def standing(self, state: State) -> Dossier:
        """A file of an app of its own, put where it stands by the server's own hand."""
        id = secrets.token_hex(8)
        app = replace(APP, id=id, client=id, publisher=ALIZE, status=STATUS.get(state, "PRESERIE"))
        await of(self.house.services).catalogue.save(app)
        filed = Taken("file", datetime.now(UTC), "Person/camille", "publisher", "", "filed")
        dossier = Dossier(id, id, ALIZE, state, app, ANSWERS, {"title": "AIPD", "contentType": "a/b", "size": 1})
        tree = dossiers.to_task(replace(dossier, steps=(filed,)))
        repository = self.house.repository()
        await repository.transact([await repository.put("Task", id, tree, serialize(tree), None)])
        return dossier

    async def app(self, dossier: Dossier) -> App:
        found = await of(self.house.services).catalogue.get(dossier.app)
        assert found is not None
        return found

    async def all(self, type: str) -> list[dict[str, Any]]:
        """Every resource of a type."""
        page = await self.house.repository().find({type: EVERYTHING}, count=500)
        return [parse(version.body) for version in page.versions]


#: Step → a duty that takes it.
OWNERS = {
    "complete": "publisher",
    "abandon": "publisher",
    "return": "verifier",
    "verify": "verifier",
    "opine": "commission",
    "accept": "administrator",
    "refuse": "administrator",
    "sign": "administrator",
    "suspend": "administrator",
    "resume": "administrator",
    "take-offline": "publisher",
    "put-online": "publisher",
    "dereference": "administrator",
}
