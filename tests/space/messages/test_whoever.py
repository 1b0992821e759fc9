"""What an administrator's software may leave out of a message that others may not, and what it may not say of one.

https://hl7.org/fhir/R4/communication.html (sent, received), profile ens-message; domain file §2.7. Pages, notices and
mails are made of a restored message as of any other.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhir_server.app import House
from fhir_server.fhir.dates import begins
from fhir_server.space.messages.rules import RULES
from fhir_server.space.paris import PARIS
from tests.space.messages.exchange import CLINIC, DOCTOR, XML, A, ago, ask, codes, message
from tests.space.record.callers import Tree
from tests.space.record.making import PDF, sha1

pytestmark = pytest.mark.asyncio(loop_scope="module")

B = {"reference": "Patient/b"}
#: What is wrong with a message of any time → what differs, the rule that refuses it, the element.
IMPOSSIBLE: Mapping[str, tuple[dict[str, Any], str, str]] = {
    "without its profile": ({"meta": {"tag": [{"code": "x"}]}}, "message-profile", "meta.profile"),
    "about somebody elsewhere": ({"subject": {"reference": "http://elsewhere/Patient/a"}}, "message-subject", "subject"),
    "about whom an identifier names": ({"subject": {"identifier": {"value": "1"}}}, "message-subject", "subject"),
    "from whom words name": ({"sender": {"display": "Dr X"}}, "message-sender", "sender"),
    "to whom words name": ({"recipient": [{"reference": A}, {"display": "x"}]}, "message-recipient", "recipient"),
    "to another patient": ({"recipient": [{"reference": A}, B]}, "message-patient", "recipient"),
    "from another patient": ({"sender": B, "recipient": [{"reference": DOCTOR}]}, "message-patient", "recipient"),
    "from one professional to another": ({"recipient": [{"reference": CLINIC}]}, "message-to-patient", "recipient"),
    "from a patient to a patient": ({"sender": {"reference": A}}, "ens-message-people", ""),
    "a draft that was sent": ({"status": "preparation", "sent": "2026-01-01"}, "message-sent", "sent"),
    "a draft that was read": ({"status": "preparation", "received": "2026-01-01"}, "message-received", "received"),
    "read before it was sent": ({"sent": "2026-02", "received": "2026-01-31"}, "message-received", "received"),
    "a subject of two lines": ({"topic": {"text": "a\r\nBcc: x@y"}}, "message-line", "topic.text"),
    "a file elsewhere": ({"payload": [{"contentAttachment": {"url": "http://elsewhere/x"}}]}, "message-attachment", "payload[0].contentAttachment.url"),
    "a file beside the payload": ({"extension": [{"url": "http://x/y", "valueAttachment": {"title": "x"}}]}, "message-attachment", "extension[0].valueAttachment"),
    "more than a message says": ({"note": [{"text": "x" * 20_001}]}, "message-length", "note[0].text"),
}  # fmt: skip


@pytest.mark.parametrize("type", ["", XML])
@pytest.mark.parametrize("wrong", IMPOSSIBLE)
async def test_what_no_message_could_be_is_refused_whoever_writes_it(house: House, wrong: str, type: str) -> None:
    more, rule, element = IMPOSSIBLE[wrong]
    if type == XML and "\r" in str(more):
        pytest.skip("XML 1.0 §2.11: a reader is given no CR")
    tree = {**message(), **({} if "status" in more else {"sent": ago(3)}), **more}
    answer = await ask(house, "operator", "POST", "Communication", tree, type)
    assert answer.status == 422, answer.json
    assert rule in codes(answer), answer.json
    assert f"Communication.{element}".rstrip(".") in [
        one for issue in answer.json["issue"] for one in issue.get("expression", ())
    ]


#: What an administrator's software may say, since it was so at some time.
POSSIBLE: Mapping[str, dict[str, Any]] = {
    "to who did not write": {"sender": {"reference": A}, "recipient": [{"reference": "Practitioner/stranger"}]},
    "from who is blocked": {"sender": {"reference": "Practitioner/blocked"}},
    "from who is active no more": {"sender": {"reference": "Practitioner/retired"}},
    "to who is not here yet": {"recipient": [{"reference": A}, {"reference": "RelatedPerson/later"}]},
    "before the message that it answers": {"partOf": [{"reference": "Communication/none"}], "inResponseTo": [{"reference": "Communication/none"}]},
    "of a closed space": {"subject": {"reference": "Patient/closed"}, "recipient": [{"reference": "Patient/closed"}]},
    "of a year": {"sent": "2019", "received": "2019"},
    "in error": {"status": "entered-in-error"},
    "a draft": {"status": "preparation"},
}  # fmt: skip


@pytest.mark.parametrize("what", POSSIBLE)
async def test_what_was_so_at_some_time_is_restored(house: House, what: str) -> None:
    more = POSSIBLE[what]
    answer = await ask(house, "operator", "POST", "Communication", {**message(), **more})
    assert answer.status == 201, answer.json
    assert all(answer.json[name] == one for name, one in more.items())
    assert ("sent" in answer.json) == (answer.json["status"] == "completed")


async def test_a_message_that_does_not_say_when_it_was_sent_was_sent_when_it_was_stored(house: House) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    for method, url in (("POST", "Communication"), ("PUT", "Communication/undated")):
        made = (await ask(house, "operator", method, url, message(id="undated"))).json
        at = begins(made["sent"], PARIS)
        assert at is not None and began <= at <= datetime.now(UTC)
    again = (await ask(house, "operator", "PUT", "Communication/undated", message(id="undated"))).json
    assert again["sent"] >= made["sent"], "it was sent before it was written again"
    assert begins(again["sent"], PARIS) <= begins(made["meta"]["lastUpdated"], PARIS)  # type: ignore[operator]


async def test_files_inside_are_taken_out_as_of_any_message(house: House) -> None:
    inside = {"contentType": "application/pdf", "title": "a.pdf", "data": b64encode(PDF).decode()}
    tree = message(payload=[{"contentString": "x"}, {"contentAttachment": inside}], sent=ago(2))
    made = (await ask(house, "operator", "POST", "Communication", tree)).json
    file = made["payload"][1]["contentAttachment"]
    assert "data" not in file and (file["size"], file["hash"]) == (len(PDF), sha1(PDF))
    assert (await ask(house, "patient", "GET", file["url"])).status == 200


async def test_what_says_nothing_of_messages_is_any_communication(house: House) -> None:
    tree: Tree = {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": "x"}]}
    answer = await ask(house, "operator", "POST", "Communication", tree)
    assert (answer.status, "sent" in answer.json) == (201, False)


async def test_rules_of_any_time_are_those_that_hang_on_the_message_alone() -> None:
    assert {rule.code for rule in RULES if rule.always} == {
        "message-patient",
        "message-to-patient",
        "message-to-professional",
    }
