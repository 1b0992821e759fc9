"""The page of a record asks its holder to consult a professional, while a document is to come: CSP R1111-53."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fhir_server.fhir.nos import CAREGIVER
from tests.server.closed import Space, serving
from tests.server.people import kept
from tests.site.accessible import document, said
from tests.site.records import a_record, signed_in
from tests.space.record.test_announcements import hidden

ASKED = "a une information à"


@pytest_asyncio.fixture
async def space(tmp_path: Path) -> AsyncIterator[Space]:
    async with serving(tmp_path) as found:
        await a_record(found)
        yield found


#: Days since the document was made invisible → whether its patient is asked.
DAYS = [(1, False), (13, False), (15, True), (26, True), (32, False)]


@pytest.mark.parametrize(("days", "is_asked"), DAYS)
async def test_the_holder_is_asked_from_two_weeks_to_a_month(space: Space, days: int, is_asked: bool) -> None:
    await kept(space.house, hidden("d1", datetime.now(UTC) - timedelta(days=days), of="p1"))
    browser = await signed_in(space)
    page = document(await browser.http.get("/mon-dossier/p1"))
    assert (ASKED in said(page)) == is_asked


#: Year of birth, further label → whether who acts for the patient is asked.
WARDS = [
    ("2020-01-01", (), True),
    ("2020-01-01", ("INVISIBLE_REPRESENTANTS_LEGAUX",), False),
    ("1970-01-01", (), False),
]


@pytest.mark.parametrize(("born", "labels", "is_asked"), WARDS)
async def test_who_acts_for_a_minor_is_asked_but_of_what_is_kept_from_them(
    space: Space, born: str, labels: tuple[str, ...], is_asked: bool
) -> None:
    ward = {"resourceType": "Patient", "id": "child", "name": [{"family": "DEMO", "given": ["Lou"]}], "birthDate": born}
    await kept(space.house, ward)
    await kept(space.house, hidden("d1", datetime.now(UTC) - timedelta(days=15), *labels, of="child"))
    # Of an adult a caregiver is registered: nobody else acts for them.
    cares = {"system": "https://relations.example", "code": CAREGIVER}
    carer = {"resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/child"}}
    await kept(space.house, carer | {"relationship": [{"coding": [cares]}]})
    subject = "Patient/p1" if is_asked or labels else "RelatedPerson/r1"
    browser = await signed_in(space, subject=subject, wards=("child",))
    page = document(await browser.http.get("/mon-dossier/child"))
    assert (ASKED in said(page)) == is_asked
    if subject == "Patient/p1":
        assert ASKED not in said(document(await browser.http.get("/mon-dossier/p1")))
