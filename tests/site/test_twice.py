"""A form sent twice at the same instant, as an impatient hand sends it, makes what it makes once.

RFC 9110 §9.2.2: POST is not idempotent by itself, so that the server must see to it. OWASP ASVS 11.1.6 (races).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from fhir_server.space.catalogue.opening import of
from fhir_server.store.filters import EVERYTHING
from tests.server.closed import ROOT, Space, serving
from tests.site.catalogue import CARNET, referenced
from tests.site.records import LOINC, PDF, a_document, a_record, send, signed_in
from tests.site.test_practice_pages import REASON, TRAITS, doctor, patient
from tests.smart.browser import Browser

FILE = {"file": ("bilan.pdf", PDF, "application/pdf")}
NUMBER = {"number": "3f0c7a52-0d43-4a5b-9f3e-2f1f6a7b8c9d"}
#: Who, the form's page, where it is sent, what with → what is there of it afterwards that was not before.
FORMS: list[tuple[str, str, str, dict[str, Any], dict[str, int]]] = [
    ("nathalie", "/mon-dossier/p1", "/mon-dossier/p1/dossier", {"name": "Cœur"}, {"List": 1}),
    ("nathalie", "/mon-dossier/p1", "/mon-dossier/p1/dossier", {"name": "A, b|c $ d\\e & f=g"}, {"List": 1}),
    ("nathalie", "/mon-dossier/p1", "/mon-dossier/p1/document/d1/epingler", {"pin": "yes"}, {"List": 1}),
    ("nathalie", "/mon-dossier/p1", "/mon-dossier/p1/document/d1/visibilite", {"masked": "yes"}, {}),
    (
        "nathalie",
        "/mon-dossier/p1/ajouter",
        "/mon-dossier/p1/ajouter",
        {"title": "Bilan", "type": "EXPPAT_1", "files": FILE, **NUMBER},
        {"DocumentReference": 1, "Binary": 1},
    ),
    (
        "nathalie",
        "/mon-dossier/p1/professionnels",
        "/mon-dossier/p1/professionnels",
        {"act": "block", "practitioner": "Practitioner/d2"},
        {"Consent": 1},
    ),
    ("nathalie", "/mon-dossier/p1/urgence", "/mon-dossier/p1/urgence", {"box": ["default"]}, {"Consent": 3}),
    (
        "nathalie",
        "/auth/me",
        "/mes-applications/p1/report/carnet",
        {"text": "L’application envoie de la publicité."},
        {"Task": 1},
    ),
    ("nathalie", "/auth/me", "/mes-applications/p1/withdraw", {"app": "carnet", "purpose": "ordonnances"}, {}),
    ("nathalie", "/auth/me", "/mes-notifications/lues", {}, {}),
    ("nathalie", "/auth/me", "/mes-notifications/preferences", {}, {}),
    ("docteur", "/patients/p1", "/patients/p1/accord", {"agreed": "yes"}, {"Consent": 1}),
    ("docteur", "/patients/p1", "/patients/p1/motif", {"purpose": "BTG", "reason": REASON}, {}),
    (
        "docteur",
        "/patients/p1/deposer",
        "/patients/p1/deposer",
        {"title": "Bilan", "type": f"{LOINC}|11488-4", "files": FILE, **NUMBER},
        {"DocumentReference": 1, "Binary": 1},
    ),
]


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        await patient(found)
        await found.put({"resourceType": "Practitioner", "id": "d2", "name": [{"family": "AUTRE", "given": ["Yves"]}]})
        role = {"resourceType": "PractitionerRole", "id": "r1", "practitioner": {"reference": "Practitioner/d1"}}
        await found.put({"resourceType": "Organization", "id": "o1", "name": "Maison de santé"})
        await found.put({**role, "organization": {"reference": "Organization/o1"}})
        team = {"resourceType": "CareTeam", "id": "t1", "status": "active", "subject": {"reference": "Patient/p1"}}
        await found.put({**team, "participant": [{"member": {"reference": "Practitioner/d1"}}]})
        await a_document(found)
        await referenced(found, CARNET)
        await of(found.house.services).consents.decide("p1", CARNET, ["ordonnances"], "Patient/p1")
        yield found


async def there(space: Space) -> Counter[str]:
    """Type → how many resources of it are there, traces aside."""
    types = ("Binary", "Communication", "Consent", "DocumentReference", "List", "Task", "Provenance")
    found: Counter[str] = Counter()
    for type in types:
        page = await space.house.engine.store.find({type: EVERYTHING}, count=500)
        for version in page.versions:
            tree = msgspec.json.decode(version.body, type=dict[str, Any])
            found[type] += tree.get("status") not in ("entered-in-error", "inactive")
    return found


async def arrived(space: Space, login: str) -> Browser:
    if login != "docteur":
        return await signed_in(space, login)
    browser = await doctor(space)
    await send(browser, "/patients/recherche", "/patients", **TRAITS)
    return browser


@pytest.mark.parametrize(("login", "page", "action", "fields", "made"), FORMS, ids=[one[2] for one in FORMS])
async def test_a_form_sent_twice_at_once_makes_one(
    space: Space, login: str, page: str, action: str, fields: dict[str, Any], made: dict[str, int]
) -> None:
    browser = await arrived(space, login)
    word = (await browser.http.get(page)).text.partition('name="word" value="')[2].partition('"')[0]
    data = {"word": word, **{name: value for name, value in fields.items() if name != "files"}}
    before = await there(space)

    async def once() -> int:
        answer = await browser.http.post(action, data=data, files=fields.get("files"), headers={"Origin": ROOT})
        return answer.status_code

    statuses = await asyncio.gather(once(), once(), once())
    assert set(statuses) <= {303, 400, 409, 412, 422} and 303 in statuses, statuses
    assert {type: n for type, n in (await there(space) - before).items() if n} == made, statuses
    # Nor by a third that comes later, from a page that was left open.
    assert await once() < 500
    assert {type: n for type, n in (await there(space) - before).items() if n} == made
