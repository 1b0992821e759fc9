"""Mail from the mailbox of an establishment, for nobody of it by name: it writes and files, and reads no record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from fhir_server.fhir.outcome import Forbidden
from fhir_server.interactions.exchange import Request
from fhir_server.space.messages.mail.incoming import Incoming
from tests.space.messages.mail.gateway import HOSPITAL, Gateway, a_mailbox, gateway
from tests.space.messages.mail.making import a_mail, an_archive, metadata, replaces, with_file
from tests.space.record import cda_documents

ONE = "1.2.250.1.213.1.1.1.55.2026.7.1"
TWO = "1.2.250.1.213.1.1.1.55.2026.7.2"
_FROM = f"CHU <{HOSPITAL}>"


def a_hospital() -> dict[str, object]:
    """An establishment with a mailbox of its own (TRE_R257: ORG)."""
    return {
        "resourceType": "Organization",
        "id": "chu",
        "active": True,
        "name": "CHU",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750000001"}],
        "telecom": [a_mailbox(HOSPITAL, "ORG")],
    }


def a_report(unique: str, outside: str = "", **headers: str) -> EmailMessage:
    """A mail of the establishment with a CDA document about the patient."""
    content = cda_documents.cda(id=f'<id root="{unique}"/>')
    packed = an_archive(content, metadata(content, unique=unique, outside=outside))
    return with_file(a_mail(From=_FROM, **headers), packed, "IHE_XDM.ZIP", "application/zip")


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path, a_hospital()) as found:
        yield found


async def test_it_writes_to_a_grown_patient_with_a_file(mail: Gateway) -> None:
    assert (await mail.send(with_file(a_mail(From=_FROM), b"%PDF-1.4", "plan.pdf"), HOSPITAL)).startswith("250 ")
    [message] = await mail.all("Communication")
    assert message["sender"]["reference"] == "Organization/chu"
    assert ["contentAttachment" in one for one in message["payload"]] == [False, True]


async def test_its_answers_are_of_its_thread(mail: Gateway) -> None:
    await mail.send(a_mail(From=_FROM), HOSPITAL)
    said = await mail.send(a_mail(From=_FROM, Message_ID="<b@x>", In_Reply_To="<first@medecin.mssante.fr>"), HOSPITAL)
    assert said.startswith("250 ")
    assert sum("partOf" in one for one in await mail.all("Communication")) == 1


async def test_it_files_a_document_and_its_message_names_it(mail: Gateway) -> None:
    assert (await mail.send(a_report(ONE), HOSPITAL)).startswith("250 ")
    [document], [message] = await mail.all("DocumentReference"), await mail.all("Communication")
    named = [one["contentReference"]["reference"] for one in message["payload"] if "contentReference" in one]
    assert named == [f"DocumentReference/{document['id']}"]


async def test_it_replaces_nothing_since_it_reads_nothing_of_the_record(mail: Gateway) -> None:
    await mail.send(a_report(ONE), HOSPITAL)
    said = await mail.send(a_report(TWO, replaces(f"urn:oid:{ONE}"), Message_ID="<b@x>"), HOSPITAL)
    assert said.startswith("550 ") and "[xdm-replaced]" in said
    assert len(await mail.all("DocumentReference")) == 1


@pytest.mark.parametrize("path", [("DocumentReference",), ("Observation",), ("List",)])
async def test_its_grant_reads_nothing_of_the_record(mail: Gateway, path: tuple[str, ...]) -> None:
    holder = await Incoming(mail.house.services).sender(HOSPITAL)
    assert holder is not None
    with pytest.raises(Forbidden):
        await mail.house.services.exchange(Request("GET", path), holder.grant("p1"))
