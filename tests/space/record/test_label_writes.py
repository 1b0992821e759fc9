"""What a write makes of a document's labels: a patient's mask, a new version, the first of several. Domain file §1.3.

https://interop.esante.gouv.fr/ig/fhir/pdsm"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fhir_server.app import House
from fhir_server.space.record.invisible import VISIBLE_FROM
from fhir_server.space.record.label_changes import BY_PATIENT
from tests.space.record.callers import Caller, labelled
from tests.space.record.writers import CALLERS, PATCH, a_document, replaced, replacing, sees, stored, writing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with writing(tmp_path_factory.mktemp("labels")) as found:
        yield found


async def test_a_mask_by_its_patient_is_taken_back_by_them_alone(house: House) -> None:
    id = await stored(house, a_document("a professional's", "N"))
    url = f"DocumentReference/{id}"
    patient, author = Caller(house, CALLERS["patient"]), Caller(house, CALLERS["author"])
    masked = await patient("PATCH", url, replacing("securityLabel", labelled("MASQUE_PS")), PATCH)
    assert masked.json["securityLabel"][0]["extension"] == [{"url": BY_PATIENT, "valueBoolean": True}]
    # The author sees it, and sends it back without what they do not know of: it stays.
    kept_so = await author("PUT", url, {**masked.json, "description": "x", "securityLabel": labelled("MASQUE_PS")})
    assert kept_so.json["securityLabel"][0]["extension"] == [{"url": BY_PATIENT, "valueBoolean": True}]
    refused = await author("PATCH", url, replacing("securityLabel", labelled("N")), PATCH)
    assert (refused.status, refused.expressions) == (422, ["DocumentReference.securityLabel"])
    assert (await patient("PATCH", url, replacing("securityLabel", labelled("N")), PATCH)).status == 200


@pytest.mark.parametrize(
    ("masks", "codes", "left"),
    [
        ("patient", ["N"], [("MASQUE_PS", True)]),
        ("representative", ["R"], [("R", False), ("MASQUE_PS", True)]),
        ("author", ["N"], [("N", False)]),
    ],
)
async def test_a_new_version_takes_no_mask_of_the_patients_away(
    house: House, masks: str, codes: list[str], left: list[tuple[str, bool]]
) -> None:
    id = await stored(house, a_document("a professional's", "N"))
    url = f"DocumentReference/{id}"
    masked = await Caller(house, CALLERS[masks])("PATCH", url, replacing("securityLabel", labelled("MASQUE_PS")), PATCH)
    assert masked.status == 200
    new = a_document("a professional's", *codes, relatesTo=replaced(id))
    answer = await Caller(house, CALLERS["author"])("POST", "DocumentReference", new)
    assert answer.status == 201, answer.json
    found = [(one["coding"][0]["code"], "extension" in one) for one in answer.json["securityLabel"]]
    assert sorted(found) == sorted(left)
    assert await sees(house, "other", answer.json["id"]) == (masks == "author")


async def test_a_new_version_is_no_new_month(house: House) -> None:
    author = Caller(house, CALLERS["author"])
    said = {"url": VISIBLE_FROM, "valueInstant": "2026-01-02T03:04:05Z"}
    id = await stored(
        house,
        a_document("a professional's", securityLabel=[{"extension": [said], **labelled("INVISIBLE_PATIENT")[0]}]),
    )
    new = a_document("a professional's", "INVISIBLE_PATIENT", relatesTo=replaced(id))
    answer = await author("POST", "DocumentReference", new)
    [extension] = answer.json["securityLabel"][0]["extension"]
    assert extension["valueInstant"].startswith("2026-01-02T03:04:05")
    assert await sees(house, "patient", answer.json["id"])


async def test_nobody_says_for_the_patient_that_they_masked_it(house: House) -> None:
    mask = [{"extension": [{"url": BY_PATIENT, "valueBoolean": True}], **labelled("MASQUE_PS")[0]}]
    tree = a_document("a professional's", securityLabel=mask)
    answer = await Caller(house, CALLERS["author"])("POST", "DocumentReference", tree)
    assert answer.status == 201
    assert "extension" not in answer.json["securityLabel"][0]


FIRST = "/securityLabel/0"


#: Labels before, the patch of the first of them (domain file §1.3), who sends it → the labels after; None: refused.
FIRSTS: list[tuple[list[str], str, str, list[str] | None]] = [
    (["N"], "MASQUE_PS", "author", ["MASQUE_PS"]),
    (["MASQUE_PS"], "N", "author", ["N"]),
    (["INVISIBLE_PATIENT"], "MASQUE_PS", "author", ["INVISIBLE_PATIENT", "MASQUE_PS"]),
    (["MASQUE_PS"], "INVISIBLE_PATIENT", "author", ["INVISIBLE_PATIENT", "MASQUE_PS"]),
    (["INVISIBLE_REPRESENTANTS_LEGAUX"], "MASQUE_PS", "patient", ["INVISIBLE_REPRESENTANTS_LEGAUX", "MASQUE_PS"]),
    (["INVISIBLE_PATIENT", "MASQUE_PS"], "N", "author", None),
    (["MASQUE_PS", "INVISIBLE_PATIENT"], "N", "author", None),
    (["R", "MASQUE_PS"], "N", "author", ["MASQUE_PS"]),
]


@pytest.mark.parametrize(("before", "code", "caller", "after"), FIRSTS, ids=[f"{b} {c} {w}" for b, c, w, _ in FIRSTS])
async def test_the_first_label_is_replaced_and_no_other_is_lost(
    house: House, before: list[str], code: str, caller: str, after: list[str] | None
) -> None:
    id = await stored(house, a_document("a professional's", *before))
    sent = [{"op": "replace", "path": FIRST, "value": labelled(code)[0]}]
    answer = await Caller(house, CALLERS[caller])("PATCH", f"DocumentReference/{id}", sent, PATCH)
    if after is None:
        assert (answer.status, answer.expressions) == (422, ["DocumentReference.securityLabel"])
        return
    now = (await Caller(house)("GET", f"DocumentReference/{id}")).json["securityLabel"]
    assert sorted(one["coding"][0]["code"] for one in now) == after, answer.json


async def test_a_label_is_taken_away_by_its_own_place(house: House) -> None:
    id = await stored(house, a_document("a professional's", "INVISIBLE_PATIENT", "MASQUE_PS"))
    sent = [{"op": "remove", "path": "/securityLabel/1"}]
    answer = await Caller(house, CALLERS["author"])("PATCH", f"DocumentReference/{id}", sent, PATCH)
    assert [one["coding"][0]["code"] for one in answer.json["securityLabel"]] == ["INVISIBLE_PATIENT"]
