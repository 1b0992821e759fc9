"""Who reads a message, and who does not; drafts; what of a sent message changes, and who says that it was received.

https://hl7.org/fhir/R4/communication.html (received, status), domain file §2.7.
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.store.filters import EVERYTHING, Refers
from tests.profiles.resources import nos
from tests.server.people import kept
from tests.space.messages.exchange import CALLERS, CLINIC, DOCTOR, SENDERS, A, ago, ask, codes, message, sent
from tests.space.record.callers import BASE, Caller, Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENTS_SIDE = {"patient", "patient's app", "representative", "caregiver"}
#: What there is → who reads it, and finds it.
READ: dict[str, tuple[Tree, set[str]]] = {
    "doctor's": (message(DOCTOR), {"doctor", "doctor in the record", "doctor for the clinic", *PATIENTS_SIDE}),
    "patient's": (message(A, DOCTOR), {"doctor", "doctor in the record", "doctor for the clinic", *PATIENTS_SIDE}),
    "clinic's": (message(CLINIC), {"doctor for the clinic", "colleague", "clinic", *PATIENTS_SIDE}),
    "to a role": (message(A, "PractitionerRole/doctor"), {"doctor", "doctor in the record", "doctor for the clinic", *PATIENTS_SIDE}),
    "to colleagues": (message(DOCTOR, A, "Practitioner/colleague"),
                      {"doctor", "doctor in the record", "doctor for the clinic", "colleague", *PATIENTS_SIDE}),
    "doctor's draft": (message(DOCTOR, A, "Practitioner/colleague", status="preparation"),
                       {"doctor", "doctor in the record", "doctor for the clinic"}),
    "clinic's draft": (message(CLINIC, status="preparation"), {"doctor for the clinic", "colleague", "clinic"}),
    "patient's draft": (message(A, DOCTOR, status="preparation"), PATIENTS_SIDE),
    "of nobody": ({"resourceType": "Communication", "status": "completed", "subject": {"reference": A}}, PATIENTS_SIDE),
}  # fmt: skip


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("what", READ)
async def test_a_message_is_read_by_its_parties_alone(house: House, what: str, who: str) -> None:
    tree, readers = READ[what]
    await kept(house, {**tree, "id": "read", "sent": ago(1)})
    sees = await Caller(house, CALLERS[who]).sees("Communication", "read")
    assert sees == (who in readers or who == "operator")
    if not sees:
        for url in ("Communication/read/_history", "Communication/read/$meta"):
            there, absent = [await ask(house, who, "GET", one) for one in (url, url.replace("read", "none"))]
            assert there.status == absent.status


@pytest.mark.parametrize("who", [one for one in CALLERS if one not in ("operator", "another patient")])
async def test_a_draft_is_written_changed_and_thrown_away_by_its_side(house: House, who: str) -> None:
    """What a draft may say is judged when it is sent: to whom, and whether they may."""
    to = DOCTOR if who in PATIENTS_SIDE else A
    draft = message(SENDERS[who], to, status="preparation")
    made = (await ask(house, who, "POST", "Communication", draft)).json
    assert "sent" not in made
    changed = await ask(house, who, "PUT", f"Communication/{made['id']}", {**made, "topic": {"text": "Autre"}})
    assert changed.status == 200
    assert (await ask(house, who, "DELETE", f"Communication/{made['id']}")).status == 204


async def test_a_draft_is_sent_by_its_status_and_then_the_server_says_when(house: House) -> None:
    made = (await ask(house, "doctor", "POST", "Communication", message(DOCTOR, status="preparation"))).json
    tree = {**made, "status": "completed", "sent": "1970-01-01T00:00:00Z"}
    answer = await ask(house, "doctor", "PUT", f"Communication/{made['id']}", tree)
    assert answer.status == 200 and answer.json["sent"] > ago(1)


async def test_a_draft_that_may_not_be_sent_stays_a_draft(house: House) -> None:
    await kept(house, {"resourceType": "Practitioner", "id": "silent"})
    draft = message(A, "Practitioner/silent", status="preparation")
    made = (await ask(house, "patient", "POST", "Communication", draft)).json
    url = f"Communication/{made['id']}"
    refused = await ask(house, "patient", "PUT", url, {**made, "status": "completed"})
    assert codes(refused) == {"message-start"}
    assert (await ask(house, "patient", "GET", url)).json["status"] == "preparation"


@pytest.mark.parametrize("who", ["representative", "caregiver"])
@pytest.mark.parametrize("sender", [A, "their own"])
async def test_who_writes_in_the_patients_place_is_marked_whatever_they_say(
    house: House, who: str, sender: str
) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    said = A if sender == A else SENDERS[who]
    made = await sent(house, who, message(said, DOCTOR, answers=first))
    [mark] = made["extension"]
    assert mark["url"].endswith("ens-written-by-caregiver")
    assert mark["valueReference"] == {"reference": SENDERS[who]}


async def test_a_patient_marks_nobody_else_as_who_wrote(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    mark = {"url": "https://fhir-server.example/StructureDefinition/ens-written-by-caregiver"}
    mark["valueReference"] = {"reference": "RelatedPerson/carer"}  # type: ignore[assignment]
    made = await sent(house, "patient", message(A, DOCTOR, answers=first, extension=[mark]))
    assert "extension" not in made


#: What would change of a message that was sent.
CHANGES: dict[str, Any] = {
    "topic": {"text": "Autre chose"},
    "payload": [{"contentString": "autre"}],
    "status": "entered-in-error",
    "recipient": [{"reference": A}, {"reference": "Practitioner/stranger"}],
    "sent": "2020-01-01T00:00:00Z",
    "note": [{"text": "x"}],
}


@pytest.mark.parametrize("element", CHANGES)
@pytest.mark.parametrize("who", ["doctor", "patient", "caregiver"])
async def test_of_a_message_that_was_sent_nothing_changes(house: House, who: str, element: str) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    tree = {**made, element: CHANGES[element]}
    answer = await ask(house, who, "PUT", f"Communication/{made['id']}", tree)
    assert (answer.status, codes(answer)) == (422, {"message-final"}), answer.json
    assert answer.expressions == [f"Communication.{element}"]
    deleted = await ask(house, who, "DELETE", f"Communication/{made['id']}")
    assert (deleted.status, "PATCH" in deleted.headers["Allow"]) == (405, True)


#: Who says that a message was received → how they are answered.
RECEIVED = {
    "patient": 200,
    "representative": 200,
    "caregiver": 200,
    "patient's app": 200,
    "doctor": 403,
    "stranger": 404,
}


@pytest.mark.parametrize("who", RECEIVED)
async def test_a_message_is_received_by_whom_it_is_to_once(house: House, who: str) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    patch = [{"op": "add", "path": "/received", "value": "1970-01-01T00:00:00Z"}]
    url = f"Communication/{made['id']}"
    answer = await ask(house, who, "PATCH", url, patch, "application/json-patch+json")
    assert answer.status == RECEIVED[who], answer.json
    if answer.status == 200:
        assert answer.json["received"] >= made["sent"]
        again = await ask(house, who, "PATCH", url, patch, "application/json-patch+json")
        taken = await ask(
            house, who, "PATCH", url, [{"op": "remove", "path": "/received"}], "application/json-patch+json"
        )
        assert codes(again) == codes(taken) == {"message-received"}


async def test_a_thread_is_found_with_its_first_message(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    reply = await sent(house, "patient", message(A, DOCTOR, answers=first))
    other = await sent(house, "doctor", message(DOCTOR))
    for value in (f"Communication/{first['id']}", first["id"]):
        answer = await ask(house, "patient", "GET", f"Communication?thread={value}&_sort=sent&_total=accurate")
        assert [one["resource"]["id"] for one in answer.json["entry"]] == [first["id"], reply["id"]]
        assert answer.json["total"] == 2
    assert other["id"] not in (first["id"], reply["id"])
    assert (await ask(house, "stranger", "GET", f"Communication?thread={first['id']}&_total=accurate")).json[
        "total"
    ] == 0


async def test_one_mail_is_one_message(house: House) -> None:
    named = {"identifier": [{"system": "https://fhir-server.example/sid/message-id", "value": "1@mail.example"}]}
    made = await sent(house, "doctor", message(DOCTOR, **named))
    again = await ask(house, "doctor", "POST", "Communication", message(DOCTOR, **named))
    assert again.status == 409
    found = await ask(house, "doctor", "GET", "Communication?identifier=1@mail.example")
    assert [one["resource"]["id"] for one in found.json["entry"]] == [made["id"]]


async def test_a_search_by_the_patient_looks_for_no_other_link(house: House) -> None:
    """A rule that gives by any of several links says nothing more of what is asked for by one of them."""
    seen = await house.seen_by(CALLERS["patient"], BASE)
    [where] = seen.visible({"Communication": Refers("subject", A)}).values()
    assert repr(where).count("Refers") == 1
    assert "_draft" in repr(where)
    [every] = seen.visible({"Communication": EVERYTHING}).values()
    assert repr(every).count("Refers") == 3


async def test_an_establishment_files_as_professionals_do_and_never_for_the_patient(house: House) -> None:
    """Its types and labels are theirs: what patients file themselves it does not."""
    types = {"11502-2": ("http://loinc.org", 201), "DOCPAT03": (nos("TRE_A05-TypeDocComplementaire"), 422)}
    for code, (system, status) in types.items():
        tree = {
            "resourceType": "DocumentReference",
            "status": "current",
            "type": {"coding": [{"system": system, "code": code}]},
            "subject": {"reference": A},
            "author": [{"reference": CLINIC}],
            "content": [{"attachment": {"contentType": "text/plain", "url": "http://example.org/x"}}],
        }
        answer = await ask(house, "clinic", "POST", "DocumentReference", tree)
        assert answer.status == status, answer.json
