"""Qui a consulté mon dossier: who, from where, when, what and why, and nothing of what is hidden.

CSP R1111-43, L1111-19; https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.party import Named, Party
from fhir_server.access.touched import Touched
from fhir_server.app import House, opened
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.reading import LOOKED_THROUGH, AuditReader
from fhir_server.audit.recording import record
from fhir_server.settings import Settings
from fhir_server.space.accesses.consultations import Asked, Consultation, Teller
from fhir_server.space.accesses.exporting import bundle, table
from tests.server.people import kept

BASE = "https://fhir.example/fhir"
PARIS = ZoneInfo("Europe/Paris")
MEDECIN = ("https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante", "10", "Médecin")
ANNE = Party(Named("Practitioner/anne", "Anne DEMO"), MEDECIN, Named("Organization/o", "Maison de santé du Port"))
TREATING = Grant(subject="Practitioner/anne", client="cabinet", purpose="TREAT")
READS = tuple(Scope("patient", type, frozenset("rs")) for type in ("AuditEvent", "DocumentReference"))
#: A document that nobody may search for whom this scene is seen by: of another patient, as hidden as any.
HIDDEN = "DocumentReference/hidden"


class Scene:
    """A patient with two documents, one of them out of sight, and those who opened them."""

    def __init__(self, house: House) -> None:
        self.house = house

    async def happened(
        self,
        at: str,
        *objects: str,
        interaction: str = "read",
        type: str = "DocumentReference",
        grant: Grant = TREATING,
        party: Party | None = ANNE,
        status: int = 200,
    ) -> None:
        touched = Touched(noting=True)
        touched.objects = {f"{one}/_history/1": ("Patient/p",) for one in objects}
        touched.patients = {"Patient/p": None}
        event = exchange_event(grant, touched, interaction, type, status, BASE, party)
        await record(self.house.repository(), [{**event, "recorded": at, "period": {"start": at}}])

    async def teller(self, grant: Grant | None = None) -> Teller:
        seen = await self.house.seen_by(grant or Grant(READS, subject="Patient/p", patient="p", traced=False), BASE)
        own = self.house.repository()

        async def called(client: str) -> str:
            return {"cabinet": "Logiciel du cabinet", "app": "Carnet"}.get(client, client)

        return Teller(seen, own, called, PARIS, self.house.authorization.verifier.place(BASE))

    async def told(self, **asked: Any) -> list[Consultation]:
        return list((await (await self.teller()).tell(Asked("p", **asked))).rows)


def a_document(id: str, patient: str, title: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"title": title, "url": f"Binary/{id}"}}],
    }


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with opened(Settings(data=tmp_path, base_url=BASE)) as house:
        for tree in (
            *({"resourceType": "Patient", "id": id} for id in ("p", "q")),
            {"resourceType": "Practitioner", "id": "paul", "name": [{"family": "EXEMPLE", "given": ["Paul"]}]},
            {"resourceType": "RelatedPerson", "id": "aidant", "patient": {"reference": "Patient/p"}},
            a_document("bilan", "p", "Bilan sanguin"),
            a_document("hidden", "q", "Secret"),
            *(
                {
                    "resourceType": "Binary",
                    "id": id,
                    "contentType": "text/plain",
                    "data": "eA==",
                    "securityContext": {"reference": f"DocumentReference/{id}"},
                }
                for id in ("bilan", "hidden")
            ),
        ):
            await kept(house, tree)
        yield Scene(house)


def french(rows: list[Consultation]) -> list[list[str]]:
    return [[deed[0].replace("\u00a0", " ") for deed in row.deeds] for row in rows]


async def test_a_row_says_who_from_where_when_what_and_why(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan")
    [row] = await scene.told()
    assert row == Consultation(
        date(2026, 3, 4),
        datetime(2026, 3, 4, 9, tzinfo=UTC),
        datetime(2026, 3, 4, 9, tzinfo=UTC),
        "Practitioner/anne",
        ("Anne DEMO", "Anne DEMO"),
        "Médecin",
        "Maison de santé du Port",
        ["Logiciel du cabinet"],
        [("a ouvert votre document «\u00a0Bilan sanguin\u00a0»", "opened your document “Bilan sanguin”")],
        ["bilan"],
        ("pour vous soigner", "to care for you"),
    )


#: Interaction, objects, type asked for → what is told.
DEEDS: Mapping[str, tuple[str, tuple[str, ...], str, list[str]]] = {
    "a document is added": ("create", ("DocumentReference/bilan",), "", ["a ajouté le document « Bilan sanguin »"]),
    "its labels are changed": ("patch", ("DocumentReference/bilan",), "", ["a modifié le document « Bilan sanguin »"]),
    "its content is opened": ("read", ("Binary/bilan",), "", ["a ouvert votre document « Bilan sanguin »"]),
    "it is both": ("read", ("DocumentReference/bilan", "Binary/bilan"), "",
                   ["a ouvert votre document « Bilan sanguin »"]),
    "an operation": ("$everything", ("Patient/p", "Observation/o"), "",
                     ["a consulté votre identité et vos coordonnées", "a consulté vos mesures et résultats"]),
    "a search that found nothing": ("search-type", (), "Observation", ["a consulté vos mesures et résultats"]),
    "what nobody has a word for": ("read", ("Basic/b",), "", ["a consulté votre dossier"]),
    "a hidden document is opened": ("read", (HIDDEN,), "", ["a consulté votre dossier"]),
    "a hidden document is added": ("create", (HIDDEN, "Binary/hidden"), "", ["a consulté votre dossier"]),
    "a hidden document is removed": ("delete", (HIDDEN,), "", ["a consulté votre dossier"]),
    "one of two is hidden": ("search-type", ("DocumentReference/bilan", HIDDEN), "",
                             ["a vu dans une liste votre document « Bilan sanguin »"]),
    "a document that is no more": ("read", ("DocumentReference/none", "Binary/none"), "", ["a consulté votre dossier"]),
}  # fmt: skip


@pytest.mark.parametrize("case", DEEDS)
async def test_what_was_done_is_told_in_words_and_nothing_of_what_is_hidden(scene: Scene, case: str) -> None:
    interaction, objects, type, said = DEEDS[case]
    await scene.happened("2026-03-04T09:00:00.000Z", *objects, interaction=interaction, type=type)
    rows = await scene.told()
    assert french(rows) == [said]
    assert "Secret" not in repr(rows) and "hidden" not in repr(rows)
    teller = await scene.teller()
    exported = await table(teller, Asked("p")) + json.dumps(await bundle(teller, Asked("p")))
    assert "Secret" not in exported and "hidden" not in exported


async def test_one_person_s_day_is_one_row_and_another_reason_is_another(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan")
    await scene.happened("2026-03-04T11:00:00.000Z", "Observation/o", grant=replace(TREATING, client="app"))
    emergency = replace(TREATING, purpose="BTG", reason="Coma")
    await scene.happened("2026-03-04T12:00:00.000Z", "Observation/o", grant=emergency)
    # 23:30 in Paris is still the fourth.
    await scene.happened("2026-03-04T22:30:00.000Z", "Observation/o")
    await scene.happened("2026-03-04T23:30:00.000Z", "Observation/o")
    rows = await scene.told()
    assert [(row.day.day, len(row.deeds), row.emergency, row.reason) for row in rows] == [
        (5, 1, False, ""),
        (4, 2, False, ""),
        (4, 1, True, "Coma"),
    ]
    assert (rows[1].first.hour, rows[1].last.hour) == (10, 23)
    assert rows[1].tools == ["Logiciel du cabinet", "Carnet"]


#: Whose access → what they are called, how the row is found by them.
WHO: Mapping[str, tuple[Grant, str, str]] = {
    "a professional of whom an earlier trace has no name": (
        Grant(subject="Practitioner/paul"), "Paul EXEMPLE", "Practitioner/paul"),
    "a professional who is no more": (
        Grant(subject="Practitioner/x"), "Un professionnel de santé", "Practitioner/x"),
    "somebody who acts for the patient": (
        Grant(subject="RelatedPerson/aidant"), "Une personne qui agit pour vous", "RelatedPerson/aidant"),
    "software alone": (Grant(client="app"), "Carnet", ""),
    "the service's staff": (Grant(subject="Person/1"), "Une personne non identifiée", ""),
    "nobody known": (Grant(), "Une personne non identifiée", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", WHO)
async def test_who_it_was_is_said_as_people_call_them(scene: Scene, case: str) -> None:
    grant, called, reference = WHO[case]
    await scene.happened("2026-03-04T09:00:00.000Z", "Observation/o", grant=grant, party=None)
    [row] = await scene.told()
    assert (row.who[0], row.reference) == (called, reference)


async def test_the_holder_is_told_of_others_and_of_themself_when_asked(scene: Scene) -> None:
    own = Grant(subject="Patient/p", client="app", patient="p", purpose="PATRQT")
    await scene.happened("2026-03-04T09:00:00.000Z", "Observation/o", grant=own, party=None)
    assert await scene.told() == []
    [row] = await scene.told(own=True)
    assert row.who == ("Vous", "You")


async def test_a_refusal_and_an_emergency_call_centre_are_marked(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", status=403)
    await scene.happened("2026-03-04T10:00:00.000Z", "Observation/o", grant=replace(TREATING, purpose="ETREAT"))
    assert [(row.refused, row.emergency) for row in await scene.told()] == [(False, True), (True, False)]


async def test_accesses_are_filtered_by_period_and_by_person(scene: Scene) -> None:
    for day in ("03", "04", "05"):
        await scene.happened(f"2026-03-{day}T12:00:00.000Z", "Observation/o")
    await scene.happened(
        "2026-03-04T12:00:00.000Z", "Observation/o", grant=Grant(subject="Practitioner/paul"), party=None
    )
    days = [row.day.day for row in await scene.told(since=date(2026, 3, 4), until=date(2026, 3, 4))]
    assert days == [4, 4]
    assert [row.day.day for row in await scene.told(since=date(2026, 3, 5))] == [5]
    assert [row.who[0] for row in await scene.told(who="Practitioner/paul")] == ["Paul EXEMPLE"]


async def test_pages_are_whole_days_and_together_all_of_it(scene: Scene) -> None:
    for day in range(1, 10):
        for hour in (8, 9):
            await scene.happened(f"2026-03-0{day}T0{hour}:00:00.000Z", "Observation/o")
    teller, found, before = await scene.teller(), [], ""
    while True:
        page = await teller.tell(Asked("p", before=before), rows=4)
        found += [row.day.day for row in page.rows]
        assert len(page.rows) <= 4
        before = page.next
        if not before:
            break
    assert found == list(range(9, 0, -1))


async def test_a_day_that_is_too_long_goes_on_on_the_next_page(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.space.accesses.consultations.LOOKED_THROUGH", 3)
    # Four are of one instant: a page never ends amid one.
    for at in ("08:00:00.000", *["09:00:00.000"] * 4, "10:00:00.000"):
        await scene.happened(f"2026-03-04T{at}Z", "Observation/o")
    teller = await scene.teller()
    first = await teller.tell(Asked("p"))
    second = await teller.tell(Asked("p", before=first.next))
    assert (first.next, second.next) == ("2026-03-04T09:00:00.000Z", "")
    hours = [(row.first.astimezone(UTC).hour, row.last.astimezone(UTC).hour) for row in (*first.rows, *second.rows)]
    assert hours == [(9, 10), (8, 8)]


@pytest.mark.parametrize("before", ["x", "2026-13-01T00:00:00Z", "2026-03-04T09:00:00", "2026-03-04"])
async def test_what_is_no_place_of_a_page_is_refused(scene: Scene, before: str) -> None:
    with pytest.raises(ValueError, match=r"instant|month"):
        await scene.told(before=before)


async def test_another_patient_is_told_nothing(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan")
    teller = await scene.teller(Grant(READS, subject="Patient/q", patient="q", traced=False))
    assert (await teller.tell(Asked("p"))).rows == []
    assert len((await bundle(teller, Asked("p")))["entry"]) == 0


async def test_the_table_has_a_line_an_access_and_no_formula(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan")
    formula = replace(TREATING, purpose="BTG", reason='=HYPERLINK("https://x.example");x')
    await scene.happened("2026-03-04T09:00:01.000Z", "Observation/o", grant=formula)
    text = await table(await scene.teller(), Asked("p"))
    assert text.startswith("\ufeffDate;Heure;Qui;")
    heads, second, first = csv.reader(io.StringIO(text[1:]), delimiter=";")
    assert len(heads) == len(first) == len(second) == 11
    assert first[:8] == [
        "04/03/2026", "10:00:00", "Anne DEMO", "Médecin", "Maison de santé du Port", "Logiciel du cabinet",
        "a ouvert votre document «\u00a0Bilan sanguin\u00a0»", "pour vous soigner",
    ]  # fmt: skip
    assert second[8:] == ['\'=HYPERLINK("https://x.example");x', "oui", "non"]


async def test_the_bundle_has_the_traces_themselves(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan", HIDDEN)
    found = await bundle(await scene.teller(), Asked("p"))
    [entry] = found["entry"]
    named = [one["what"]["reference"] for one in entry["resource"]["entity"]]
    assert named == ["DocumentReference/bilan/_history/1", "Patient/p", "Organization/o"]


HOLDER = Grant(subject="Patient/p", client="app", patient="p", purpose="PATRQT")


async def test_what_others_wrote_is_told_though_it_names_the_holder(scene: Scene) -> None:
    """Only of this server's own events is it known by the index who asked."""
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan", grant=HOLDER, party=None)
    touched = Touched(noting=True)
    touched.patients = {"Patient/p": None}
    tree = exchange_event(TREATING, touched, "read", "Observation", 200, BASE, ANNE)
    named = [*tree["agent"], {"who": {"reference": "Patient/p"}, "requestor": False}]
    await kept(scene.house, {**tree, "id": "theirs", "agent": named})
    assert [row.reference for row in await scene.told()] == ["Practitioner/anne"]


async def test_what_a_professional_opened_is_in_sight_behind_all_that_the_holder_did(scene: Scene) -> None:
    await scene.happened("2026-03-04T09:00:00.000Z", "DocumentReference/bilan")
    touched = Touched(noting=True)
    touched.patients = {"Patient/p": None}
    event = exchange_event(HOLDER, touched, "read", "Observation", 200, BASE, None)
    await record(scene.house.repository(), [event] * (LOOKED_THROUGH + 1))
    teller = await scene.teller()
    [access] = await AuditReader(teller.seen).accesses("p", teller.place)
    assert access.practitioner == "Practitioner/anne"
    assert [row.reference for row in await scene.told()] == ["Practitioner/anne"]
