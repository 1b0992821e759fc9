"""How often a launch, and each page of people, asks the store, one call after the other: numbers that may only fall.

https://hl7.org/fhir/smart-app-launch/app-launch.html: authorize, sign in, consent, code, token, first read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fhir_server.space.catalogue.opening import of
from tests.server.closed import Space, serving
from tests.site.catalogue import CARNET, a_patient, referenced
from tests.site.desks import at_desk, staffed, walked
from tests.smart.browser import TOKEN, App, Browser, a_person, an_app, answered
from tests.store_calls import counted

SCOPE = "launch/patient patient/Patient.rs openid fhirUser offline_access"


async def outside(space: Space) -> tuple[App, str, dict[str, str], str]:
    return await an_app(space, SCOPE, "outside"), SCOPE, {}, "Patient/p1"


async def of_the_catalogue(space: Space) -> tuple[App, str, dict[str, str], str]:
    scope = "launch/patient patient/DocumentReference.rs"
    return (
        await referenced(space, CARNET),
        scope,
        {"purpose-ordonnances": "yes", "purpose-tension": "yes"},
        "DocumentReference",
    )


Made = Callable[[Space], Awaitable[tuple[App, str, dict[str, str], str]]]
#: An app nobody opened before → the most calls of each step: authorize, sign in, consent, token, first read. With the
#: last, whether the patient's space is in use is read once a worker, and again when their Patient changes.
MOST: list[tuple[Made, tuple[int, ...]]] = [(outside, (2, 7, 2, 2, 4)), (of_the_catalogue, (3, 10, 3, 2, 3))]


@pytest.mark.parametrize(("make", "most"), MOST, ids=[make.__name__ for make, _ in MOST])
async def test_a_first_launch_asks_the_store_this_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Made, most: tuple[int, ...]
) -> None:
    with counted(monkeypatch) as calls:
        async with serving(tmp_path) as space:
            await a_patient(space)
            await a_person(space)
            # The keys of a new store are made once.
            await Browser(space).open((await an_app(space, SCOPE, "another")).request(SCOPE))
            await space.house.authorization.keys.signing()
            app, scope, choices, asked = await make(space)
            steps: list[list[str]] = []

            async def done() -> None:
                steps.append(calls[:])
                # What was written is news to its own worker too, which comes sooner or later.
                await space.house.follow()
                calls.clear()

            calls.clear()
            browser = Browser(space)
            page = await browser.open(app.request(scope))
            await done()
            page = await browser.sign_in(page)
            await done()
            page = await browser.submit(page, decision="allow", **choices)
            await done()
            token = await space.http.post(TOKEN, data=app.exchange(answered(page)["code"]))
            await done()
            read = await space.fhir("GET", asked, token.json()["access_token"])
            assert read.status_code == 200
            await done()
    assert [len(step) <= limit for step, limit in zip(steps, most, strict=True)] == [True] * 5, steps


#: Who → page → the most calls it makes of a store with several apps of several publishers; of one seen before, since
#: what a worker remembers (accounts, apps) it then knows.
PAGES: list[tuple[str, str, int]] = [
    ("nobody", "/catalogue", 2),
    ("nobody", "/catalogue/on-line", 1),
    ("nobody", "/auth/sign-in", 0),
    # Two of each are what waits unread, of messages and of notices, which every page of theirs tells.
    ("nathalie", "/mon-espace", 3),
    ("nathalie", "/mes-applications/p1", 9),
    ("docteur", "/outils", 8),
    ("alix", "/referencement", 4),
    ("alix", "/referencement/{file}", 3),
    ("camille", "/referencement", 4),
    ("camille", "/referencement/{file}", 3),
    ("alix", "/signalements", 3),
    ("nathalie", "/auth/me", 4),
]


async def several(space: Space) -> None:
    """Apps of several publishers: a patient decided on three, three are professionals' tools."""
    await a_patient(space)
    await a_person(space)
    await a_person(space, "docteur", "Practitioner/d1")
    await staffed(space)
    for n in range(3):
        await space.put({"resourceType": "Organization", "id": f"o{n}", "name": f"Éditeur {n}"})
        theirs = replace(CARNET, publisher=f"Organization/o{n}", launch_uri="https://outil.example/launch")
        app = replace(theirs, id=f"a{n}", client=f"a{n}", name=f"Carnet {n}")
        await referenced(space, app)
        await of(space.house.services).consents.decide("p1", app, ["ordonnances"], "Patient/p1")
        await referenced(space, replace(theirs, id=f"t{n}", client=f"t{n}", name=f"Outil {n}", audience="professional"))
    await of(space.house.services).catalogue.save(replace(CARNET, id="on-line", client="on-line"))


async def test_a_page_asks_the_store_this_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    over: dict[str, list[str]] = {}
    with counted(monkeypatch) as calls:
        async with serving(tmp_path) as space:
            await several(space)
            file = await walked(space, "verify")
            who = {login: await at_desk(space, login) for login in ("nathalie", "docteur", "alix", "camille")}
            who["nobody"] = Browser(space)
            for login, path, most in PAGES:
                # Who hears meanwhile of what was written before asks once more: what counts is what is asked at rest.
                for _ in range(4):
                    calls.clear()
                    page = await who[login].http.get(path.format(file=file.id))
                    assert page.status_code == 200
                    if len(calls) <= most:
                        break
                if len(calls) > most:
                    over[f"{login} {path}"] = calls[:]
    assert over == {}
