"""The rules of exchanges: every rule × who writes × how the exchange stands, in JSON and in XML.

https://hl7.org/fhir/R4/communication.html; domain file §2.7: who begins, who replies, who ends, to whom.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.messages.rules import RULES
from tests.profiles import resources as r
from tests.server.people import kept
from tests.space.messages.exchange import (
    CALLERS,
    CLINIC,
    DOCTOR,
    SENDERS,
    XML,
    A,
    ago,
    ask,
    codes,
    message,
    sent,
)
from tests.space.record.callers import Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: How an exchange stands → its last message.
State = Callable[[House], Awaitable[Tree]]


async def begun(house: House) -> Tree:
    return await sent(house, "doctor", message(DOCTOR))


async def answered(house: House) -> Tree:
    first = await begun(house)
    reply = await sent(house, "patient", message(A, DOCTOR, answers=first))
    return await sent(house, "doctor", message(DOCTOR, answers=reply))


async def ended(house: House) -> Tree:
    return await sent(house, "doctor", message(DOCTOR, answers=await answered(house), ends=True))


async def by_the_clinic(house: House) -> Tree:
    return await sent(house, "clinic", message(CLINIC))


STATES: Mapping[str, State] = {"begun": begun, "answered": answered, "ended": ended, "by the clinic": by_the_clinic}
PATIENTS_SIDE = ("patient", "patient's app", "representative", "caregiver")
#: How it stands → who replies to its last message, and is not refused.
MAY: Mapping[str, tuple[str, ...]] = {
    "begun": ("doctor", "doctor in the record", "doctor for the clinic", *PATIENTS_SIDE),
    "answered": ("doctor", "doctor in the record", "doctor for the clinic", *PATIENTS_SIDE),
    "ended": (),
    "by the clinic": ("doctor for the clinic", "colleague", "clinic", *PATIENTS_SIDE),
}


@pytest.mark.parametrize("type", ["", XML])
@pytest.mark.parametrize("who", [one for one in CALLERS if one not in ("operator", "another patient")])
@pytest.mark.parametrize("state", STATES)
async def test_a_reply_is_of_who_takes_part_in_what_goes_on(house: House, state: str, who: str, type: str) -> None:
    last = await STATES[state](house)
    to = (last["sender"]["reference"],) if who in PATIENTS_SIDE else (A,)
    answer = await ask(house, who, "POST", "Communication", message(SENDERS[who], *to, answers=last), type)
    if who in MAY[state]:
        assert answer.status == 201, answer.json
    elif state == "ended" and who in MAY["begun"]:
        assert (answer.status, codes(answer) & {"message-ended"}) == (422, {"message-ended"})
    else:
        # It is answered as a message that is not there.
        assert (answer.status, codes(answer) & {"message-thread"}) == (422, {"message-thread"}), answer.json


@pytest.mark.parametrize("type", ["", XML])
@pytest.mark.parametrize("who", [one for one in CALLERS if one not in ("operator", "another patient")])
async def test_only_professionals_begin(house: House, who: str, type: str) -> None:
    patients = who in PATIENTS_SIDE
    await kept(house, {"resourceType": "Practitioner", "id": "silent"})
    to = "Practitioner/silent" if patients else A
    answer = await ask(house, who, "POST", "Communication", message(SENDERS[who], to), type)
    assert answer.status == (422 if patients else 201), answer.json
    if patients:
        assert codes(answer) == {"message-start"}
        assert answer.expressions == ["Communication.recipient"]


#: What is wrong with a message → who sends it, what differs, and the rule that refuses it.
WRONG: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "in another's name": ("doctor", {"sender": {"reference": "Practitioner/stranger"}}, "message-sender"),
    "in the name of an organisation they do not act for": ("doctor", {"sender": {"reference": CLINIC}}, "message-sender"),
    "a caregiver's in the representative's name": ("caregiver", {"sender": {"reference": "RelatedPerson/parent"}, "recipient": [{"reference": DOCTOR}]}, "message-sender"),
    "a patient's in the doctor's name": ("patient", {"recipient": [{"reference": DOCTOR}]}, "message-sender"),
    "to another patient": ("doctor", {"recipient": [{"reference": A}, {"reference": "Patient/b"}]}, "message-patient"),
    "to nobody of the patient's": ("doctor", {"recipient": [{"reference": "Practitioner/colleague"}]}, "message-to-patient"),
    "to who is not here": ("doctor", {"recipient": [{"reference": A}, {"reference": "Practitioner/nobody"}]}, "message-recipient"),
    "to who is active no more": ("doctor", {"recipient": [{"reference": A}, {"reference": "Practitioner/retired"}]}, "message-recipient"),
    "to ten thousand": ("doctor", {"recipient": [{"reference": f"Practitioner/{n}"} for n in range(10_000)]}, "message-recipients"),
    "in a contained name": ("doctor", {"sender": {"reference": "#me"}, "contained": [{"resourceType": "Practitioner", "id": "me"}]}, "message-attachment"),
    "of a closed space": ("doctor", {"subject": {"reference": "Patient/closed"}, "recipient": [{"reference": "Patient/closed"}]}, "message-closed-account"),
    "to the dead": ("doctor", {"subject": {"reference": "Patient/dead"}, "recipient": [{"reference": "Patient/dead"}]}, "message-closed-account"),
    "answering nothing": ("doctor", {"partOf": [{"reference": "Communication/none"}], "inResponseTo": [{"reference": "Communication/none"}]}, "message-thread"),
    "with a document that is not there": ("doctor", {"payload": [{"contentReference": {"reference": "DocumentReference/none"}}]}, "message-document"),
    "with a file that is elsewhere": ("doctor", {"payload": [{"contentAttachment": {"url": "http://example.org/x", "size": 1}}]}, "message-attachment"),
    "with a file without its size": ("doctor", {"payload": [{"contentAttachment": {"url": "Binary/x"}}]}, "message-attachment"),
    "received before it is sent": ("doctor", {"received": "2026-01-01T00:00:00Z"}, "message-received"),
    "without its profile": ("doctor", {"meta": {"tag": [{"code": "x"}]}}, "message-profile"),
    "without a subject line": ("doctor", {"topic": {"coding": [{"code": "x"}]}}, "ens-message-topic"),
    "too long": ("doctor", {"payload": [{"contentString": "x" * 20_001}]}, "ens-message-text"),
    "from patient to patient": ("patient", {"sender": {"reference": A}, "recipient": [{"reference": "Patient/b"}]}, "ens-message-people"),
    "ended by a patient": ("patient", {"sender": {"reference": A}, "recipient": [{"reference": DOCTOR}], "extension": message(ends=True)["extension"]}, "ens-message-close"),
}  # fmt: skip


@pytest.mark.parametrize("type", ["", XML])
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_refused_message_is_told_the_rule_and_nothing_is_stored(house: House, wrong: str, type: str) -> None:
    who, more, rule = WRONG[wrong]
    before = (await ask(house, "operator", "GET", "Communication?_summary=count")).json["total"]
    answer = await ask(house, who, "POST", "Communication", {**message(), **more}, type)
    assert (answer.status, rule in codes(answer)) == (422, True), answer.json
    assert (await ask(house, "operator", "GET", "Communication?_summary=count")).json["total"] == before


@pytest.mark.parametrize("sender", ["Practitioner/blocked", "PractitionerRole/blocked"])
async def test_who_is_blocked_writes_no_more_and_is_not_written_to(house: House, sender: str) -> None:
    tree = message(sender, id="before-the-block", sent=ago(3))
    await kept(house, tree)
    by = Callers(house, sender)
    assert codes(await by(message(sender, answers=tree))) == {"message-blocked"}
    assert codes(await by(message(sender))) == {"message-blocked"}
    reply = await ask(house, "patient", "POST", "Communication", message(A, sender, answers=tree))
    assert codes(reply) == {"message-blocked"}


def Callers(house: House, subject: str) -> Callable[[Tree], Awaitable[Any]]:
    from tests.space.messages.exchange import person
    from tests.space.record.callers import Caller

    async def post(tree: Tree) -> Any:
        return await Caller(house, person("user", subject))("POST", "Communication", tree)

    return post


async def test_a_patient_writes_anew_to_who_wrote_until_they_end_it(house: House) -> None:
    await kept(house, {"resourceType": "Practitioner", "id": "once"})
    by, to = Callers(house, "Practitioner/once"), "Practitioner/once"
    first = (await by(message(to))).json
    assert (await ask(house, "patient", "POST", "Communication", message(A, to))).status == 201
    assert (await by(message(to, answers=first, ends=True))).status == 201
    refused = await ask(house, "patient", "POST", "Communication", message(A, to))
    assert codes(refused) == {"message-start"}
    assert (await by(message(to))).status == 201
    assert (await ask(house, "patient", "POST", "Communication", message(A, to))).status == 201


def dispensed(days: int, **more: Any) -> Tree:
    return {
        "resourceType": "MedicationDispense",
        "id": "dispensed",
        "status": "completed",
        "medicationCodeableConcept": {"text": "x"},
        "subject": {"reference": A},
        "performer": [{"actor": {"reference": "Organization/pharmacy"}}],
        "whenHandedOver": ago(days),
        **more,
    }


def a_paper(days: int, facility: str = "SA33") -> Tree:
    return {
        "resourceType": "DocumentReference",
        "id": "dispensed",
        "status": "current",
        "subject": {"reference": A},
        "date": ago(days),
        "author": [{"reference": "Organization/pharmacy"}],
        "content": [{"attachment": {"contentType": "text/plain", "url": "http://example.org/x"}}],
        "context": {"facilityType": {"coding": [{"system": r.nos("TRE_R02-SecteurActivite"), "code": facility}]}},
    }


#: What the pharmacy did → whether the patient may write to it.
PHARMACY: Mapping[str, tuple[Tree | None, bool]] = {
    "dispensed": (dispensed(364), True),
    "more than a year ago": (dispensed(366), False),
    "to another": (dispensed(10, subject={"reference": "Patient/b"}), False),
    "did not hand over": (dispensed(10, status="cancelled"), False),
    "wrote a document": (a_paper(364), True),
    "wrote one long ago": (a_paper(366), False),
    "is none": (a_paper(10, "SA07"), False),
    "nothing": (None, False),
}


@pytest.mark.parametrize("did", PHARMACY)
async def test_a_patient_writes_to_a_pharmacy_that_dispensed_to_them_within_a_year(house: House, did: str) -> None:
    tree, may = PHARMACY[did]
    for type in ("MedicationDispense", "DocumentReference"):
        await ask(house, "operator", "DELETE", f"{type}/dispensed")
    if tree is not None:
        await kept(house, tree)
    answer = await ask(house, "patient", "POST", "Communication", message(A, "Organization/pharmacy"))
    assert answer.status == (201 if may else 422), answer.json
    assert may or codes(answer) == {"message-start"}


async def test_what_an_operator_restores_is_held_to_no_rule(house: House) -> None:
    tree = message(A, "Practitioner/stranger", id="restored", sent=ago(700), received=ago(600))
    answer = await ask(house, "operator", "PUT", "Communication/restored", tree)
    assert answer.status == 201
    assert (answer.json["sent"], answer.json["received"]) == (tree["sent"], tree["received"])


async def test_every_rule_refuses_something_here() -> None:
    asked = {rule for _, _, rule in WRONG.values()} | {"message-start", "message-ended", "message-blocked"}
    told = {rule.code for rule in RULES}
    assert told - asked == {"message-to-professional", "message-attachments"}, (
        "asked in test_files.py, or by the profile"
    )
