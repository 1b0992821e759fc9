"""The documents of an IHE_XDM.ZIP, each with its metadata, when they are what the metadata say.

IHE ITI TF-3 4.2.3.2.10 (hash: SHA-1 of the bytes, hexadecimal) and 4.2.3.2.23 (size).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from fhir_server.space.messages.mail.naming import ARCHIVE, INS_SYSTEMS
from fhir_server.space.messages.mail.parsing import File
from fhir_server.space.messages.mail.refusals import Refused
from fhir_server.space.messages.mail.xdm import ebrim
from fhir_server.space.messages.mail.xdm.archive import LONGEST_METADATA, METADATA, Archive

_ZIPS = frozenset({"application/zip", "application/x-zip-compressed", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class Document:
    """One document: what is said of it, and its bytes."""

    entry: ebrim.Entry
    content: bytes = field(repr=False)


def is_archive(file: File) -> bool:
    """Whether a file of a mail is the archive of its documents."""
    return file.name.upper() == ARCHIVE and file.kind in _ZIPS


def opened(content: bytes) -> list[Document]:
    """The documents of an archive, in order.

    Raises:
        Refused: the archive, its metadata or a document is not what it must be.
    """
    archive = Archive(content)
    if not archive.submissions:
        raise Refused("xdm-archive", "It has no IHE_XDM/SUBSET01/METADATA.XML.")
    found = [
        Document(entry, _checked(entry, archive.read(folder, entry.slot("URI"))))
        for folder in archive.submissions
        for entry in ebrim.read(archive.read(folder, METADATA, LONGEST_METADATA))
    ]
    if len({_patient(one.entry) for one in found}) > 1:
        raise Refused("recipients", "The documents are about several patients.")
    return found


def ins(document: Document) -> tuple[str, str]:
    """(system, value) of the INS that a document's metadata say it is about.

    Raises:
        Refused: they say none.
    """
    found = _patient(document.entry)
    if found[0] not in INS_SYSTEMS:
        raise Refused("xdm-patient", "The metadata name no INS (903).")
    return found


def _patient(entry: ebrim.Entry) -> tuple[str, str]:
    # CX: value^^^&root&ISO^type (TF-3 table 4.2.3.1.7-2).
    parts = entry.patient_id.split("^")
    authority = parts[3].split("&") if len(parts) > 3 else []
    return (f"urn:oid:{authority[1]}" if len(authority) > 1 else ""), parts[0]


def _checked(entry: ebrim.Entry, content: bytes) -> bytes:
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    said, size = entry.slot("hash").lower(), entry.slot("size")
    if said != digest:
        raise Refused("xdm-hash", "The hash disagrees." if said else "There is no hash.")
    if size and size != str(len(content)):
        raise Refused("xdm-hash", "The size disagrees.")
    return content
