"""Who one's attending doctor is: named, replaced and ended by who decides for the patient, and by nobody else.

https://hl7.org/fhir/R4/patient.html (generalPractitioner); CSS L162-5-3; OWASP ASVS 4.2.1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from tests.server.closed import Space
from tests.site.accessible import document, errors, said
from tests.site.records import a_record, send, signed_in
from tests.space.record.callers import ALL, OWN, SYSTEM, Caller, grant

PAGE = "/mon-profil/p1/medecin-traitant"
RPPS = "10000000100"
HOLDER = grant("Patient/p1", OWN, patient="p1")
READS = Grant((Scope("patient", "*", frozenset("rs")),), subject="Patient/p1", patient="p1", client="app", traced=False)
NAMES, ENDS = "p1/$attending-doctor?practitioner=Practitioner/d1", "p1/$attending-doctor?withdrawn=true"


async def scene(space: Space) -> None:
    await a_record(space)
    number = {"system": "https://rpps.esante.gouv.fr", "value": RPPS}
    await space.put({"resourceType": "Practitioner", "id": "d1", "identifier": [number],
                     "name": [{"family": "EXEMPLE", "given": ["Zoé"]}]})  # fmt: skip
    await space.put({"resourceType": "Practitioner", "id": "gone", "active": False})
    await space.put({"resourceType": "Patient", "id": "p1", "birthDate": "1969-05-03",
                     "generalPractitioner": [{"reference": "Organization/o"}, {"reference": "Practitioner/gone"}]})  # fmt: skip
    await space.put({"resourceType": "Patient", "id": "p2"})


async def doctors(space: Space) -> list[Any]:
    tree = (await Caller(space.house)("GET", "Patient/p1")).json
    return [one["reference"] for one in tree.get("generalPractitioner", ())]


async def test_a_doctor_is_named_by_their_number_and_ended(space: Space) -> None:
    await scene(space)
    browser = await signed_in(space)
    document(await browser.http.get(PAGE))
    page = document(await send(browser, PAGE, PAGE, act="name", rpps=RPPS))
    assert "Zoé EXEMPLE" in said(page) and "C’est enregistré." in said(page)
    assert await doctors(space) == ["Organization/o", "Practitioner/d1"], "one doctor; where they are cared for stays"
    page = document(await send(browser, PAGE, PAGE, act="end"))
    assert "Aucun médecin traitant n’est noté." in said(page) and await doctors(space) == ["Organization/o"]
    for typed in ("12", "10000000999"):
        wrong = document(await send(browser, PAGE, PAGE, act="name", rpps=typed), 400)
        assert list(errors(wrong)) == ["rpps"]
    assert (await send(browser, "/mon-profil/p2/medecin-traitant", PAGE, act="end")).status_code == 404


#: Who, and what they ask → status.
ASKED: dict[str, tuple[Grant, str, int]] = {
    "the holder": (HOLDER, NAMES, 200),
    "the holder ends it": (HOLDER, ENDS, 200),
    "an app that reads": (READS, NAMES, 403),
    "an app of the catalogue": (replace(HOLDER, referenced=True), NAMES, 403),
    "an app of the catalogue that ends it": (replace(HOLDER, referenced=True), ENDS, 403),
    "another": (grant("Patient/p2", OWN, patient="p2"), NAMES, 404),
    "who acts for somebody of age": (grant("RelatedPerson/r", OWN, wards=frozenset({"p1"})), NAMES, 404),
    "a caregiver": (grant("RelatedPerson/carer", OWN, wards=frozenset({"p1"})), NAMES, 403),
    "a doctor": (grant("Practitioner/d1", ALL), NAMES, 403),
    "an administrator": (grant(None, SYSTEM), NAMES, 200),
    "nobody": (HOLDER, "absent/$attending-doctor?withdrawn=true", 404),
    "neither": (HOLDER, "p1/$attending-doctor", 400),
    "both": (HOLDER, NAMES + "&withdrawn=true", 400),
    "maybe": (HOLDER, "p1/$attending-doctor?withdrawn=maybe", 400),
    "somebody who is not here": (HOLDER, NAMES.replace("d1", "none"), 422),
    "somebody who ended": (HOLDER, NAMES.replace("d1", "gone"), 422),
    "no professional": (HOLDER, NAMES.replace("Practitioner/d1", "Patient/p2"), 422),
}


@pytest.mark.parametrize("name", ASKED)
async def test_who_decides_names_the_doctor_and_nobody_else(space: Space, name: str) -> None:
    await scene(space)
    carer = {
        "coding": [
            {
                "system": "https://mos.esante.gouv.fr/NOS/TRE_R260-HL7RoleClass/FHIR/TRE-R260-HL7RoleClass",
                "code": "CAREGIVER",
            }
        ]
    }
    await space.put({"resourceType": "RelatedPerson", "id": "r", "patient": {"reference": "Patient/p1"}})
    await space.put(
        {
            "resourceType": "RelatedPerson",
            "id": "carer",
            "patient": {"reference": "Patient/p1"},
            "relationship": [carer],
        }
    )
    who, path, status = ASKED[name]
    before = await doctors(space)
    answer = await Caller(space.house, who)("POST", f"Patient/{path}")
    assert answer.status == status, answer.json
    assert (await doctors(space) == before) is (status != 200)
