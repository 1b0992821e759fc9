"""How often a launch asks the store, one call after the other: numbers that may only fall.

https://hl7.org/fhir/smart-app-launch/app-launch.html: authorize, sign in, consent, code, token, first read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.site.catalogue import CARNET, a_patient, referenced
from tests.smart.browser import TOKEN, App, Browser, a_person, an_app, answered
from tests.smart.space import Space, serving
from tests.store_calls import counted, journeys

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
#: An app nobody opened before → the most calls of each step: authorize, sign in, consent, token, first read.
MOST: list[tuple[Made, tuple[int, ...]]] = [(outside, (2, 8, 3, 3, 3)), (of_the_catalogue, (3, 10, 6, 3, 3))]


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
            app, scope, choices, asked = await make(space)
            steps: list[list[str]] = []

            def done() -> None:
                steps.append(journeys(calls))
                calls.clear()

            calls.clear()
            browser = Browser(space)
            page = await browser.open(app.request(scope))
            done()
            page = await browser.sign_in(page)
            done()
            page = await browser.submit(page, decision="allow", **choices)
            done()
            token = await space.http.post(TOKEN, data=app.exchange(answered(page)["code"]))
            done()
            read = await space.fhir("GET", asked, token.json()["access_token"])
            assert read.status_code == 200
            done()
    assert [len(step) <= limit for step, limit in zip(steps, most, strict=True)] == [True] * 5, steps
