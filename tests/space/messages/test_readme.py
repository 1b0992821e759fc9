"""What the README prints of messages is answered as it says, asked with the grants of people who signed in."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote

import pytest

from fhir_server.app import House
from tests.examples import ROOT
from tests.space.messages.exchange import ask
from tests.space.record.callers import Tree

pytestmark = pytest.mark.asyncio(loop_scope="module")

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHAPTER = README.partition("### Secure messages\n")[2].partition("\n### ")[0]
#: Who the README's examples are of → who is here.
NAMES = {"Patient/s1-pat-1": "Patient/a", "Practitioner/DOCTOR": "Practitioner/doctor"}
#: How a call is answered → by its name.
STATUS = {"$end": 201, "$save-attachment": 201}
_CALL = re.compile(r'^curl -s (?:-X (\w+) )?"\$fhir/(\S+)" -H "Authorization: Bearer \$(\w+)"$', re.MULTILINE)


def here(text: str, message: str = "") -> str:
    for printed, known in NAMES.items():
        text = text.replace(printed, known)
    return text.replace("MESSAGE", message)


async def test_the_examples_of_messages_are_answered_as_printed(house: House) -> None:
    [printed] = re.findall(r"-d '(\{.*?\})'$", CHAPTER, re.DOTALL | re.MULTILINE)
    tree: Tree = json.loads(here(printed))
    made = await ask(house, "doctor", "POST", "Communication", tree)
    assert made.status == 201, made.json
    assert made.json["payload"][1]["contentAttachment"]["url"].startswith("Binary/")
    calls = _CALL.findall(CHAPTER)
    assert len(calls) == CHAPTER.count("$fhir/") - 1 == 6
    for method, url, token in calls:
        who = {"TOKEN": "doctor", "PATIENT_TOKEN": "patient"}[token]
        asked = unquote(here(url, made.json["id"]).replace("\\$", "$"))
        answer = await ask(house, who, method or "GET", asked)
        name = re.search(r"\$[a-z-]+", asked)
        assert answer.status == STATUS.get(name[0] if name else "", 200), (url, answer.json)
        assert answer.json["resourceType"] != "OperationOutcome"
