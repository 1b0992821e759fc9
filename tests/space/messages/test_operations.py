"""`$mark-read`, `$end` and `$unread`: each does what plain FHIR does, under the same rules.

https://fhir-server.example/OperationDefinition/Communication-mark-read, Communication-end, Patient-unread
"""

from __future__ import annotations

import pytest

from fhir_server.app import House
from fhir_server.space.messages.model import CLOSED
from tests.server.people import kept
from tests.space.messages.exchange import CALLERS, CLINIC, DOCTOR, A, ago, ask, codes, message, of, sent
from tests.space.record.callers import Caller

SAVE = "Communication/restored/$save-attachment?payload=0&type=DOCPAT03"
RESTORED = {
    "resourceType": "Binary",
    "id": "restored",
    "contentType": "application/pdf",
    "data": "JVBERi0xLjQK",
    "securityContext": {"reference": "Communication/restored"},
}
pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Who calls → how marking a doctor's message as read is answered, and the end of its exchange.
ANSWERS = {
    "patient": (200, 403),
    "representative": (200, 403),
    "caregiver": (200, 403),
    "patient's app": (200, 403),
    "doctor": (403, 201),
    "doctor in the record": (403, 201),
    "colleague": (404, 404),
    "stranger": (404, 404),
    "another patient": (404, 404),
}


@pytest.mark.parametrize("who", ANSWERS)
async def test_who_marks_a_message_read_and_who_ends_its_exchange(house: House, who: str) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    url = f"Communication/{made['id']}"
    assert (await ask(house, who, "POST", f"{url}/$mark-read")).status == ANSWERS[who][0]
    assert (await ask(house, who, "POST", f"{url}/$end?text=Fini")).status == ANSWERS[who][1]
    assert (await ask(house, who, "GET", f"{url}/$end")).status == 405


async def test_a_message_is_marked_read_once_and_says_since_when(house: House) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    first = (await ask(house, "patient", "POST", f"Communication/{made['id']}/$mark-read")).json
    again = (await ask(house, "caregiver", "POST", f"Communication/{made['id']}/$mark-read")).json
    assert again["received"] == first["received"] >= made["sent"]
    assert again["meta"]["versionId"] == "2"


async def test_an_administrators_software_marks_a_message_read_when_it_does(house: House) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    answer = await ask(house, "operator", "POST", f"Communication/{made['id']}/$mark-read")
    assert answer.status == 200 and answer.json["received"] >= made["sent"]


async def test_a_restored_message_says_no_more_of_when_than_it_knows(house: House) -> None:
    """`sent` is a dateTime: a year, a month, a day (R4 datatypes.html#dateTime)."""
    for said in ("2020", "2020-02", "2020-02-03", "2020-02-03T10:00:00Z"):
        part = {"contentAttachment": {"contentType": "application/pdf", "url": "Binary/restored", "size": 9}}
        await kept(house, {**message(DOCTOR, id="restored", payload=[part]), "sent": said}, RESTORED)
        assert (await ask(house, "patient", "POST", f"{SAVE}")).status in (200, 201), said
        assert (await ask(house, "patient", "POST", "Communication", message(A, DOCTOR))).status == 201, said


async def test_a_draft_is_marked_read_by_nobody(house: House) -> None:
    await kept(house, message(DOCTOR, id="draft", status="preparation"))
    answer = await ask(house, "doctor", "POST", "Communication/draft/$mark-read")
    assert (answer.status, codes(answer)) == (422, {"message-received"})


async def test_the_end_of_an_exchange_is_a_message_of_its_thread_to_all_of_it(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR, A, "Practitioner/colleague"))
    reply = await sent(house, "patient", message(A, DOCTOR, answers=first))
    answer = await ask(house, "doctor", "POST", f"Communication/{reply['id']}/$end?text=Au%20revoir")
    ending = answer.json
    assert ending["extension"] == [{"url": CLOSED, "valueBoolean": True}]
    assert ending["partOf"] == [{"reference": f"Communication/{first['id']}"}]
    assert ending["payload"] == [{"contentString": "Au revoir"}]
    assert ending["recipient"] == [{"reference": A}]
    again = await ask(house, "doctor", "POST", f"Communication/{reply['id']}/$end")
    assert codes(again) == {"message-ended"}


async def test_each_side_has_its_own_unread_messages(house: House) -> None:
    tree = {"resourceType": "Patient", "id": "counted", "active": True}
    about = {"subject": {"reference": "Patient/counted"}, "sent": ago(1)}
    await kept(
        house,
        tree,
        *({**message(DOCTOR, "Patient/counted", id=f"to-{n}"), **about} for n in range(3)),
        {**message(DOCTOR, "Patient/counted", id="to-read", received=ago(1)), **about},
        {**message(DOCTOR, "Patient/counted", id="to-draft", status="preparation"), **about},
        *({**message("Patient/counted", DOCTOR, id=f"from-{n}"), **about} for n in range(2)),
        {**message("Patient/counted", CLINIC, id="from-clinic"), **about},
    )
    counted = {
        "doctor": 2,
        "doctor for the clinic": 3,
        "colleague": 1,
        "stranger": 0,
        "patient": 0,
        "another patient": 0,
    }
    for who, many in counted.items():
        answer = await ask(house, who, "GET", "Patient/counted/$unread")
        assert answer.json["parameter"] == [{"name": "count", "valueInteger": many}], who
        absent = await ask(house, who, "GET", "Patient/none/$unread")
        assert absent.status == 200 and absent.json["parameter"][0]["valueInteger"] == 0

    mine = await Caller(house, of("Patient/counted", "counted"))("GET", "Patient/counted/$unread")
    assert mine.json["parameter"][0]["valueInteger"] == 3
    assert set(counted) < set(CALLERS)
