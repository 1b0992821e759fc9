"""Mails and archives for tests, made by the standard library's own writer and not by the server's."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

INS = "269054958815780"
PATIENT = f"{INS}@patient.mssante.fr"
DOCTOR = "anne.dupont@medecin.mssante.fr"


def a_mail(text: str = "Bonjour,\nvoici votre résultat.", **headers: str) -> EmailMessage:
    """A mail of a doctor to a patient; a header that is "" is left out."""
    made = EmailMessage()
    said = {
        "From": f"Dr Anne Dupont <{DOCTOR}>",
        "To": PATIENT,
        "Date": format_datetime(datetime.now(UTC)),
        "Message-ID": "<first@medecin.mssante.fr>",
        "Subject": "Votre résultat",
        "X-MSS-NIL": "TESTS",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in said.items():
        if value:
            made[name] = value
    made.set_content(text)
    return made


def with_file(made: EmailMessage, content: bytes, name: str, kind: str = "application/pdf") -> EmailMessage:
    """The mail with a file beside what it has."""
    main, sub = kind.split("/")
    made.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return made


def a_zip(files: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> bytes:
    """A ZIP of files, in order."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, content)
    return made.getvalue()


def _classified(scheme: str, code: str, system: str, words: str) -> str:
    return (
        f'<rim:Classification id="c-{scheme[-6:]}-{code}" classificationScheme="urn:uuid:{scheme}" '
        f'classifiedObject="Document01" nodeRepresentation="{code}">'
        f'<rim:Slot name="codingScheme"><rim:ValueList><rim:Value>{system}</rim:Value></rim:ValueList></rim:Slot>'
        f'<rim:Name><rim:LocalizedString value="{words}"/></rim:Name></rim:Classification>'
    )


CONFIDENTIALITY = "f4f85eac-e6cb-4883-b524-f2705394840f"
PIECES: Mapping[str, str] = {
    "class": _classified("41a5887f-8865-4c09-adf7-e362475b143a", "10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
    "confidentiality": _classified(CONFIDENTIALITY, "N", "2.16.840.1.113883.5.25", "Normal"),
    "format": _classified(
        "a09d5840-386c-46f2-b5ad-9c3699a4309d", "urn:ihe:lab:xd-lab:2008", "1.3.6.1.4.1.19376.1.2.3", "Biologie"
    ),
    "facility": _classified("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "SA25", "1.2.250.1.71.4.2.4", "Laboratoire"),
    "practice": _classified(
        "cccf5598-8b07-4b77-a05e-ae952c785ead", "AMBULATOIRE", "1.2.250.1.213.1.1.4.9", "Ambulatoire"
    ),
    "type": _classified("f0306f51-975f-434e-a61c-c59651d33983", "11502-2", "2.16.840.1.113883.6.1", "CR de biologie"),
    "author": (
        '<rim:Classification id="a1" classificationScheme="urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d" '
        'classifiedObject="Document01" nodeRepresentation="">'
        '<rim:Slot name="authorPerson"><rim:ValueList>'
        "<rim:Value>899700218896^DUPONT^Anne^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^IDNPS</rim:Value>"
        "</rim:ValueList></rim:Slot>"
        '<rim:Slot name="authorInstitution"><rim:ValueList>'
        "<rim:Value>Laboratoire^^^^^&amp;1.2.250.1.71.4.2.2&amp;ISO^IDNST^^^1750000001</rim:Value>"
        "</rim:ValueList></rim:Slot></rim:Classification>"
    ),
}


def masked(code: str) -> str:
    """A label of visibility (TRE_A07)."""
    return _classified(CONFIDENTIALITY, code, "1.2.250.1.213.1.1.4.13", code)


def metadata(
    content: bytes,
    *,
    unique: str = "1.2.250.1.213.1.1.1.55.2026.7.1",
    patient: str = f"{INS}^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH",
    uri: str = "DOC00001.XML",
    kind: str = "text/xml",
    more: str = "",
    outside: str = "",
    **slots: str,
) -> bytes:
    """METADATA.XML of one document; a piece of `PIECES` or a slot that is given takes the place of the usual one."""
    pieces = {name: slots.pop(name, said) for name, said in PIECES.items()}
    said = {
        "URI": uri,
        "hash": hashlib.sha1(content).hexdigest(),
        "size": str(len(content)),
        "creationTime": "20260104150527",
        "languageCode": "fr-FR",
        "serviceStartTime": "20260104082200",
        "sourcePatientId": patient,
    } | slots
    values = "".join(
        f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{value}</rim:Value></rim:ValueList></rim:Slot>'
        for name, value in said.items()
        if value
    )
    identifiers = "".join(
        f'<rim:ExternalIdentifier id="e{number}" identificationScheme="urn:uuid:{scheme}" registryObject="Document01" '
        f'value="{value}"/>'
        for number, (scheme, value) in enumerate(
            (("58a6f841-87b3-4a3e-92fd-a8ffeff98427", patient), ("2e82c1f6-a085-4c72-9da3-8640a32e42ab", unique))
        )
        if value
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" '
        'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><rim:RegistryObjectList>'
        f'<rim:ExtrinsicObject id="Document01" mimeType="{kind}" '
        f'objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">{values}'
        '<rim:Name><rim:LocalizedString value="Compte rendu de biologie"/></rim:Name>'
        f"{''.join(pieces.values())}{more}{identifiers}</rim:ExtrinsicObject>{outside}"
        "</rim:RegistryObjectList></lcm:SubmitObjectsRequest>"
    ).encode()


def replaces(target: str) -> str:
    """The association that puts the document in the place of another."""
    return (
        '<rim:Association id="r1" associationType="urn:ihe:iti:2007:AssociationType:RPLC" sourceObject="Document01" '
        f'targetObject="{target}"/>'
    )


def an_archive(content: bytes, sheet: bytes, uri: str = "DOC00001.XML") -> bytes:
    """IHE_XDM.ZIP with one document."""
    return a_zip(
        {
            "INDEX.HTM": b"<html></html>",
            "README.TXT": b"",
            "IHE_XDM/SUBSET01/METADATA.XML": sheet,
            f"IHE_XDM/SUBSET01/{uri}": content,
        }
    )
