"""The leak matrix of messages: by no way out is a message of others told from one that is not there.

Two servers, alike but for the message, its answer and its file: each request is made of both, and status, headers and
body must agree. https://hl7.org/fhir/R4/security.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.store.matching import unpack
from tests.server.people import kept
from tests.space.messages.exchange import CALLERS, DOCTOR, A, message, peopled
from tests.space.record.callers import BASE, Caller, Tree
from tests.space.record.test_leak_matrix import told
from tests.space.record.ways_out import JSON, PATCH, Call, get, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

H = "Communication/h"
NAME = {"system": "https://fhir-server.example/sid/message-id", "value": "hidden@example.org"}
#: What there is → from whom it is hidden.
HIDDEN: dict[str, tuple[Tree, tuple[str, ...]]] = {
    "a doctor's": (message(DOCTOR), ("colleague", "stranger", "clinic", "another patient")),
    "a doctor's draft": (message(DOCTOR, status="preparation"), ("patient", "caregiver", "patient's app", "stranger")),
    "a patient's draft": (message(A, DOCTOR, status="preparation"), ("doctor", "doctor in the record", "colleague")),
}


def rich(tree: Tree) -> Tree:
    """A message that every search parameter finds."""
    file = {"contentType": "text/plain", "title": "hiddenfile", "url": "Binary/h", "size": 1}
    return {
        **tree,
        "id": "h",
        "meta": {**tree["meta"], "tag": [{"system": "urn:t", "code": "hiddentag"}], "source": "urn:hidden"},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">hiddennarrative</div>'},
        "identifier": [NAME],
        "medium": [{"coding": [{"system": "urn:m", "code": "hiddenmedium"}]}],
        "instantiatesUri": ["urn:hidden:protocol"],
        "basedOn": [{"reference": "ServiceRequest/s"}],
        "encounter": {"reference": "Encounter/e"},
        "sent": "2024-01-10T10:00:00Z",
        "received": "2024-01-11T10:00:00Z",
        "payload": [{"contentString": "hiddenwords"}, {"contentAttachment": file}],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[House, House]]:
    """With the message, and without it."""
    async with AsyncExitStack() as stack:
        made = []
        for tree in (rich(HIDDEN[request.param][0]), None):
            house = await stack.enter_async_context(opened(Settings(data=tmp_path_factory.mktemp("w"), base_url=BASE)))
            await peopled(house)
            if tree is not None:
                content = {"contentType": "text/plain", "data": "eA==", "securityContext": {"reference": H}}
                await kept(house, tree, {"resourceType": "Binary", "id": "h", **content})
            made.append(house)
        yield made[0], made[1]


async def ways(house: House) -> list[Call]:
    version = await house.engine.store.read("Communication", "h")
    assert version is not None
    index = unpack(version.packed)
    found: list[Call] = []
    for place in (H, "Binary/h"):
        found += [get(f"{place}{more}") for more in ("", "/_history", "/_history/1", "/$meta")]
    for code, param in house.registry.of("Communication").items():
        asked = [word for word in index.words if word.param == code and not word.group]
        values = [f"{one.qualifier}|{one.value}" if param.type == "token" else one.value for one in asked]
        values += ["gt2024-01-09"] if any(span.param == code for span in index.spans) else []
        for value in dict.fromkeys(values):
            found += [
                get(f"Communication?{code}={quote(value, safe='')}&{more}")
                for more in ("_total=accurate", "_summary=count")
            ]
        for flag in ("true", "false"):
            found.append(get(f"Communication?{code}:missing={flag}&_total=accurate&_elements=id"))
        if param.type == "reference":
            found.append(get(f"Communication?_include=Communication:{code}"))
            found.append(get(f"Patient?_has:Communication:{code}:_id=h&_total=accurate"))
        if param.type not in ("composite", "special"):
            found.append(get(f"Communication?_sort=-{code}&_elements=id&_count=1"))
    for query in ("_id=h", "_text=hiddennarrative", "_content=hiddenwords", "_content=hiddenfile", "_lastUpdated=gt2020",
                  "thread=Communication/h", "_filter=_id%20eq%20h", "_include=*", "_count=1&_total=accurate"):  # fmt: skip
        found.append(get(f"Communication?{query}&_total=accurate"))
    found += [get(one) for one in ("_history", "Communication/_history", "Patient/a/$everything", "Patient/a/$unread",
                                   "Patient/a/Communication?_total=accurate", "Patient?_revinclude=Communication:subject",
                                   f"{H}/$explain", "Communication/$explain?_id=h", "Binary?_id=h&_total=accurate")]  # fmt: skip
    for chain in ("_id=h", "_tag=hiddentag", "identifier=hidden@example.org", "received=gt2024"):
        found += [
            get(f"{type}?_has:Communication:{link}:{chain}&_total=accurate")
            for type, link in (("Patient", "subject"), ("Practitioner", "sender"), ("Encounter", "encounter"))
        ]
        found.append(get(f"Communication?part-of:Communication.{chain}&_total=accurate"))
        found.append(get(f"Practitioner/doctor/Communication?{chain}&_total=accurate"))
    found += [
        post(f"{H}/{one}")
        for one in ("$mark-read", "$end", "$save-attachment?payload=1&type=DOCPAT03", "$validate?mode=delete")
    ]
    found += [*writes()]
    return found


def writes() -> Iterator[Call]:
    yield "PATCH", H, [{"op": "add", "path": "/received", "value": "2024-01-01T00:00:00Z"}], PATCH, {}
    yield "PATCH", "Communication?_tag=hiddentag", [{"op": "test", "path": "/status", "value": "x"}], PATCH, {}
    yield "DELETE", H, None, "", {}
    yield "DELETE", "Communication?identifier=hidden@example.org", None, "", {}
    status = {"name": "operation", "part": [{"name": "type", "valueCode": "replace"},
              {"name": "path", "valueString": "Communication.status"}, {"name": "value", "valueCode": "completed"}]}  # fmt: skip
    for url in (H, "Communication?_tag=hiddentag"):
        yield "PATCH", url, b'<diff><remove sel="Communication/topic"/></diff>', "application/xml-patch+xml", {}
        yield "PATCH", url, {"resourceType": "Parameters", "parameter": [status]}, JSON, {}
        for type in ("batch", "transaction"):
            for method in ("GET", "DELETE"):
                entry = {"request": {"method": method, "url": url}}
                yield post("", {"resourceType": "Bundle", "type": type, "entry": [entry]})
    for sender, to in ((DOCTOR, A), (A, DOCTOR), ("Practitioner/colleague", A), ("Patient/b", DOCTOR)):
        tree = message(sender, to)
        yield "PUT", H, {**tree, "id": "h"}, JSON, {"if_match": 'W/"1"'}
        yield post("Communication", {**tree, "about": [{"reference": H}]})
        yield post("Communication", {**tree, "payload": [{"contentReference": {"reference": H}}]})
        yield post("Communication", {**tree, "payload": [{"contentAttachment": {"url": "Binary/h", "size": 1}}]})
        named = {**tree, "about": [{"reference": "Communication?_tag=hiddentag"}]}
        entry = {"resource": named, "request": {"method": "POST", "url": "Communication"}}
        yield post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    yield post("Binary", {"resourceType": "Binary", "contentType": "text/plain", "securityContext": {"reference": H}})
    answer = message(DOCTOR, answers={"id": "h"})
    yield "POST", "Communication", answer, JSON, {}
    yield (
        "POST",
        "Communication",
        {**answer, "sender": {"reference": A}, "recipient": [{"reference": DOCTOR}]},
        JSON,
        {},
    )


@pytest.mark.parametrize(
    ("worlds", "name"), [(what, name) for what, (_, names) in HIDDEN.items() for name in names], indirect=["worlds"]
)
async def test_no_way_out_tells_a_message_of_others_from_none(worlds: tuple[House, House], name: str) -> None:
    one, other = (Caller(house, CALLERS[name]) for house in worlds)
    telling: list[Any] = []
    for method, url, body, type, headers in await ways(worlds[0]):
        there, absent = [await caller(method, url, body, type, **headers) for caller in (one, other)]
        if told(there) != told(absent) or there.status >= 500:
            telling.append((method, url, there.status, absent.status))
    assert telling == []
