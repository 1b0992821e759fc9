"""Qui a consulté mon dossier, on its page: by day, filtered, kept as a file. CSP R1111-43, RGAA 4.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.party import Named, Party
from fhir_server.access.touched import Touched
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.recording import record
from fhir_server.store.filters import Token
from tests.server.closed import BASE, Space
from tests.site.accessible import document
from tests.site.records import a_document, a_record, signed_in

HERE = "/mes-acces/p1"
ZOE = Party(Named("Practitioner/d1", "Zoé EXEMPLE"), ("x", "10", "Médecin"), Named("Organization/o", "Cabinet du Port"))
TREATING = Grant(subject="Practitioner/d1", client="cabinet", purpose="TREAT")


async def happened(space: Space, at: str, *objects: str, grant: Grant = TREATING, status: int = 200) -> None:
    touched = Touched(noting=True)
    touched.objects = {f"{one}/_history/1": ("Patient/p1",) for one in objects}
    touched.patients = {"Patient/p1": None}
    event = exchange_event(grant, touched, "read", "DocumentReference", status, BASE, ZOE)
    await record(space.house.repository(), [{**event, "recorded": at, "period": {"start": at}}])


@pytest.fixture
async def seen(space: Space) -> Space:
    await a_record(space)
    await a_document(space, "d1", "Analyse de sang")
    await happened(space, "2026-03-03T09:00:00.000Z", "Observation/o")
    await happened(space, "2026-03-04T09:00:00.000Z", "DocumentReference/d1")
    await happened(space, "2026-03-04T10:00:00.000Z", grant=replace(TREATING, purpose="BTG", reason="Coma"), status=403)
    return space


def cards(page: Any) -> list[str]:
    return [" ".join(" ".join(one.itertext()).split()) for one in page.xpath("//article")]


async def test_accesses_are_told_by_day_in_plain_words(seen: Space) -> None:
    page = document(await (await signed_in(seen)).http.get(HERE))
    assert [one.text_content() for one in page.xpath("//section/h2")] == ["4 mars 2026", "3 mars 2026"]
    emergency, opened, measures = cards(page)
    assert opened == (
        "Zoé EXEMPLE, Médecin Cabinet du Port 10:00, avec cabinet, pour vous soigner"
        " a ouvert votre document « Analyse de sang »"
    )
    assert "Accès en urgence Accès refusé" in emergency and "Raison donnée : Coma" in emergency
    assert measures.endswith("a consulté vos mesures et résultats")


#: What is asked in the address → how many cards are shown.
ASKED = {
    "": 3,
    "?du=4+mars+2026": 2,
    "?au=03/03/2026": 1,
    "?du=2026-03-03&au=2026-03-03": 1,
    "?qui=Practitioner/d1": 3,
    "?qui=Practitioner/other": 0,
    "?qui=nonsense": 3,
    "?qui=Practitioner/": 3,
    "?qui=Practitioner/a|b": 3,
    "?qui=Practitioner/d1,x": 3,
    "?qui=Patient/%00": 3,
}


@pytest.mark.parametrize("query", ASKED)
async def test_a_period_and_a_person_are_chosen(seen: Space, query: str) -> None:
    browser = await signed_in(seen)
    assert len(cards(document(await browser.http.get(HERE + query)))) == ASKED[query]
    lines = (await browser.http.get(f"{HERE}/export{query}")).text.strip().split("\r\n")
    assert len(lines) == 1 + ASKED[query]


@pytest.mark.parametrize(
    ("query", "status"), [("?du=32/13/2026", 400), ("?du=4+mars+2026&au=3+mars+2026", 400), ("?suite=x", 404)]
)
async def test_what_is_no_day_is_said_at_its_field(seen: Space, query: str, status: int) -> None:
    page = document(await (await signed_in(seen)).http.get(HERE + query), status)
    assert status == 404 or page.xpath("//input[@aria-invalid='true']")


async def test_accesses_are_kept_as_a_table_or_as_traces(seen: Space) -> None:
    browser = await signed_in(seen)
    page = document(await browser.http.get(HERE))
    table, file = [await browser.http.get(one) for one in page.xpath("//a[@download]/@href")]
    traces = file.json()
    assert table.headers["content-disposition"] == 'attachment; filename="journal.csv"'
    assert "«\u00a0Analyse de sang\u00a0»" in table.text
    assert (traces["type"], len(traces["entry"])) == ("collection", 3)


async def test_looking_is_a_trace_and_nobody_else_may(seen: Space) -> None:
    await (await signed_in(seen)).http.get(HERE)
    used = Token("type", "110101", "http://dicom.nema.org/resources/ontology/DCM")
    assert await seen.house.repository().count({"AuditEvent": used}) == 1
    other = await signed_in(seen, "other", "Patient/p2")
    for path in (HERE, f"{HERE}/export"):
        assert (await other.http.get(path)).status_code == 404


@pytest.mark.parametrize("label", ["N", "INVISIBLE_PATIENT"])
async def test_a_document_that_is_invisible_to_its_patient_is_nowhere(space: Space, label: str) -> None:
    await a_record(space)
    await a_document(space, "d1", "Diagnostic grave", label=label)
    await happened(space, "2026-03-04T09:00:00.000Z", "DocumentReference/d1", "Binary/b-d1")
    browser = await signed_in(space)
    for path in (HERE, f"{HERE}/export", f"{HERE}/export?format=fhir"):
        answer = await browser.http.get(path)
        assert answer.status_code == 200
        assert any(word in answer.text for word in ("Diagnostic", "DocumentReference/d1", "b-d1")) == (label == "N")
