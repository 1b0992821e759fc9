"""Patients' messages leave as mail to whoever has a mailbox, once each, with the thread, files and documents.

RFC 5322 §3.6.4, RFC 8098, RFC 3464, RFC 5321 §4.5.4.1; MSSanté "Référentiel socle" #2.
"""

from __future__ import annotations

import base64
import email
import json
import smtplib
import time
from collections.abc import AsyncIterator
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.interactions.exchange import Request
from fhir_server.space.messages.mail.carrying import Rejected
from fhir_server.space.messages.mail.parsing import File
from fhir_server.space.messages.mail.xdm.opening import is_archive, opened
from fhir_server.space.messages.model import communication, message_of
from tests.space.messages.mail.gateway import Gateway, a_doctor, gateway
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail
from tests.space.messages.mail.test_documents import a_report, cda

JSON = "application/fhir+json"
PATIENTS = Grant(tuple(Scope("patient", "*", VERBS) for _ in "1"), subject="Patient/p1", client="app", patient="p1")


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, mail_nil="TEST-NIL") as found:
        await found.outgoing.once()
        yield found


async def answer(mail: Gateway, *payload: dict[str, Any], **more: Any) -> str:
    """The id of the patient's answer to the first message."""
    first = message_of((await mail.all("Communication"))[0])
    parts = payload or ({"contentString": "Merci docteur"},)
    tree = communication("Patient/p1", "Patient/p1", [first.sender], "Votre résultat", parts, answers=first) | more
    request = Request("POST", ("Communication",), body=json.dumps(tree).encode(), content_type=JSON)
    made = await mail.house.services.exchange(request, PATIENTS)
    return str(json.loads(made.body)["id"])


def read(raw: bytes) -> EmailMessage:
    found = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


async def test_an_answer_leaves_as_a_mail_of_the_thread_once(mail: Gateway) -> None:
    await mail.send(a_mail())
    id = await answer(mail)
    assert [await mail.outgoing.once(), await mail.outgoing.once()] == [1, 0]
    [(sender, to, raw)] = mail.way.mails
    assert (sender, to) == (PATIENT, DOCTOR)
    made = read(raw)
    assert made["Message-ID"] == f"<message.{id}@patient.mssante.fr>"
    assert made["In-Reply-To"] == made["References"] == "<first@medecin.mssante.fr>"
    assert (made["X-MSS-NIL"], made["Subject"], made["X-MSS-CODECDA"]) == ("TEST-NIL", "Votre résultat", None)
    body = made.get_body()
    assert body is not None and body.get_content().strip() == "Merci docteur"


async def test_the_doctors_reply_to_that_mail_is_of_the_thread(mail: Gateway) -> None:
    await mail.send(a_mail())
    id = await answer(mail)
    assert (await mail.send(a_mail(Message_ID="<c@x>", In_Reply_To=f"<message.{id}@patient.mssante.fr>"))).startswith(
        "2"
    )
    third = (await mail.all("Communication"))[-1]
    assert third["inResponseTo"] == [{"reference": f"Communication/{id}"}]


async def test_files_and_documents_go_with_it_in_their_archive(mail: Gateway) -> None:
    content = cda()
    assert (await mail.send(a_report(content))).startswith("250 ")
    [document] = await mail.all("DocumentReference")
    data = base64.b64encode(b"%PDF-1.4 x").decode()
    file = {"contentAttachment": {"contentType": "application/pdf", "data": data, "title": "mes mesures.pdf"}}
    await answer(mail, {"contentReference": {"reference": f"DocumentReference/{document['id']}"}}, file)
    await mail.outgoing.once()
    made = read(mail.way.mails[0][2])
    files = [
        File(one.get_filename() or "", one.get_content_type(), one.get_content()) for one in made.iter_attachments()
    ]
    [archive] = [one for one in files if is_archive(one)]
    [again] = opened(archive.content)
    assert again.content == content and again.entry.unique_id == "1.2.250.1.213.1.1.1.55.2026.7.1"
    assert [(one.name, one.content) for one in files if one is not archive] == [("mes mesures.pdf", b"%PDF-1.4 x")]
    assert (made["X-MSS-CODECDA"], made["X-MSS-INS"]) == ("11502-2", "O")
    assert str(made["Subject"]).startswith("XDM/1.0/DDM+") and str(made["Subject"]).endswith("DEMO NATHALIE 02/05/1969")


