"""The synthesis of a profile among the documents (DOCPAT08), one that is current; and summaries on paper.

Domain file §2.5; https://interop.esante.gouv.fr/ig/fhir/pdsm (simplified publish, TD2.1); R4 http.html#ccreate.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.space.profile.sharing import SESSION, refreshed
from fhir_server.space.profile.synthesis import SYNTHESIS
from tests.server.closed import Space
from tests.site.accessible import document, said
from tests.site.records import a_record, send, signed_in
from tests.space.record.callers import ALL, OWN, SYSTEM, Caller, grant

HOME, SHARE = "/mon-profil/p1", "/mon-profil/p1/partager"
SIMPLE = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-simplified-publish"
#: What the server says of content that it keeps beside.
_ADDED = ("url", "size", "hash")
HOLDER = grant("Patient/p1", OWN, patient="p1")


async def documents(space: Space) -> list[dict[str, Any]]:
    """All syntheses, the first of all before what replaced it."""
    found = await Caller(space.house)("GET", f"DocumentReference?_tag={SYNTHESIS}|")
    trees = [one["resource"] for one in found.json.get("entry", ())]
    return sorted(trees, key=lambda one: (len(one.get("relatesTo", ())), one["status"] == "current"))


async def content(space: Space, tree: dict[str, Any]) -> bytes:
    url = tree["content"][0]["attachment"]["url"]
    return base64.b64decode((await Caller(space.house)("GET", url)).json["data"])


async def test_a_synthesis_is_shared_replaced_and_withdrawn(space: Space) -> None:
    await a_record(space)
    await space.put({"resourceType": "Condition", "id": "hers", "subject": {"reference": "Patient/p1"},
                     "code": {"text": "Secret du docteur"}, "recorder": {"reference": "Practitioner/d1"}})  # fmt: skip
    browser = await signed_in(space)
    path = f"{HOME}/allergies"
    await send(browser, path, path, what="Arachide", note="À l’école")
    assert await documents(space) == [], "nothing is shared before the person says so"
    page = await send(browser, SHARE, HOME, act="share")
    assert "La synthèse est dans le dossier" in page.text
    document(page)
    [first] = await documents(space)
    assert first["status"] == "current" and first["author"] == [{"reference": "Patient/p1"}]
    assert first["type"]["coding"][0]["code"] == "DOCPAT08" and first["category"][0]["coding"][0]["code"] == "11"
    assert {
        one["coding"][0]["code"] for one in (first["context"]["facilityType"], first["context"]["practiceSetting"])
    } == {"EXP_PATIENT"}
    body = await content(space, first)
    assert b"<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>" in body
    assert "Arachide".encode("cp1252") in body and "école".encode("cp1252") in body
    assert b"Secret du docteur" not in body, "what a professional wrote is not the patient's to publish"
    await send(browser, SHARE, HOME, act="share")
    assert len(await documents(space)) == 1, "what says the same is not made again"
    await send(browser, path, path, what="Pollen")
    assert "Mettre à jour la synthèse" in (await browser.http.get(HOME)).text
    await send(browser, SHARE, HOME, act="share")
    before, after = await documents(space)
    assert (before["status"], after["status"]) == ("superseded", "current")
    assert after["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{before['id']}"}}]
    gone = await send(browser, SHARE, HOME, act="withdraw")
    assert "n’est plus partagée" in gone.text and [one["status"] for one in await documents(space)] == [
        "superseded",
        "entered-in-error",
    ]


async def test_what_is_filed_is_right_by_the_guide(space: Space) -> None:
    await a_record(space)
    browser = await signed_in(space)
    await send(browser, SHARE, HOME, act="share")
    [tree] = await documents(space)
    judged = await Caller(space.house)("POST", "DocumentReference/$validate", tree)
    assert not [one for one in judged.json["issue"] if one["severity"] in ("error", "fatal")], judged.json
    attachment = {name: value for name, value in tree["content"][0]["attachment"].items() if name not in _ADDED}
    sent = {
        **{name: one for name, one in tree.items() if name != "meta"},
        "content": [{"attachment": {**attachment, "data": "JVBERi0="}}],
    }
    judged = await Caller(space.house)("POST", f"DocumentReference/$validate?profile={SIMPLE}", sent)
    assert not [one for one in judged.json["issue"] if one["severity"] in ("error", "fatal")], judged.json


async def test_a_label_stays_when_it_is_replaced(space: Space) -> None:
    await a_record(space)
    browser = await signed_in(space)
    await send(browser, SHARE, HOME, act="share")
    [first] = await documents(space)
    await send(
        browser,
        f"/mon-dossier/p1/document/{first['id']}/visibilite",
        f"/mon-dossier/p1/document/{first['id']}",
        masked="yes",
    )
    await send(browser, f"{HOME}/allergies", f"{HOME}/allergies", what="Pollen")
    await send(browser, SHARE, HOME, act="share")
    labels = [one["securityLabel"][0]["coding"][0]["code"] for one in await documents(space)]
    assert labels == ["MASQUE_PS", "MASQUE_PS"]


async def test_a_session_of_editing_makes_one_version(space: Space) -> None:
    """By the job, as of when the session is over; none where nothing is shared, or says the same."""
    await a_record(space)
    browser = await signed_in(space)
    path, now, around = f"{HOME}/allergies", datetime.now(UTC), space.house.services.service("profile")
    await send(browser, path, path, what="Arachide")
    later = now + 3 * SESSION
    assert await refreshed(around, later) == 0 and await documents(space) == []
    await send(browser, SHARE, HOME, act="share")
    for what in ("Pollen", "Lait", "Œuf"):
        await send(browser, path, path, what=what)
    assert await refreshed(around, datetime.now(UTC)) == 0, "the session is not over"
    assert await refreshed(around, datetime.now(UTC) + 3 * SESSION) == 1
    assert await refreshed(around, datetime.now(UTC) + 3 * SESSION + timedelta(days=1)) == 0
    assert [one["status"] for one in await documents(space)] == ["superseded", "current"]
    assert b"Pollen" in await content(space, (await documents(space))[-1])


async def test_two_at_once_share_one(space: Space) -> None:
    await a_record(space)
    both = await asyncio.gather(*(Caller(space.house, HOLDER)("POST", "Patient/p1/$share-profile") for _ in range(2)))
    assert {one.status for one in both} == {200}
    assert len({one.json["parameter"][0]["valueReference"]["reference"] for one in both}) == 1
    assert len(await documents(space)) == 1


#: Who, and what they ask → status. p1 is the patient; d1 their doctor.
ASKED: dict[str, tuple[Grant, str, int]] = {
    "the holder": (HOLDER, "p1/$share-profile", 200),
    "a parent": (grant("RelatedPerson/r", OWN, wards=frozenset({"p1"}), patient="p1"), "p1/$share-profile", 200),
    "another patient": (grant("Patient/p2", OWN, patient="p2"), "p1/$share-profile", 404),
    "another in context": (grant("Patient/p1", OWN, patient="p2"), "p1/$share-profile", 404),
    "a doctor": (grant("Practitioner/d1", ALL), "p1/$share-profile", 403),
    "software": (grant(None, SYSTEM), "p1/$share-profile", 403),
    "nobody": (HOLDER, "absent/$share-profile", 404),
    "neither": (HOLDER, "p1/$share-profile?withdrawn=maybe", 400),
    "withdrawing nothing": (HOLDER, "p1/$share-profile?withdrawn=true", 200),
}


@pytest.mark.parametrize("name", ASKED)
async def test_the_patient_s_side_shares_and_nobody_else(space: Space, name: str) -> None:
    await a_record(space)
    await space.put({"resourceType": "Patient", "id": "p2"})
    await space.put({"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": "Patient/p1"}})
    who, path, status = ASKED[name]
    answer = await Caller(space.house, who)("POST", f"Patient/{path}")
    assert answer.status == status, answer.json
    assert len(await documents(space)) == (status == 200 and "withdrawn" not in path)


async def test_a_closed_space_takes_none(space: Space) -> None:
    await a_record(space)
    await space.put({"resourceType": "Patient", "id": "p1", "active": False})
    answer = await Caller(space.house, HOLDER)("POST", "Patient/p1/$share-profile")
    assert answer.status in (403, 404, 422) and await documents(space) == []


NUTS = {"resourceType": "AllergyIntolerance", "id": "nuts", "patient": {"reference": "Patient/p1"},
        "code": {"text": "Noix"}}  # fmt: skip
WEIGHT = {"resourceType": "Observation", "id": "w", "status": "final", "subject": {"reference": "Patient/p1"},
          "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                    "code": "vital-signs"}]}],
          "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Poids"},
          "effectiveDateTime": "2024-01-10", "valueQuantity": {"value": 71.5, "unit": "kg"}}  # fmt: skip


async def test_a_summary_is_taken_along_on_paper_in_two_languages(space: Space) -> None:
    await a_record(space)
    for tree in (NUTS, WEIGHT):
        await space.put(tree)
    browser = await signed_in(space)
    french = await browser.http.get(f"{HOME}/resume.pdf?langue=fr")
    english = await browser.http.get(f"{HOME}/resume.pdf?langue=en")
    for answer in (french, english):
        assert answer.headers["content-type"] == "application/pdf" and "no-store" in answer.headers["cache-control"]
        assert answer.content.startswith(b"%PDF-1.4") and b"Noix" in answer.content
    assert "Poids, 71,5 kg".encode("cp1252") in french.content and b"/Lang(fr-FR)" in french.content
    assert b"Weight, 71.5 kg" in english.content and b"/Lang(en)" in english.content
    assert b"ALLERGIES AND INTOLERANCES" in english.content and b"International Patient Summary" in english.content
    assert (await browser.http.get("/mon-profil/p2/resume.pdf")).status_code == 404


async def test_a_doctor_reads_and_prints_what_they_may(space: Space) -> None:
    await a_record(space)
    ins = {"identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.11", "value": "269054958815780"}]}
    await space.put({"resourceType": "Patient", "id": "p1", "birthDate": "1969-05-03", **ins})
    holder = Caller(space.house, HOLDER)
    made = await holder("POST", "MedicationStatement", {"resourceType": "MedicationStatement", "status": "active",
                        "subject": {"reference": "Patient/p1"}, "medicationCodeableConcept": {"text": "Ventoline"}})  # fmt: skip
    assert made.status == 201
    await space.put(NUTS)
    browser = await signed_in(space, "docteur", "Practitioner/d1")
    assert (await browser.http.get("/patients/p1/profil")).status_code == 404
    await send(browser, "/patients/recherche", "/patients", ins="269054958815780")
    assert "Noix" not in (await browser.http.get("/patients/p1/profil")).text, "not let in, they see nothing"
    await space.put({"resourceType": "CareTeam", "id": "t", "status": "active", "subject": {"reference": "Patient/p1"},
                     "participant": [{"member": {"reference": "Practitioner/d1"}}]})  # fmt: skip
    page = said(document(await browser.http.get("/patients/p1/profil")))
    assert "Noix" in page and "Ventoline – noté par le patient" in page and "Noix – noté" not in page
    pdf = await browser.http.get("/patients/p1/profil/resume.pdf?langue=en")
    assert b"Ventoline" in pdf.content and b"/Lang(en)" in pdf.content
