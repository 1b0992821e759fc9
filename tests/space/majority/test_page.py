"""The page of majority, in French and English: what continues, what waits, what ended. Domain file §4; WCAG 3.3.1.

And that no page of who represented somebody speaks of them any more: OWASP ASVS 4.1.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fhir_server.space.catalogue.consent_resource import Decision
from fhir_server.space.catalogue.consent_resource import to_consent as consent_of
from fhir_server.space.catalogue.opening import of
from fhir_server.space.record.choices import Choice, to_consent
from tests.server.closed import Space, serving
from tests.site.accessible import document
from tests.site.catalogue import CARNET, referenced
from tests.site.records import send, signed_in
from tests.space.delegations.people import a_patient
from tests.space.majority.test_handing_over import NOW
from tests.space.majority.test_ways_in import born

PAGE = "/majorite"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await found.put(a_patient(0))
        await found.put(a_patient(20, birthDate=born(3)))
        await found.put({"resourceType": "Practitioner", "id": "d", "active": True, "name": [{"family": "Docteure"}]})
        yield found


#: Pages of a parent that speak of the child until its majority.
PARENT_S = [
    "/mes-applications/p20",
    "/mon-dossier/p20",
    "/mon-agenda/p20",
    "/mes-messages/p20",
    "/mon-profil/p20",
    "/mes-acces/p20",
]


@pytest.mark.parametrize("path", PARENT_S)
async def test_a_parent_s_page_of_the_child_is_not_there_after_majority(space: Space, path: str) -> None:
    parent = await signed_in(space, "parent", "Patient/p0", wards=("p20",))
    before = await parent.http.get(path, follow_redirects=True)
    await space.put(a_patient(20, birthDate=born(0)))
    after = await parent.http.get(path, follow_redirects=True)
    assert (before.status_code, after.status_code) == (200, 404)
    for page in ("/mes-applications", "/mon-compte", "/mes-proches", "/mon-espace"):
        shown = await parent.http.get(page, follow_redirects=True)
        assert shown.status_code == 200 and "Exempleu" not in shown.text, page


async def test_what_waits_is_approved_or_refused_by_the_holder(space: Space) -> None:
    await referenced(space, CARNET)
    apps = of(space.house.services)
    app = await apps.catalogue.get(CARNET.id)
    assert app is not None
    await space.put(a_patient(20, birthDate=born(3)))
    for one in app.purposes:
        accepted = Decision(True, NOW - timedelta(days=2), app.version, "Patient/p0", one.scopes, one.terms)
        await space.put(consent_of("p20", app, one, accepted))
    assert all(one.permit for one in (await apps.consents.decided("p20", app)).values())
    ended = Choice("p20", "authorised", "Practitioner/d", True, NOW, "Patient/p0", NOW)
    await space.put(to_consent(ended))
    await space.put(a_patient(20, birthDate=born(0)))
    await space.house.follow()
    assert not any(one.permit for one in (await apps.consents.decided("p20", app)).values())
    young = await signed_in(space, "young", "Patient/p20")
    page = await young.http.get(PAGE)
    document(page)
    assert app.name in page.text and "Docteure" in page.text and "Ce qui a pris fin" in page.text
    assert "Depuis le <time" in page.text
    done = await send(young, f"{PAGE}/applications/{app.id}", PAGE, act="approve")
    assert "de nouveau autorisé" in done.text and app.name not in done.text
    decided = await apps.consents.decided("p20", app)
    assert {(one.permit, one.performer) for one in decided.values()} == {(True, "Patient/p20")}
    done = await send(young, f"{PAGE}/choix", PAGE, kind="authorised", practitioner="Practitioner/d", act="refuse")
    assert "Cela reste fermé" in done.text and "Docteure" not in done.text
    assert "Rien n’attend" in done.text
    document(done)
    english = await young.http.get(PAGE, headers={"Accept-Language": "en"})
    assert "What has ended" in english.text


async def test_what_waits_for_somebody_is_nobody_else_s_to_approve(space: Space) -> None:
    other = await signed_in(space, "other", "Patient/p0")
    page = await other.http.get(PAGE)
    document(page)
    assert "Rien n’attend" in page.text
    assert (await send(other, f"{PAGE}/applications/{CARNET.id}", "/auth/me", act="approve")).status_code == 404
    for kind in ("authorised", "blocked", "x"):
        given = {"kind": kind, "practitioner": "Practitioner/d", "act": "approve"}
        assert (await send(other, f"{PAGE}/choix", "/auth/me", **given)).status_code == 404
    doctor = await signed_in(space, "docteur", "Practitioner/d1", roles=("PractitionerRole/r1",))
    assert (await doctor.http.get(PAGE)).status_code == 403
