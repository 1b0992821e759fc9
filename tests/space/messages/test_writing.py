"""What a message says and names has bounds, and nothing is put under one that was sent.

https://hl7.org/fhir/R4/communication.html (about, encounter, basedOn, note), https://hl7.org/fhir/R4/binary.html#security
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.space.messages.bounds import MOST_SAID
from fhir_server.space.messages.citations import MOST
from fhir_server.space.messages.model import LONGEST_TEXT
from tests.server.people import kept
from tests.space.messages.exchange import DOCTOR, A, ask, codes, message, sent
from tests.space.record.callers import Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATCH = "application/json-patch+json"
LONG = "x" * (LONGEST_TEXT + 1)
#: Element that is too long → what is said there, and which element the refusal names.
TOO_LONG: Mapping[str, tuple[Tree, str]] = {
    "a note": ({"note": [{"text": LONG}]}, "Communication.note[0].text"),
    "a reason": ({"reasonCode": [{"text": LONG}]}, "Communication.reasonCode[0].text"),
    "a name beside a recipient": ({"recipient": [{"reference": A, "display": LONG}]}, "Communication.recipient[0].display"),
    "an extension": ({"extension": [{"url": "urn:x", "valueString": LONG}]}, "Communication.extension[0].valueString"),
    "an address": ({"instantiatesUri": [f"urn:{LONG}"]}, "Communication.instantiatesUri[0]"),
    "the name of a file": (
        {"payload": [{"contentAttachment": {"data": "eA==", "contentType": "text/plain", "title": LONG}}]},
        "Communication.payload[0].contentAttachment.title",
    ),
    "many notes": ({"note": [{"text": "x" * LONGEST_TEXT}] * 6}, "Communication.note"),
    "many short ones": ({"medium": [{"text": f"{n:07}"} for n in range(MOST_SAID // 7)]}, "Communication.medium"),
    "many texts": ({"payload": [{"contentString": "x" * LONGEST_TEXT}] * 6}, "Communication.payload"),
}  # fmt: skip


@pytest.mark.parametrize("status", ["completed", "preparation"])
@pytest.mark.parametrize("what", TOO_LONG)
async def test_no_element_is_a_way_to_say_more_than_a_message_does(house: House, what: str, status: str) -> None:
    more, element = TOO_LONG[what]
    answer = await ask(house, "doctor", "POST", "Communication", message(DOCTOR, status=status, **more))
    assert (answer.status, "message-length" in codes(answer)) == (422, True), answer.json
    assert element in answer.expressions


async def test_a_text_as_long_as_it_may_be_is_sent_with_its_file(house: House) -> None:
    file = {"contentAttachment": {"contentType": "text/plain", "data": "eHh4" * 50_000}}
    await sent(house, "doctor", message(DOCTOR, payload=[{"contentString": "é" * LONGEST_TEXT}, file]))


async def test_of_a_receipt_nothing_is_said_beside_the_instant(house: House) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    url, beside = f"Communication/{made['id']}", {"extension": [{"url": "urn:x", "valueString": "mot"}]}
    alone = await ask(house, "patient", "PUT", url, {**made, "_received": beside})
    assert "_received" not in alone.json
    both = await ask(house, "patient", "PUT", url, {**made, "_received": beside, "received": "1970-01-01T00:00:00Z"})
    assert (both.status, "_received" in both.json, both.json["received"] >= made["sent"]) == (200, False, True)


NOWHERE = "message-reference"
#: What a message names → the rule by which it is refused when a doctor, and the patient, sends it; None: it is sent.
NAMED: Mapping[str, tuple[str, str | None, str | None]] = {
    "of the patient": ("Encounter/of-a", NOWHERE, None),
    "of another patient": ("Encounter/of-b", NOWHERE, NOWHERE),
    "not there": ("Encounter/none", NOWHERE, NOWHERE),
    "elsewhere": ("http://example.org/fhir/Encounter/of-a", NOWHERE, NOWHERE),
    "another patient": ("Patient/b", NOWHERE, NOWHERE),
    "another patient's relative": ("RelatedPerson/of-b", NOWHERE, NOWHERE),
    "the patient": (A, None, None),
    "an exchange of others": ("Communication/of-others", NOWHERE, None),
    "in the directory": ("Practitioner/colleague", None, None),
}


@pytest.mark.parametrize("status", ["completed", "preparation"])
@pytest.mark.parametrize("named", NAMED)
async def test_what_is_hidden_absent_and_anothers_is_refused_alike(house: House, named: str, status: str) -> None:
    seen = {"status": "finished", "class": {"code": "AMB"}}
    await kept(
        house,
        *({"resourceType": "Encounter", "id": f"of-{id}", **seen, "subject": {"reference": f"Patient/{id}"}} for id in "ab"),
        {"resourceType": "RelatedPerson", "id": "of-b", "patient": {"reference": "Patient/b"}},
        message("Practitioner/stranger", id="of-others"),
    )  # fmt: skip
    reference, *rules = NAMED[named]
    for who, sender, to, rule in (("doctor", DOCTOR, A, rules[0]), ("patient", A, DOCTOR, rules[1])):
        answers = await sent(house, "doctor", message(DOCTOR))
        for element, said in elements(reference):
            tree = message(sender, to, answers=answers, status=status, **said)
            answer = await ask(house, who, "POST", "Communication", tree)
            assert (answer.status, codes(answer) if rule else set()) == (
                422 if rule else 201,
                {rule} if rule else set(),
            )
            if rule:
                assert answer.expressions == [f"Communication.{element}.reference"]
                assert reference not in str(answer.json)


def elements(reference: str) -> list[tuple[str, Tree]]:
    """Each element that may name such a resource, with it."""
    named = {"reference": reference}
    found: list[tuple[str, Tree]] = [
        ("about[0]", {"about": [named]}),
        ("note[0].extension[0].valueReference",
         {"note": [{"text": "x", "extension": [{"url": "urn:x", "valueReference": named}]}]}),
    ]  # fmt: skip
    if "Encounter/" in reference:
        found.append(("encounter", {"encounter": named}))
    return [*found, ("basedOn[0]", {"basedOn": [named]})]


async def test_a_message_refers_to_a_number_of_resources_that_is_looked_up(house: House) -> None:
    tree = message(DOCTOR, about=[{"reference": "Practitioner/colleague"}] * (MOST + 1))
    answer = await ask(house, "doctor", "POST", "Communication", tree)
    assert (codes(answer), answer.expressions) == ({NOWHERE}, [f"Communication.about[{MOST}]"])
    named = message(DOCTOR, about=[{"identifier": {"value": "x"}}, {"display": "Une consultation"}])
    await sent(house, "doctor", named)


#: What a message or a draft says that it answers.
UNANSWERABLE: Mapping[str, Tree] = {
    "not there": {"reference": "Communication/none"},
    "of others": {"reference": "Communication/of-others"},
    "elsewhere": {"reference": "http://example.org/fhir/Communication/1"},
    "by a number": {"identifier": {"system": "urn:x", "value": "1"}},
    "in words": {"display": "Votre message"},
}


@pytest.mark.parametrize("status", ["completed", "preparation"])
@pytest.mark.parametrize("what", UNANSWERABLE)
async def test_what_is_answered_is_there_and_seen_in_drafts_too(house: House, what: str, status: str) -> None:
    await kept(house, message("Practitioner/stranger", id="of-others"))
    link = [UNANSWERABLE[what]]
    tree = message(DOCTOR, status=status, partOf=link, inResponseTo=link)
    answer = await ask(house, "doctor", "POST", "Communication", tree)
    assert (answer.status, codes(answer)) == (422, {"message-thread"}), answer.json


#: Whose and which message → who puts a file under it, and how each is answered.
UNDER: Mapping[str, Mapping[str, int]] = {
    "doctor's": {"doctor": 422, "patient": 422, "caregiver": 422, "colleague": 403, "another patient": 403},
    "patient's": {"doctor": 422, "patient": 422, "caregiver": 422, "colleague": 403, "another patient": 403},
    "doctor's draft": {"doctor": 201, "patient": 403, "caregiver": 403, "colleague": 403, "another patient": 403},
    "patient's draft": {"doctor": 403, "patient": 201, "caregiver": 201, "colleague": 403, "another patient": 403},
    "of nobody": {"doctor": 403, "patient": 403, "caregiver": 403, "colleague": 403, "another patient": 403},
}


@pytest.mark.parametrize("whose", UNDER)
async def test_no_file_is_put_under_a_message_that_was_sent(house: House, whose: str) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    made = {
        "doctor's": first,
        "patient's": await sent(house, "patient", message(A, DOCTOR, answers=first)),
        "doctor's draft": await sent(house, "doctor", message(DOCTOR, status="preparation")),
        "patient's draft": await sent(house, "patient", message(A, DOCTOR, answers=first, status="preparation")),
        "of nobody": {"id": "none"},
    }[whose]
    target = f"Communication/{made['id']}"
    absent = await ask(house, "colleague", "POST", "Binary", a_binary("Communication/none"))
    for who, status in UNDER[whose].items():
        for version in ("", "/_history/1"):
            answer = await ask(house, who, "POST", "Binary", a_binary(target + version))
            assert answer.status == status, (who, answer.json)
            assert status != 403 or answer.json == absent.json
        own = (await ask(house, who, "POST", "Binary", a_binary())).json
        for method, body, type in (
            ("PUT", {**a_binary(target), "id": own["id"]}, ""),
            ("PATCH", [{"op": "add", "path": "/securityContext", "value": {"reference": target}}], PATCH),
        ):
            answer = await ask(house, who, method, f"Binary/{own['id']}", body, type)
            assert answer.status == {201: 200}.get(status, status), (who, method, answer.json)
            if status == 201:
                own = (await ask(house, who, "POST", "Binary", a_binary())).json


def a_binary(target: str = "") -> Tree:
    context = {"securityContext": {"reference": target}} if target else {}
    return {"resourceType": "Binary", "contentType": "text/plain", "data": "eA==", **context}


async def test_nor_in_the_transaction_that_says_it_was_received(house: House) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    target = f"Communication/{made['id']}"
    received = {**made, "received": "1970-01-01T00:00:00Z"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": received, "request": {"method": "PUT", "url": target}},
            {"resource": a_binary(target), "request": {"method": "POST", "url": "Binary"}},
        ],
    }
    answer = await ask(house, "patient", "POST", "", bundle)
    assert (answer.status, codes(answer)) == (422, {"message-final"}), answer.json
    assert "received" not in (await ask(house, "patient", "GET", target)).json


@pytest.mark.parametrize("together", [6, 24])
async def test_a_message_is_marked_read_by_several_at_once(house: House, together: int) -> None:
    made = await sent(house, "doctor", message(DOCTOR))
    url = f"Communication/{made['id']}/$mark-read"
    people = ("patient", "caregiver", "representative")
    answers: list[Any] = await asyncio.gather(*(ask(house, people[n % 3], "POST", url) for n in range(together)))
    assert {(one.status, one.json["received"], one.json["meta"]["versionId"]) for one in answers} == {
        (200, answers[0].json["received"], "2")
    }
