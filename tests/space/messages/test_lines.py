"""Nothing of a message breaks the line it becomes in a mail, and no file goes by the payload; in drafts neither.

RFC 5322 §2.2 and §3.6.4; domain file §2.7 (5 MB from patients).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fhir_server.app import House
from tests.space.messages.exchange import DOCTOR, A, ask, codes, message, sent

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: What stands in a line that would be another line, or would be shown as something else.
BROKEN = {
    "CR LF": "Bonjour\r\nBcc: x@example.org",
    "LF": "a\nb",
    "tab": "a\tb",
    "line separator": "a\u2028b",
    "right to left": "a\u202etxt.exe",
    "nothing seen": "a\u200bb",
}
MESSAGE_ID = "https://fhir-server.example/sid/message-id"
IDS = (
    "no-at",
    "<a@b.example>",
    "a b@c.example",
    "a@b.example> X",
    'a"@b.example',
    "a@b@c.example",
    "a" * 251 + "@b.example",
)


def titled(title: str) -> dict[str, Any]:
    return {"payload": [{"contentAttachment": {"contentType": "text/plain", "data": "eA==", "title": title}}]}


LINES: Mapping[str, tuple[dict[str, Any], str]] = {
    **{f"subject, {n}": ({"topic": {"text": one}}, "topic.text") for n, one in BROKEN.items()},
    **{f"file, {n}": (titled(one), "payload[0].contentAttachment.title") for n, one in BROKEN.items()},
    **{
        f"Message-ID {one[:20]}": ({"identifier": [{"system": MESSAGE_ID, "value": one}]}, "identifier[0].value")
        for one in IDS
    },
}


@pytest.mark.parametrize("status", ["completed", "preparation"])
@pytest.mark.parametrize("case", LINES)
async def test_what_becomes_a_line_is_one(house: House, case: str, status: str) -> None:
    more, element = LINES[case]
    answer = await ask(house, "doctor", "POST", "Communication", message(DOCTOR, status=status, **more))
    assert (answer.status, codes(answer)) == (422, {"message-line"}), answer.json
    assert answer.expressions == [f"Communication.{element}"]


@pytest.mark.parametrize("topic", ["Résultats : été", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "👩\u200d⚕️"])
async def test_words_of_any_script_are_a_line(house: House, topic: str) -> None:
    assert (await sent(house, "doctor", message(DOCTOR, topic={"text": topic})))["topic"] == {"text": topic}


FILE = {"contentType": "text/plain", "data": "eA=="}
OWN = "http://example.org/extension"
#: Where a file would stand beside the payload → which element says so.
BESIDE: Mapping[str, tuple[dict[str, Any], str]] = {
    "in an extension": ({"extension": [{"url": OWN, "valueAttachment": FILE}]}, "extension[0].valueAttachment"),
    "in bytes": ({"extension": [{"url": OWN, "valueBase64Binary": "eA=="}]}, "extension[0].valueBase64Binary"),
    "in an extension of a part": (
        {"payload": [{"contentString": "x", "extension": [{"url": OWN, "valueAttachment": FILE}]}]},
        "payload[0].extension[0].valueAttachment",
    ),
    "in an extension of words": (
        {"topic": {"text": "x", "extension": [{"url": OWN, "valueAttachment": FILE}]}},
        "topic.extension[0].valueAttachment",
    ),
    "contained": (
        {"contained": [{"resourceType": "Binary", "id": "c", **FILE}], "about": [{"reference": "#c"}]},
        "contained",
    ),
    "as a reference": ({"payload": [{"contentReference": {"reference": "Binary/x"}}]}, "payload[0].contentReference"),
}


@pytest.mark.parametrize("status", ["completed", "preparation"])
@pytest.mark.parametrize("who", ["doctor", "patient"])
@pytest.mark.parametrize("case", BESIDE)
async def test_files_stand_in_the_payload_alone(house: House, case: str, who: str, status: str) -> None:
    more, element = BESIDE[case]
    first = await sent(house, "doctor", message(DOCTOR))
    names = (DOCTOR, A) if who == "doctor" else (A, DOCTOR)
    tree = message(*names, answers=first, status=status, **more)
    answer = await ask(house, who, "POST", "Communication", tree)
    assert answer.status == 422, answer.json
    assert "message-attachment" in codes(answer)
    assert f"Communication.{element}" in answer.expressions
