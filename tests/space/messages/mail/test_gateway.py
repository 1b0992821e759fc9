"""Mails that arrive become messages, once each, or are refused with the rule and a trace, and nothing is stored.

RFC 5321, RFC 2033, RFC 5322 §3.6.4, RFC 3834. The other side is aiosmtplib.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import pytest

from fhir_server.space.messages.mail.floods import Floods
from tests.server.people import kept
from tests.space.messages.mail.gateway import BASE, Gateway, a_doctor, a_patient, gateway
from tests.space.messages.mail.making import DOCTOR, PATIENT, a_mail, with_file

OTHER_INS = "279035121518989"
CARDIOLOGIST = "paul.martin@medecin.mssante.fr"


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Gateway]:
    others = (a_patient("p2", OTHER_INS), a_doctor("d2", CARDIOLOGIST, "99700218897"))
    async with gateway(tmp_path, *others, mail_sender_minute=0) as found:
        yield found


async def test_a_mail_is_a_message_of_its_sender_to_the_patient(mail: Gateway) -> None:
    assert (await mail.send(with_file(a_mail(), b"%PDF-1.4 x", "cr.pdf"))).startswith("250 ")
    [message] = await mail.all("Communication")
    assert message["sender"] == {"reference": "Practitioner/d1"}
    assert message["subject"] == message["recipient"][0] == {"reference": "Patient/p1"}
    assert message["topic"] == {"text": "Votre résultat"} and message["status"] == "completed" and message["sent"]
    assert message["identifier"][0]["value"] == "first@medecin.mssante.fr"
    words, file = message["payload"]
    assert words["contentString"] == "Bonjour,\nvoici votre résultat."
    assert file["contentAttachment"]["title"] == "cr.pdf" and file["contentAttachment"]["size"] == 10
    assert file["contentAttachment"]["url"].startswith("Binary/")


async def test_a_mail_that_comes_twice_is_one_message(mail: Gateway) -> None:
    answers = await asyncio.gather(*(mail.send(a_mail()) for _ in range(8)))
    assert {one[:4] for one in answers} == {"250 "}
    assert len(await mail.all("Communication")) == 1


async def test_a_name_is_its_senders_alone_and_nobody_takes_it_away(mail: Gateway) -> None:
    """Who knows or guesses a Message-ID has neither the mail of that name refused, nor its receipt."""
    stolen = a_mail(From=CARDIOLOGIST, Disposition_Notification_To=CARDIOLOGIST)
    for _ in range(2):
        assert (await mail.send(stolen, sender=CARDIOLOGIST)).startswith("250 ")
        assert (await mail.send(a_mail(Disposition_Notification_To=DOCTOR))).startswith("250 ")
    theirs, own = await mail.all("Communication")
    assert [one["sender"]["reference"] for one in (theirs, own)] == ["Practitioner/d2", "Practitioner/d1"]
    assert (await mail.send(a_mail(Message_ID="<b@x>", In_Reply_To="<first@medecin.mssante.fr>"))).startswith("250 ")
    answer = (await mail.all("Communication"))[-1]
    assert answer["inResponseTo"] == [{"reference": f"Communication/{own['id']}"}]


async def test_a_name_to_another_patient_or_of_this_server_is_refused(mail: Gateway) -> None:
    assert (await mail.send(a_mail())).startswith("250 ")
    for made, to in (
        (a_mail(), f"{OTHER_INS}@patient.mssante.fr"),
        (a_mail(Message_ID="<message.1@Patient.mssante.fr>"), PATIENT),
    ):
        said = await mail.send(made, to=to)
        assert said.startswith("550 ") and "[message-id]" in said
    assert len(await mail.all("Communication")) == 1


async def test_answers_are_of_the_thread_that_they_name(mail: Gateway) -> None:
    await mail.send(a_mail())
    await mail.send(a_mail(Message_ID="<b@x>", In_Reply_To="<first@medecin.mssante.fr>"))
    await mail.send(a_mail(Message_ID="<c@x>", References="<first@medecin.mssante.fr> <b@x> <unknown@x>"))
    first, second, third = await mail.all("Communication")
    assert second["partOf"] == second["inResponseTo"] == [{"reference": f"Communication/{first['id']}"}]
    assert third["partOf"] == second["partOf"]
    assert third["inResponseTo"] == [{"reference": f"Communication/{second['id']}"}]


async def test_a_thread_of_others_is_not_joined(mail: Gateway) -> None:
    await mail.send(a_mail())
    answer = a_mail(From=CARDIOLOGIST, Message_ID="<b@x>", In_Reply_To="<first@medecin.mssante.fr>")
    assert (await mail.send(answer, sender=CARDIOLOGIST)).startswith("250 ")
    assert "partOf" not in (await mail.all("Communication"))[1]


async def test_the_professional_ends_the_exchange_and_writes_in_it_no_more(mail: Gateway) -> None:
    await mail.send(a_mail(X_MSS_MES="FIN"))
    [message] = await mail.all("Communication")
    assert [one for one in message["extension"] if one.get("valueBoolean") is True]
    said = await mail.send(a_mail(Message_ID="<b@x>", In_Reply_To="<first@medecin.mssante.fr>"))
    assert said.startswith("550 5.7.1") and "message-ended" in said


async def test_words_longer_than_a_message_are_kept_as_a_file(mail: Gateway) -> None:
    await mail.send(a_mail("é" * 30_000))
    [message] = await mail.all("Communication")
    assert len(message["payload"][0]["contentString"]) == 20_000
    assert message["payload"][1]["contentAttachment"]["size"] == 60_000


#: What → headers that are otherwise, the rule that refuses it.
BAD: dict[str, tuple[dict[str, str], str]] = {
    "a date of 1970": ({"Date": "Thu, 01 Jan 1970 00:00:00 +0000"}, "date"),
    "no date": ({"Date": ""}, "date"),
    "a date that is none": ({"Date": "hier"}, "date"),
    "a date to come": ({"Date": "Fri, 01 Jan 2100 00:00:00 +0000"}, "date"),
    "no Message-ID": ({"Message_ID": ""}, "message-id"),
    "a Message-ID that is none": ({"Message_ID": "<a b>"}, "message-id"),
    "another sender": ({"From": CARDIOLOGIST}, "headers-disagree"),
    "two senders": ({"From": f"{DOCTOR}, {CARDIOLOGIST}"}, "headers-disagree"),
    "no sender": ({"From": ""}, "headers-disagree"),
    "an end that is none": ({"X_MSS_MES": "PEUT-ETRE"}, "headers-disagree"),
    "an INS that is neither": ({"X_MSS_INS": "X"}, "headers-disagree"),
    "documents that are not there": ({"X_MSS_CODECDA": "11502-2"}, "headers-disagree"),
    "their INS without them": ({"X_MSS_INS": "O"}, "headers-disagree"),
}


@pytest.mark.parametrize("what", BAD)
async def test_headers_that_are_wrong_are_refused_and_traced(mail: Gateway, what: str) -> None:
    headers, rule = BAD[what]
    said = await mail.send(a_mail(**headers))
    assert said.startswith("550 ") and f"[{rule}]" in said
    assert await mail.all("Communication") == [] and await mail.all("Binary") == []
    [event] = await mail.all("AuditEvent")
    assert event["subtype"][0]["code"] == "mail-refused" and event["outcome"] == "4"
    assert f"[{rule}]" in event["outcomeDesc"] and PATIENT not in str(event)


@pytest.mark.parametrize(
    ("sender", "to", "rule"),
    [
        ("unknown@medecin.mssante.fr", PATIENT, "sender"),
        (DOCTOR, "190010112345678@patient.mssante.fr", "recipient"),
        (DOCTOR, "x@patient.mssante.fr", "recipient"),
        (DOCTOR, PATIENT.replace("patient.", "other."), "recipient"),
        (DOCTOR, CARDIOLOGIST, "recipient"),
    ],
)
async def test_strangers_and_other_addresses_are_refused_before_the_content(
    mail: Gateway, sender: str, to: str, rule: str
) -> None:
    said = await mail.send(a_mail(), sender, to)
    assert said.startswith("550 ") and f"[{rule}]" in said
    assert await mail.all("Communication") == []


async def test_who_changes_their_mailbox_or_number_is_known_by_the_new_one(mail: Gateway) -> None:
    assert (await mail.send(a_mail())).startswith("250 ")
    new, number = "anne@hopital.mssante.fr", "269054958815781"
    await kept(mail.house, a_doctor(address=new), a_patient(ins=number), base=BASE)
    for _ in range(100):
        # What is remembered counts for two seconds where nobody looks for what changed.
        if "[recipient]" in await mail.send(a_mail(From=CARDIOLOGIST), CARDIOLOGIST):
            break
        await asyncio.sleep(0.1)
    assert "[sender]" in await mail.send(a_mail())
    renewed = a_mail(From=new, Message_ID="<b@x>")
    assert (await mail.send(renewed, new, f"{number}@patient.mssante.fr")).startswith("250 ")


async def test_a_mail_is_about_one_patient(mail: Gateway) -> None:
    async with mail.connection() as client:
        await client.ehlo()
        await client.mail(DOCTOR)
        await client.rcpt(PATIENT)
        with pytest.raises(aiosmtplib.SMTPRecipientRefused, match="one patient"):
            await client.rcpt(f"{OTHER_INS}@patient.mssante.fr")
        assert (await client.data(a_mail().as_bytes())).code == 250
    assert len(await mail.all("Communication")) == 1


async def test_ten_thousand_recipients_end_the_connection(mail: Gateway) -> None:
    async with mail.connection() as client:
        await client.ehlo()
        await client.mail(DOCTOR)
        codes = []
        for number in range(10_000):
            try:
                codes.append((await client.rcpt(f"1900101{number:08}@patient.mssante.fr")).code)
            except aiosmtplib.SMTPRecipientRefused as error:
                codes.append(error.code)
            except aiosmtplib.SMTPException:
                break
        assert len(codes) <= 50 and set(codes) <= {550, 421}
    assert await mail.all("Communication") == []


async def test_what_is_too_long_is_refused_by_its_announced_and_its_true_size(tmp_path: Path) -> None:
    async with gateway(tmp_path, mail_max_bytes=100_000) as mail:
        async with mail.connection() as client:
            answer = await client.ehlo()
            assert "SIZE 100000" in answer.message and "8BITMIME" in answer.message
            with pytest.raises(aiosmtplib.SMTPResponseException, match="size"):
                await client.mail(DOCTOR, options=["SIZE=100001"])
            await client.mail(DOCTOR)
            await client.rcpt(PATIENT)
            with pytest.raises(aiosmtplib.SMTPDataError, match="longer than this server takes") as refused:
                await client.data(with_file(a_mail(), b"x" * 200_000, "x.pdf").as_bytes())
            assert refused.value.code == 552
        assert await mail.all("Communication") == []


async def test_servers_outside_the_trust_space_are_refused(tmp_path: Path) -> None:
    async with gateway(tmp_path, mail_peers=("192.0.2.0/24",)) as mail:
        said = await mail.send(a_mail())
        assert said.startswith("550 5.7.1") and "[peer]" in said


async def test_a_flood_is_asked_to_come_later(tmp_path: Path) -> None:
    async with gateway(tmp_path, mail_sender_minute=3) as mail:
        said = [await mail.send(a_mail(Message_ID=f"<{n}@x>")) for n in range(5)]
        assert [one[:3] for one in said] == ["250", "250", "250", "451", "451"]
        assert len(await mail.all("Communication")) == 3


def test_a_limit_fills_again_as_time_passes() -> None:
    now = 0.0
    floods = Floods(2, lambda: now)
    assert [floods.take("a"), floods.take("a"), floods.take("a"), floods.take("b")] == [True, True, False, True]
    now = 30.0
    assert [floods.take("a"), floods.take("a")] == [True, False]


async def test_too_many_connections_are_told_so(tmp_path: Path) -> None:
    async with gateway(tmp_path, mail_connections=2) as mail:
        async with mail.connection(), mail.connection():
            with pytest.raises(aiosmtplib.SMTPConnectError, match="Too many connections"):
                async with mail.connection():
                    pass
        said = ""
        for _ in range(200):
            # The server hears a moment later that a connection was closed.
            try:
                said = await mail.send(a_mail())
                break
            except aiosmtplib.SMTPConnectError:
                await asyncio.sleep(0.01)
        assert said.startswith("250 ")


async def test_by_lmtp_each_recipient_has_its_answer(mail: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", mail.lmtp)

    async def ask(line: bytes) -> bytes:
        writer.write(line + b"\r\n")
        answer = await reader.readline()
        while answer[3:4] == b"-":
            answer = await reader.readline()
        return answer

    assert (await reader.readline()).startswith(b"220 ")
    assert (await ask(b"EHLO x")).startswith(b"500 ")
    assert (await ask(b"LHLO x")).startswith(b"250 ")
    assert (await ask(f"MAIL FROM:<{DOCTOR}>".encode())).startswith(b"250 ")
    assert (await ask(f"RCPT TO:<{PATIENT}>".encode())).startswith(b"250 ")
    assert (await ask(b"DATA")).startswith(b"354 ")
    raw = a_mail().as_bytes().replace(b"\n", b"\r\n")
    assert (await ask(raw + b"\r\n.")).startswith(b"250 2.6.0")
    assert (await ask(b"QUIT")).startswith(b"221 ")
    writer.close()
    assert len(await mail.all("Communication")) == 1


async def test_what_breaks_off_is_no_message(mail: Gateway) -> None:
    def broken() -> None:
        with socket.create_connection(("127.0.0.1", mail.smtp), 30) as wire, wire.makefile("rb") as answers:
            lines = ["EHLO x", f"MAIL FROM:<{DOCTOR}>", f"RCPT TO:<{PATIENT}>", "DATA"]
            answers.readline()
            for line in lines:
                wire.sendall(f"{line}\r\n".encode())
                while answers.readline()[3:4] == b"-":
                    pass
            wire.sendall(a_mail().as_bytes().replace(b"\n", b"\r\n"))

    await asyncio.to_thread(broken)
    assert (await mail.send(a_mail(Message_ID="<whole@x>"))).startswith("250 ")
    assert [one["identifier"][0]["value"] for one in await mail.all("Communication")] == ["whole@x"]


async def test_a_store_that_does_not_answer_is_451_and_no_message(tmp_path: Path) -> None:
    async with gateway(tmp_path, max_pending_writes=1) as mail:
        answers = await asyncio.gather(*(mail.send(a_mail(Message_ID=f"<{n}@x>")) for n in range(12)))
        taken = [one for one in answers if one.startswith("250")]
        assert {one[:3] for one in answers} <= {"250", "451"} and taken
        assert len(await mail.all("Communication")) == len(taken)
