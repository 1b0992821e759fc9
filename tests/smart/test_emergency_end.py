"""What was authorized in an emergency ends with it, access tokens, refresh tokens and all: CSP L1111-17."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fhir_server.access.grant import Purpose
from fhir_server.fhir.outcome import Unauthorized
from fhir_server.smart import lifetimes
from fhir_server.smart.tokens.storage import Family, Tokens
from tests.server.closed import BASE, Space
from tests.smart.browser import a_person, an_app

SCOPE = ("patient/Patient.rs", "offline_access")


async def authorized(space: Space, purpose: Purpose | None, seconds: float) -> tuple[Family | None, Any]:
    """The authorization of a doctor where emergencies last so long, and what its access token is refused with."""
    account = await a_person(space, f"docteur{seconds}{purpose}", "Practitioner/d1")
    await an_app(space, "patient/Patient.rs offline_access")
    tokens = Tokens(space.house.authorization.records, None, seconds)
    family = Family(f"{purpose}{seconds}", "app", account.id, BASE, SCOPE, "p1", None, purpose, "Coma")
    assert await tokens.begin(family, "https://app.example/back", "", None, space.house.engine.records.apply)
    access, refresh = await tokens.issue_both("app", BASE, SCOPE, family.id, lifetimes.OFFLINE)
    kept = await tokens.family(family.id)
    assert (await tokens.refresh(refresh) is None) == (kept is None)
    try:
        await space.house.authorization.authenticate({"authorization": f"Bearer {access}"}, BASE)
    except Unauthorized as refused:
        return kept, refused
    return kept, None


@pytest.mark.parametrize(
    ("purpose", "seconds", "ends"),
    [
        ("BTG", 3600, 3600),
        ("ETREAT", 3600, 3600),
        ("BTG", lifetimes.EMERGENCY, 4 * 3600),
        ("TREAT", 3600, 0),
        (None, 3600, 0),
    ],
)
async def test_an_emergency_has_an_end(space: Space, purpose: Purpose | None, seconds: float, ends: int) -> None:
    now = int(time.time())
    family, refused = await authorized(space, purpose, seconds)
    assert family is not None and refused is None
    assert 0 <= family.until - now - ends < 600 if ends else family.until == 0


@pytest.mark.parametrize("purpose", ["BTG", "ETREAT"])
async def test_after_its_end_nothing_of_it_is_of_use(space: Space, purpose: Purpose) -> None:
    family, refused = await authorized(space, purpose, -1)
    assert family is None and refused is not None


def test_an_authorization_that_is_over_counts_for_nothing_though_it_is_kept() -> None:
    def family(until: int) -> Family:
        return Family("f", "app", "a", BASE, SCOPE, until=until)

    assert not family(0).is_over and family(int(time.time()) - 1).is_over and not family(int(time.time()) + 600).is_over