async def test_written_anew_it_is_the_same_mail(mail: Gateway) -> None:
    await mail.send(a_mail())
    data = base64.b64encode(b"%PDF-1.4 x").decode()
    await answer(mail, {"contentAttachment": {"contentType": "application/pdf", "data": data, "title": "a.pdf"}})
    mail.way.failures.append(OSError())
    now = time.time()
    assert [await mail.outgoing.once(now), await mail.outgoing.once(now + 61)] == [0, 1]
    first, second = mail.way.attempts
    assert first == second and read(first).is_multipart()


async def test_what_cannot_be_sent_now_waits_longer_each_time_and_is_told_when_given_up(mail: Gateway) -> None:
    await mail.send(a_mail())
    id = await answer(mail)
    now = time.time()
    mail.way.failures += [smtplib.SMTPServerDisconnected()] * 1_000
    await mail.outgoing.once(now)
    tries = len(mail.way.failures)
    await mail.outgoing.once(now + 30)
    assert len(mail.way.failures) == tries
    for hour in range(1, 122):
        await mail.outgoing.once(now + hour * 3_700)
    [sent] = [one for one in await mail.all("Communication") if one["id"] == id]
    assert "n'a pas pu être remis" in sent["note"][0]["text"] and mail.way.mails == []


async def test_what_is_refused_for_good_is_told_on_the_message(mail: Gateway) -> None:
    await mail.send(a_mail())
    id = await answer(mail)
    mail.way.failures.append(Rejected("550"))
    await mail.outgoing.once()
    [sent] = [one for one in await mail.all("Communication") if one["id"] == id]
    assert sent["note"][0]["text"] == "Ce message n'a pas pu être remis à son destinataire (550)."
    assert [await mail.outgoing.once(time.time() + 9_999)] == [0]


def a_report_mail(kind: str, fields: str, about: str) -> bytes:
    return (
        f"From: {DOCTOR}\r\nTo: {PATIENT}\r\nDate: {a_mail()['Date']}\r\nMessage-ID: <report@x>\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary=R\r\n\r\n"
        f"--R\r\nContent-Type: text/plain\r\n\r\nx\r\n--R\r\nContent-Type: message/{kind}\r\n\r\n{fields}\r\n"
        f"--R\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{about}>\r\n\r\n--R--\r\n"
    ).encode()


READ = "Final-Recipient: rfc822; x@y\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n"
FAILED = "Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; x@y\r\nAction: failed\r\nStatus: 5.1.1\r\n"
ERROR = "Disposition: automatic-action/MDN-sent-automatically; processed/error\r\nError: 904^x\r\n"


async def test_a_receipt_says_that_the_professional_read_it(mail: Gateway) -> None:
    await mail.send(a_mail())
    id = await answer(mail)
    raw = a_report_mail("disposition-notification", READ, f"message.{id}@patient.mssante.fr")
    assert [(await mail.send(raw))[:3], (await mail.send(raw))[:3]] == ["250", "250"]
    sent = (await mail.all("Communication"))[-1]
    assert sent["received"] and len(await mail.all("Communication")) == 2


@pytest.mark.parametrize(
    ("kind", "fields", "sender", "words"),
    [
        ("delivery-status", FAILED, "", "n'a pas pu être remis à son destinataire (5.1.1)"),
        ("disposition-notification", ERROR, DOCTOR, "n'a pas pu ranger ce message (904 : "),
    ],
)
async def test_what_came_back_is_told_on_the_message(
    mail: Gateway, kind: str, fields: str, sender: str, words: str
) -> None:
    await mail.send(a_mail())
    id = await answer(mail)
    raw = a_report_mail(kind, fields, f"message.{id}@patient.mssante.fr")
    assert (await mail.send(raw, sender=sender)).startswith("250 ")
    [sent] = [one for one in await mail.all("Communication") if one["id"] == id]
    assert words in sent["note"][0]["text"] and "received" not in sent


