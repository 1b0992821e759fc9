"""Documents that come by mail are filed by the record's rules, with their metadata; or the mail is refused whole.

IHE XDM, PDSm; guide for documents by mail 1.1.3 (replacement, masking by a new version, errors 900 to 906).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.space.messages.mail.gateway import Gateway, gateway
from tests.space.messages.mail.making import (
    DOCTOR,
    a_mail,
    a_zip,
    an_archive,
    masked,
    metadata,
    replaces,
    with_file,
)
from tests.space.record import cda_documents
from tests.space.record.cda_documents import PIECES

ONE = "1.2.250.1.213.1.1.1.55.2026.7.1"
TWO, THREE = "1.2.250.1.213.1.1.1.55.2026.7.2", "1.2.250.1.213.1.1.1.55.2026.7.3"


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path) as found:
        yield found


def cda(unique: str = ONE, **pieces: str) -> bytes:
    """A report of the doctor about the patient."""
    return cda_documents.cda(id=f'<id root="{unique}"/>', **pieces)


def a_report(content: bytes, sheet: bytes | None = None, **headers: str) -> EmailMessage:
    """A mail with the report in IHE_XDM.ZIP."""
    packed = an_archive(content, metadata(content) if sheet is None else sheet)
    return with_file(a_mail(**headers), packed, "IHE_XDM.ZIP", "application/zip")


def codes(tree: dict[str, Any]) -> set[str]:
    return {coding["code"] for one in tree["securityLabel"] for coding in one["coding"]}


async def test_a_document_is_filed_and_named_by_the_message(mail: Gateway) -> None:
    made = a_report(cda(), Subject="XDM/1.0/DDM+CR d'examens DEMO NATHALIE 02/05/1969", X_MSS_CODECDA="11502-2")
    assert (await mail.send(made)).startswith("250 ")
    [document] = await mail.all("DocumentReference")
    assert document["masterIdentifier"]["value"] == f"urn:oid:{ONE}" and document["status"] == "current"
    assert document["subject"] == {"reference": "Patient/p1"} and codes(document) == {"N"}
    [message] = await mail.all("Communication")
    assert message["topic"]["text"] == "CR d'examens DEMO NATHALIE 02/05/1969"
    assert [one["contentReference"]["reference"] for one in message["payload"] if "contentReference" in one] == [
        f"DocumentReference/{document['id']}"
    ]


async def test_a_pdf_of_the_same_name_inside_is_the_same_document(mail: Gateway) -> None:
    content = cda()
    both = {
        "IHE_XDM/SUBSET01/METADATA.XML": metadata(content),
        "IHE_XDM/SUBSET01/DOC00001.XML": content,
        "IHE_XDM/SUBSET01/DOC00001.PDF": b"%PDF-1.4",
    }
    made = with_file(a_mail(), a_zip(both), "ihe_xdm.zip", "application/zip")
    assert (await mail.send(with_file(made, b"%PDF-1.4", "cr.pdf"))).startswith("250 ")
    assert len(await mail.all("DocumentReference")) == 1


@pytest.mark.parametrize("label", ["MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REP_LEGAUX"])
async def test_who_is_not_to_see_it_is_said_by_the_metadata(mail: Gateway, label: str) -> None:
    content = cda()
    assert (await mail.send(a_report(content, metadata(content, more=masked(label))))).startswith("250 ")
    [document] = await mail.all("DocumentReference")
    assert codes(document) == {label.replace("REP_LEGAUX", "REPRESENTANTS_LEGAUX")}


async def test_a_new_version_takes_the_place_of_the_one_that_the_metadata_name_and_masks_it(mail: Gateway) -> None:
    await mail.send(a_report(cda()))
    content = cda(TWO, version='<versionNumber value="2"/>')
    sheet = metadata(content, unique=TWO, more=masked("MASQUE_PS"), outside=replaces(f"urn:oid:{ONE}"))
    assert (await mail.send(a_report(content, sheet, Message_ID="<b@x>"))).startswith("250 ")
    old, new = sorted(await mail.all("DocumentReference"), key=lambda one: one["masterIdentifier"]["value"])
    assert (old["status"], new["status"]) == ("superseded", "current")
    assert new["relatesTo"] == [{"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}"}}]
    assert codes(new) == {"MASQUE_PS"}


async def test_a_further_version_ends_the_masking_and_the_one_it_masked_is_no_longer_replaced(mail: Gateway) -> None:
    """MODIF_CONF_CODE: visibility changes by a new version, both ways, of the latest alone (900)."""
    masked_first = metadata(cda(), more=masked("MASQUE_PS") + masked("INVISIBLE_REP_LEGAUX"))
    assert (await mail.send(a_report(cda(), masked_first))).startswith("250 ")
    content = cda(TWO, version='<versionNumber value="2"/>')
    sheet = metadata(content, unique=TWO, outside=replaces(f"urn:oid:{ONE}"))
    assert (await mail.send(a_report(content, sheet, Message_ID="<b@x>"))).startswith("250 ")
    old, new = sorted(await mail.all("DocumentReference"), key=lambda one: one["masterIdentifier"]["value"])
    assert (old["status"], new["status"]) == ("superseded", "current")
    assert codes(old) == {"MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX"} and codes(new) == {"N"}
    third = cda(THREE, version='<versionNumber value="3"/>')
    late = metadata(third, unique=THREE, outside=replaces(f"urn:oid:{ONE}"))
    wanted = a_report(third, late, Message_ID="<c@x>", Disposition_Notification_To=DOCTOR)
    said = await mail.send(wanted)
    assert said.startswith("550 ") and "mss-900" in said
    await mail.outgoing.once()
    [(_, to, raw)] = [one for one in mail.way.mails if b"900^" in one[2]]
    assert to == DOCTOR and b"processed/error\r\n" in raw


OTHER = PIECES["record_target"].replace("269054958815780", "279035121518989")
#: What → the mail, what its refusal says.
BAD: dict[str, tuple[Any, str]] = {
    "a foreign INS in the metadata": (
        lambda: a_report(cda(), metadata(cda(), patient="279035121518989^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH")),
        "[xdm-patient]",
    ),
    "a foreign INS in the document": (lambda: a_report(cda(record_target=OTHER)), "mss-902"),
    "other traits": (
        lambda: a_report(cda(record_target=PIECES["record_target"].replace("19690502", "19700502"))),
        "mss-904",
    ),
    "a hash that disagrees": (lambda: a_report(cda(), metadata(b"x", size="")), "[xdm-hash]"),
    "another id in the metadata": (lambda: a_report(cda(), metadata(cda(), unique=TWO)), "[xdm-metadata]"),
    "another type in the headers": (lambda: a_report(cda(), X_MSS_CODECDA="34112-3"), "[headers-disagree]"),
    "a document to replace that is not here": (
        lambda: a_report(cda(), metadata(cda(), outside=replaces("urn:oid:1.2.3"))),
        "[xdm-replaced]",
    ),
    "no CDA, as the metadata say": (lambda: a_report(b"<a/>"), "550 "),
    "a ZIP that is none": (lambda: with_file(a_mail(), b"PK", "IHE_XDM.ZIP", "application/zip"), "[xdm-archive]"),
    "two archives": (
        lambda: with_file(a_report(cda()), an_archive(cda(), metadata(cda())), "IHE_XDM.zip", "application/zip"),
        "[xdm-archive]",
    ),
}


@pytest.mark.parametrize("what", BAD)
async def test_documents_that_are_wrong_refuse_the_mail_and_nothing_is_stored(mail: Gateway, what: str) -> None:
    make, words = BAD[what]
    said = await mail.send(make())
    assert said.startswith("550 ") and words in said
    assert await mail.all("Communication") == await mail.all("DocumentReference") == await mail.all("Binary") == []
    assert [one for one in await mail.all("AuditEvent") if one["outcome"] != "0"]


async def test_software_that_wants_a_receipt_is_sent_the_code_for_which_nothing_was_filed(mail: Gateway) -> None:
    said = await mail.send(a_report(cda(record_target=OTHER), Disposition_Notification_To=DOCTOR))
    assert "mss-902" in said
    await mail.outgoing.once()
    [(sender, to, raw)] = mail.way.mails
    assert (sender, to) == ("", DOCTOR)
    assert b"Error: 902^Patient inconnu" in raw and b"Original-Message-ID: <first@medecin.mssante.fr>" in raw
