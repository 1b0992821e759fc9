"""Documents that arrive as CDA are their author's and their patient's by the same rules as any other.

CSP R1111-47 (whoever cares for somebody files), JDV_J58; code 901 of the national mail guide.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from tests.server.calls import Answer
from tests.space.record.callers import ALL, OWN, Caller, grant
from tests.space.record.cda_documents import PIECES, SERIES, cda, patient, replacing

pytestmark = pytest.mark.asyncio(loop_scope="module")
_RPPS = "https://rpps.esante.gouv.fr"
AUTHOR = grant("Practitioner/author", ALL, patient="p")
OTHER = grant("Practitioner/other", ALL, patient="p")
HERSELF = grant("Patient/p", OWN, patient="p")
ELSEWHERE = grant("Practitioner/author", OWN, patient="q")

_SOMEBODY_ELSE = PIECES["author"].replace("899700218896", "899700218904").replace("1750000001", "1750000002")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path_factory.mktemp("roles"))) as found:
        everybody = Caller(found)
        await everybody.put({**patient(), "id": "p"})
        await everybody.put({"resourceType": "Patient", "id": "q"})
        for id, number in (("author", "99700218896"), ("other", "99700218904")):
            identifier = [{"system": _RPPS, "value": number}]
            await everybody.put({"resourceType": "Practitioner", "id": id, "identifier": identifier})
        # Who is in the care team reads what is not masked.
        team = {"resourceType": "CareTeam", "id": "t", "status": "active", "subject": {"reference": "Patient/p"}}
        await everybody.put({**team, "participant": [{"member": {"reference": "Practitioner/other"}}]})
        yield found


async def _filed(caller: Caller, number: int, query: str = "", **pieces: str) -> Answer:
    named = {"id": f'<id root="{SERIES}.{number}"/>', "series": "", **pieces}
    return await caller("POST", f"DocumentReference/$file-cda{query}", cda(**named), "application/xml")


#: Label · who sees it.
LABELS = [
    ("", {"author", "herself"}),
    ("?securityLabel=MASQUE_PS", {"author", "herself"}),
    ("?securityLabel=INVISIBLE_PATIENT", {"author"}),
]


@pytest.mark.parametrize(("number", "query", "seen_by"), [(n, *row) for n, row in enumerate(LABELS, 1)])
async def test_its_author_and_its_label_say_who_sees_it(
    house: House, number: int, query: str, seen_by: set[str]
) -> None:
    filed = await _filed(Caller(house, AUTHOR), number, query)
    assert filed.status == 201, filed.json
    for name, who in (("author", AUTHOR), ("herself", HERSELF)):
        assert await Caller(house, who).sees("DocumentReference", filed.id) is (name in seen_by), name


async def test_what_is_hidden_is_shown_as_what_is_not_there(house: House) -> None:
    filed = await _filed(Caller(house, AUTHOR), 10, "?securityLabel=INVISIBLE_PATIENT")
    herself = Caller(house, HERSELF)
    hidden = await herself("GET", f"DocumentReference/{filed.id}/$show")
    absent = await herself("GET", f"DocumentReference/{'0' * len(filed.id)}/$show")
    assert (hidden.status, hidden.json) == (absent.status, absent.json) == (404, absent.json)
    assert (await Caller(house, AUTHOR)("GET", f"DocumentReference/{filed.id}/$show")).status == 200


async def test_what_is_hidden_from_who_files_is_not_there_to_be_replaced(house: House) -> None:
    await _filed(Caller(house, AUTHOR), 20, "?securityLabel=MASQUE_PS")
    masked = await _filed(Caller(house, OTHER), 21, related=replacing(f"{SERIES}.20"))
    absent = await _filed(Caller(house, OTHER), 22, related=replacing("1.2.3.4"))
    told: list[Any] = [[one["diagnostics"] for one in answer.json["issue"]] for answer in (masked, absent)]
    assert masked.status == absent.status == 422
    assert told[0] == told[1]


async def test_nobody_files_for_another_than_the_patient_in_context(house: House) -> None:
    assert (await _filed(Caller(house, ELSEWHERE), 30)).status == 404


async def test_who_did_not_write_a_document_does_not_replace_it(house: House) -> None:
    await _filed(Caller(house, AUTHOR), 40)
    answer = await _filed(Caller(house, OTHER), 41, related=replacing(f"{SERIES}.40"), author=_SOMEBODY_ELSE)
    assert (answer.status, answer.json["issue"][0]["details"]["coding"][0]["code"]) == (403, "mss-901")
