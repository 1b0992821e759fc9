"""The catalogue: publishers, referenced apps in each of the five statuses, staff, and people's consents to purposes.

No national profile says how an app is a Device: https://fhir-server.example/StructureDefinition/ens-app and
ens-consent-purpose are this project's own profiles, read and written by `space.catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import cache
from random import Random
from typing import Any, cast

from fhir_server.population.dossiers import files
from fhir_server.population.people import Person
from fhir_server.population.tables import rows
from fhir_server.population.world import PARIS, World
from fhir_server.space.catalogue import apps as devices
from fhir_server.space.catalogue import consent_resource
from fhir_server.space.catalogue.apps import Action, App, Category, Purpose, Status
from fhir_server.space.catalogue.consent_resource import Decision

#: Days a convention had run on the reference day, and lasts.
_BEGAN, _LASTS = 400, 1500
#: Statuses under which people could have consented.
_SHARED = ("EN_LIGNE", "SUSPENDUE")


def apps(world: World) -> Iterator[dict[str, Any]]:
    """Each publisher's Organization, the Person of each member of staff, each app's Device, then the apps' files."""
    for name, id in _publishers(world).items():
        yield {"resourceType": "Organization", "id": id, "active": True, "name": name}
    for number, row in enumerate(rows("staff"), 1):
        yield _member(world, row, number)
    for row, app in zip(rows("apps"), _apps(world), strict=True):
        yield devices.to_device(app, {"expirationDate": row["retired"]} if row["retired"] else None)
    yield from files(
        world, dict(zip((row["client"] for row in rows("apps")), _apps(world), strict=True)), _staff(world)
    )


def writers(world: World) -> dict[str, str]:
    """Measure code → id of the app on line that writes it."""
    found = [(p, app.id) for app in _apps(world) if app.status == "EN_LIGNE" for p in app.purposes]
    return {c.code: id for p, id in found if "write" in p.actions for c in p.categories}


def consents(world: World, person: Person) -> Iterator[dict[str, Any]]:
    """What a person with an activated space decided on apps, one Consent for each purpose; some withdrawn since."""
    rng = world.rng("consents", person.number)
    if not person.activated:
        return
    for app in _apps(world):
        if app.status in _SHARED and app.purposes and app.audience == "patient" and rng.random() < 0.12:
            day = world.day - timedelta(days=rng.randint(10, 700))
            when = datetime.combine(day, time(20, rng.randrange(60)), PARIS)
            for purpose in app.purposes:
                decision = _decision(world, rng, person, app, purpose, when)
                yield consent_resource.to_consent(world.id("pat", person.number), app, purpose, decision)


def shared(world: World) -> tuple[App, ...]:
    """The apps with which people may share something."""
    return tuple(one for one in _apps(world) if one.status in _SHARED and one.purposes and one.audience == "patient")


def agreed(world: World, person: Person, app: App, when: datetime) -> Iterator[dict[str, Any]]:
    """The Consents of somebody who agreed to all purposes of an app."""
    holder = f"Patient/{world.id('pat', person.number)}"
    for purpose in app.purposes:
        decision = Decision(True, when, app.version, holder, purpose.scopes, purpose.terms)
        yield consent_resource.to_consent(world.id("pat", person.number), app, purpose, decision)


def _decision(world: World, rng: Random, person: Person, app: App, purpose: Purpose, when: datetime) -> Decision:
    holder = f"Patient/{world.id('pat', person.number)}"
    accepted = Decision(True, when, app.version, holder, purpose.scopes, purpose.terms)
    drawn = rng.random()
    if drawn < 0.1:
        return replace(accepted, permit=False, scopes=(), refused=True)
    return replace(accepted, permit=False) if drawn < 0.22 else accepted


def _publishers(world: World) -> dict[str, str]:
    names = dict.fromkeys(row["publisher"] for row in rows("apps"))
    return {name: world.id("pub", order) for order, name in enumerate(names, 1)}


def _staff(world: World) -> dict[str, str]:
    """Who takes steps: "Person/1" by duty, and by Organization for the publishers'."""
    publishers = {name: f"Organization/{id}" for name, id in _publishers(world).items()}
    numbered = list(enumerate(rows("staff"), 1))
    return {
        publishers[row["publisher"]] if row["publisher"] else row["duty"]: f"Person/{world.id('staff', number)}"
        for number, row in numbered
    }


def _member(world: World, row: dict[str, str], number: int) -> dict[str, Any]:
    given, _, family = row["name"].partition(" ")
    found: dict[str, Any] = {
        "resourceType": "Person",
        "id": world.id("staff", number),
        "active": True,
        "name": [{"family": family, "given": [given]}],
    }
    if row["publisher"]:
        found["managingOrganization"] = {"reference": f"Organization/{_publishers(world)[row['publisher']]}"}
    return found


@cache
def _of_seed(seed: int, start: date, end: date) -> tuple[App, ...]:
    """The apps of a seed, with the first and last day of their conventions."""
    publishers = list(dict.fromkeys(row["publisher"] for row in rows("apps")))
    return tuple(
        App(
            id=f"s{seed}-dev-{number}",
            # Two populations may share a store, and no two apps a client id.
            client=row["client"] if seed == 1 else f"{row['client']}-s{seed}",
            name=row["name"],
            publisher=f"Organization/s{seed}-pub-{publishers.index(row['publisher']) + 1}",
            version=row["version"],
            status=cast(Status, row["status"]),
            categories=tuple(row["categories"].split()),
            audience="professional" if row["audience"] == "professional" else "patient",
            exchanges=row["exchanges"] == "yes",
            purposes=tuple(_purpose(one) for one in rows("app-purposes") if one["client"] == row["client"]),
            description=row["description"],
            url=f"https://{row['client']}.example/",
            privacy_url=f"https://{row['client']}.example/confidentialite",
            # Those that exchange can be opened, as every app that was filed: the client is made of this.
            redirect_uris=(f"https://{row['client']}.example/retour",) if row["exchanges"] == "yes" else (),
            convention_start=None if row["status"] == "PRESERIE" else start,
            convention_end=None if row["status"] == "PRESERIE" else end,
            safety=("Données de santé chez un hébergeur certifié HDS",),
        )
        for number, row in enumerate(rows("apps"), 1)
    )


def _apps(world: World) -> tuple[App, ...]:
    began = world.day - timedelta(days=_BEGAN)
    return _of_seed(world.seed, began, began + timedelta(days=_LASTS))


def _purpose(row: dict[str, str]) -> Purpose:
    return Purpose(
        code=row["code"],
        label=row["label"],
        actions=tuple(cast(Action, action) for action in row["actions"].split()),
        categories=tuple(Category(row["system"], code) for code in row["categories"].split()),
        justification=row["justification"],
        retention=row["retention"],
        scopes=tuple(row["scopes"].split()),
    )
