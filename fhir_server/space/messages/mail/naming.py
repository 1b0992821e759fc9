"""Names that secure messaging gives: addresses of patients, subjects and file names of mails with documents.

MSSanté "Référentiel socle" #2 (one patient a mail, IHE_XDM.ZIP with PDF beside it). A patient's address is their
national number (INS, fifteen digits) at the domain of patients.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date

from fhir_server.space.messages.mail.headers import XDM_SUBJECT

#: The archive of documents; "IHE_XDM.zip" is written too.
ARCHIVE = "IHE_XDM.ZIP"
#: Systems of an INS, that of the demonstration first: it is looked for in this order.
INS_SYSTEMS = (
    "urn:oid:1.2.250.1.213.1.4.11",
    "urn:oid:1.2.250.1.213.1.4.10",
    "urn:oid:1.2.250.1.213.1.4.8",
    "urn:oid:1.2.250.1.213.1.4.9",
)
_INS = re.compile(r"[1-478]\d{4}(?:\d\d|2[AB])\d{8}|[1-478]\d{4}2[AB]\d{8}", re.ASCII)
_LONGEST_LABEL = 40


def ins_of(address: str, domain: str) -> str:
    """The INS in a patient's address; "" where it is no address of a patient at `domain`."""
    local, _, at = address.rpartition("@")
    found = local.upper()
    return found if at.lower() == domain.lower() and len(found) == 15 and _INS.fullmatch(found) else ""


def patient_address(ins: str, domain: str) -> str:
    """The address of the patient with an INS."""
    return f"{ins}@{domain}".lower()


def subject(labels: Sequence[str], family: str, given: str, birth: date | None) -> str:
    """The subject of a mail with documents.

    Args:
        labels: what each document is called; one for each.
        family, given: the patient's, at birth.
        birth: their birth date; None leaves it out.
    """
    what = labels[0][:_LONGEST_LABEL].strip() if len(labels) == 1 else f"{len(labels)} documents"
    day = f" {birth:%d/%m/%Y}" if birth is not None else ""
    return f"{XDM_SUBJECT}{what} {capitals(family)} {capitals(given)}{day}"


def pdf_name(act: date, label: str, family: str, given: str, number: int = 0) -> str:
    """The file name of a document as PDF, beside the archive.

    Args:
        act: day of the act.
        label: what the document is called.
        family, given: the patient's, at birth.
        number: of the file among several of that name; 0 of the only one.
    """
    kind = re.sub(r"[^\w-]+", "-", label, flags=re.UNICODE).strip("-")[:_LONGEST_LABEL]
    parts = [f"{act:%Y%m%d}", kind or "document", _file(family), _file(given), *([str(number)] if number else [])]
    return "_".join(parts) + ".pdf"


def capitals(name: str) -> str:
    """A name in capitals without accents, as subjects have it."""
    plain = unicodedata.normalize("NFD", name.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae"))
    return " ".join("".join(one for one in plain if not unicodedata.combining(one)).upper().split())


def _file(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "-", capitals(name)).strip("-") or "X"