async def test_a_report_about_nothing_here_changes_nothing_and_is_answered_by_nothing(mail: Gateway) -> None:
    await mail.send(a_mail())
    await mail.outgoing.once()
    before = await mail.all("Communication")
    raw = a_report_mail("disposition-notification", READ, "unknown@x")
    assert (await mail.send(raw)).startswith("250 ")
    assert await mail.all("Communication") == before and await mail.outgoing.once() == 0


async def test_a_mail_of_nobody_that_is_no_report_is_refused(mail: Gateway) -> None:
    said = await mail.send(a_mail(Auto_Submitted="auto-replied"), sender="")
    assert said.startswith("550 ") and "[sender]" in said


@pytest.mark.parametrize(
    ("headers", "receipts"),
    [
        ({"Disposition_Notification_To": DOCTOR}, 1),
        ({"Disposition_Notification_To": "other@x.mssante.fr"}, 0),
        ({"Disposition_Notification_To": DOCTOR, "Auto_Submitted": "auto-replied"}, 0),
        ({"Disposition_Notification_To": DOCTOR, "Precedence": "bulk"}, 0),
        ({}, 0),
    ],
)
async def test_a_sender_who_wants_it_is_told_when_the_patient_has_read(
    mail: Gateway, headers: dict[str, str], receipts: int
) -> None:
    await mail.send(a_mail(**headers))
    [message] = await mail.all("Communication")
    assert await mail.outgoing.once() == 0
    patch = json.dumps([{"op": "add", "path": "/received", "value": "2026-11-30T10:00:00Z"}]).encode()
    path = ("Communication", message["id"])
    request = Request("PATCH", path, body=patch, content_type="application/json-patch+json")
    await mail.house.services.exchange(request, PATIENTS)
    assert [await mail.outgoing.once(), await mail.outgoing.once()] == [receipts, 0]
    for sender, to, raw in mail.way.mails:
        assert (sender, to) == ("", DOCTOR)
        assert read(raw)["Auto-Submitted"] == "auto-replied" and b"displayed" in raw
        assert b"Original-Message-ID: <first@medecin.mssante.fr>" in raw


DOCTORS = Grant(tuple(Scope("user", "*", VERBS) for _ in "1"), subject="Practitioner/d1", client="software")
COLLEAGUE = "paul.martin@medecin.mssante.fr"


async def test_who_takes_part_by_mail_is_told_that_a_professional_ended_the_exchange(tmp_path: Path) -> None:
    """Référentiel socle #2, X-MSS-MES; what the others of the exchange write in it afterwards is refused."""
    async with gateway(tmp_path, a_doctor("d2", COLLEAGUE, "99700218897")) as mail:
        await mail.outgoing.once()
        both = ["Patient/p1", "Practitioner/d2"]
        tree = communication("Patient/p1", "Practitioner/d1", both, "Suivi", [{"contentString": "Voici."}])
        request = Request("POST", ("Communication",), body=json.dumps(tree).encode(), content_type=JSON)
        id = json.loads((await mail.house.services.exchange(request, DOCTORS)).body)["id"]
        assert await mail.outgoing.once() == 0
        await mail.house.services.exchange(Request("POST", ("Communication", id, "$end")), DOCTORS)
        assert [await mail.outgoing.once(), await mail.outgoing.once()] == [1, 0]
        [(sender, to, raw)] = mail.way.mails
        made = read(raw)
        assert (sender, to, made["From"], made["X-MSS-MES"]) == ("", COLLEAGUE, PATIENT, "FIN")
        assert made["Auto-Submitted"] == "auto-generated" and made["Disposition-Notification-To"] is None
        assert made["In-Reply-To"] == f"<message.{id}@patient.mssante.fr>"
        late = a_mail(From=COLLEAGUE, Message_ID="<late@x>", In_Reply_To=made["Message-ID"])
        said = await mail.send(late, COLLEAGUE)
        assert said.startswith("550 5.7.1") and "message-ended" in said


async def test_messages_of_before_the_gateway_are_nobodys_mail(tmp_path: Path) -> None:
    async with gateway(tmp_path) as mail:
        await mail.send(a_mail())
        await answer(mail)
        assert [await mail.outgoing.once(), await mail.outgoing.once()] == [0, 0]
