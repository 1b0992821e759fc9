"""Files of messages: inside, beside and named; read through the message; held to what is said of them; saved.

https://hl7.org/fhir/R4/datatypes.html#Attachment, https://hl7.org/fhir/R4/binary.html#security; domain file §2.7 (5 MB
from patients, one click saves a file to the record under a type DOCPAT…).
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fhir_server.app import House
from fhir_server.space.messages.model import side
from tests.server.people import kept
from tests.space.messages.exchange import CALLERS, DOCTOR, SENDERS, A, ask, codes, message, sent
from tests.space.record.callers import Tree
from tests.space.record.making import PDF, sha1

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENTS_SIDE = ("patient", "representative", "caregiver")


def inside(content: bytes = PDF, **more: Any) -> Tree:
    data = b64encode(content).decode()
    return {"contentAttachment": {"contentType": "application/pdf", "title": "compte-rendu.pdf", "data": data, **more}}


def parts(*some: Tree) -> Tree:
    return {"payload": [{"contentString": "Bonjour"}, *some]}


async def test_a_file_inside_stands_beside_and_is_read_by_the_parties_alone(house: House) -> None:
    made = await sent(house, "doctor", message(DOCTOR, **parts(inside())))
    file = made["payload"][1]["contentAttachment"]
    assert "data" not in file
    assert (file["size"], file["hash"], file["title"]) == (len(PDF), sha1(PDF), "compte-rendu.pdf")
    for who in CALLERS:
        answer = await ask(house, who, "GET", file["url"])
        may = who in (
            "doctor",
            "doctor in the record",
            "doctor for the clinic",
            "operator",
            "patient's app",
            *PATIENTS_SIDE,
        )
        assert answer.status == (200 if may else 404), who
    for who in ("doctor", "patient"):
        changed = {"resourceType": "Binary", "id": file["url"][7:], "contentType": "text/plain", "data": "eA=="}
        assert (await ask(house, who, "PUT", file["url"], changed)).status == 405
        assert (await ask(house, who, "DELETE", file["url"])).status == 405


async def test_a_file_of_the_same_transaction_is_the_messages(house: House) -> None:
    file = {"contentAttachment": {"contentType": "application/pdf", "url": "urn:uuid:0b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33",
                                  "size": len(PDF), "hash": sha1(PDF)}}  # fmt: skip
    answer = await ask(house, "doctor", "POST", "", a_transaction(message(DOCTOR, **parts(file))))
    assert answer.status == 200, answer.json
    url = next(one["response"]["location"] for one in answer.json["entry"] if "Binary" in one["response"]["location"])
    read = await ask(
        house, "patient", "GET", url.partition("/fhir/")[2].partition("/_history")[0] or url.partition("/_history")[0]
    )
    assert read.status == 200


def a_transaction(tree: Tree, content: bytes = PDF) -> Tree:
    binary = {"resourceType": "Binary", "contentType": "application/pdf", "data": b64encode(content).decode()}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:1b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33", "resource": tree,
             "request": {"method": "POST", "url": "Communication"}},
            {"fullUrl": "urn:uuid:0b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33", "resource": binary,
             "request": {"method": "POST", "url": "Binary"}},
        ],
    }  # fmt: skip


#: What is wrong with a file → how it is sent, and which element says so.
WRONG: dict[str, tuple[Tree, str]] = {
    "no base64": ({"contentAttachment": {"contentType": "application/pdf", "data": "eA="}}, "payload[1]"),
    "of another size": (inside(size=3), "payload[1].content"),
    "of another digest": (inside(hash=sha1(b"x")), "payload[1].content"),
    "of another kind": (inside(b"GIF89a"), "payload[1].contentAttachment.contentType"),
    "not there": ({"contentAttachment": {"url": "Binary/none", "size": 1}}, "payload[1].contentAttachment.url"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_file_that_is_not_what_it_says_is_refused_and_nothing_is_stored(house: House, wrong: str) -> None:
    part, element = WRONG[wrong]
    counts = [await count(house, type) for type in ("Communication", "Binary")]
    answer = await ask(house, "doctor", "POST", "Communication", message(DOCTOR, **parts(part)))
    assert answer.status == 422, answer.json
    assert any(element in one for one in answer.expressions), answer.json
    assert [await count(house, type) for type in ("Communication", "Binary")] == counts


@pytest.mark.parametrize(("size", "digest"), [(3, None), (len(PDF), sha1(b"x"))])
async def test_a_file_of_a_transaction_is_held_to_what_the_message_says(house: House, size: int, digest: Any) -> None:
    file = {
        "url": "urn:uuid:0b7d0a3e-2a0a-4a53-9b3d-3d1f7b0a9f33",
        "size": size,
        **({"hash": digest} if digest else {}),
    }
    counts = [await count(house, type) for type in ("Communication", "Binary")]
    answer = await ask(
        house, "doctor", "POST", "", a_transaction(message(DOCTOR, **parts({"contentAttachment": file})))
    )
    assert answer.status == 422
    assert [await count(house, type) for type in ("Communication", "Binary")] == counts


async def count(house: House, type: str) -> int:
    return int((await ask(house, "operator", "GET", f"{type}?_summary=count")).json["total"])


async def test_files_of_a_patients_message_have_5_mb_together(house: House) -> None:
    first = await sent(house, "doctor", message(DOCTOR))
    half = PDF + bytes(5 * 1024 * 1024 // 2 - len(PDF))
    tree = message(A, DOCTOR, answers=first, **parts(inside(half), inside(half)))
    assert (await ask(house, "patient", "POST", "Communication", tree)).status == 201
    tree["payload"].append(inside(b"%PDF-1"))
    answer = await ask(house, "patient", "POST", "Communication", tree)
    assert codes(answer) == {"message-attachments"}
    assert (await ask(house, "doctor", "POST", "Communication", message(DOCTOR, payload=tree["payload"]))).status == 201


async def test_a_document_sent_along_is_the_patients(house: House) -> None:
    paper = {
        "resourceType": "DocumentReference",
        "status": "current",
        "author": [{"reference": DOCTOR}],
        "content": [{"attachment": {"url": "http://example.org/x"}}],
    }
    await kept(house, *({**paper, "id": f"of-{id}", "subject": {"reference": f"Patient/{id}"}} for id in "ab"))
    for id, status in (("a", 201), ("b", 422)):
        tree = message(DOCTOR, payload=[{"contentReference": {"reference": f"DocumentReference/of-{id}"}}])
        assert (await ask(house, "doctor", "POST", "Communication", tree)).status == status


@pytest.mark.parametrize("who", PATIENTS_SIDE)
async def test_a_file_is_saved_to_the_record_once(house: House, who: str) -> None:
    made = await sent(house, "doctor", message(DOCTOR, **parts(inside())))
    call = f"Communication/{made['id']}/$save-attachment?payload=1&type=DOCPAT03"
    answer = await ask(house, who, "POST", call)
    assert answer.status == 201, answer.json
    document = answer.json
    assert document["resourceType"] == "DocumentReference"
    assert document["subject"] == {"reference": A}
    assert document["author"] == [{"reference": SENDERS[who]}]
    assert document["type"]["coding"][0]["code"] == "DOCPAT03"
    content = document["content"][0]["attachment"]
    assert (content["hash"], content["size"], content["title"]) == (sha1(PDF), len(PDF), "compte-rendu.pdf")
    assert content["url"] != made["payload"][1]["contentAttachment"]["url"]
    again = await ask(house, who, "POST", call)
    assert (again.status, again.json["id"]) == (200, document["id"])


#: Who sent a file → where the document that it becomes says that it comes from.
ORIGINS = {
    "doctor": "Reçu par la messagerie de Camille Exemple, le ",
    "doctor for the clinic": "Reçu par la messagerie de clinic, le ",
    "colleague": "Reçu par la messagerie, le ",
    "patient": "",
    "caregiver": "",
}


@pytest.mark.parametrize("sender", ORIGINS)
async def test_a_saved_file_is_by_who_saves_it_and_says_who_sent_it(house: House, sender: str) -> None:
    """R4 DocumentReference.author: "who is responsible for adding the information"; a sender need not have written it."""
    doctor = (await ask(house, "operator", "GET", DOCTOR)).json
    await kept(house, {**doctor, "name": [{"family": "Exemple", "given": ["Camille"]}]})
    to = A if side(SENDERS[sender]) == "professional" else DOCTOR
    first = await sent(house, "doctor", message(DOCTOR)) if to == DOCTOR else None
    made = await sent(house, sender, message(SENDERS[sender], to, answers=first, **parts(inside())))
    answer = await ask(house, "patient", "POST", f"Communication/{made['id']}/$save-attachment?payload=1&type=DOCPAT03")
    assert answer.status == 201, answer.json
    assert answer.json["author"] == [{"reference": A}]
    day = datetime.fromisoformat(made["sent"]).astimezone(ZoneInfo("Europe/Paris"))
    assert answer.json.get("description", "") == (ORIGINS[sender] and f"{ORIGINS[sender]}{day:%d/%m/%Y}")


#: What cannot be saved → by whom, which part and type, and how it is answered.
UNSAVED: dict[str, tuple[str, str, int]] = {
    "by a professional": ("doctor", "payload=1&type=DOCPAT03", 403),
    "by who does not read it": ("stranger", "payload=1&type=DOCPAT03", 404),
    "words": ("patient", "payload=0&type=DOCPAT03", 404),
    "no number": ("patient", "payload=-1&type=DOCPAT03", 400),
    "no such part": ("patient", "payload=7&type=DOCPAT03", 404),
    "of a type that patients do not file": ("patient", "payload=1&type=CR-BIO", 422),
    "without its type": ("patient", "payload=1", 400),
}


@pytest.mark.parametrize("how", UNSAVED)
async def test_what_cannot_be_saved_is_not(house: House, how: str) -> None:
    who, query, status = UNSAVED[how]
    made = await sent(house, "doctor", message(DOCTOR, **parts(inside())))
    documents = await count(house, "DocumentReference")
    answer = await ask(house, who, "POST", f"Communication/{made['id']}/$save-attachment?{query}")
    assert answer.status == status, answer.json
    assert await count(house, "DocumentReference") == documents
