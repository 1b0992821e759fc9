"""The grants of those who look at the record's pages: each is what the person has, and nothing beside.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html: one patient in context, scopes of that patient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant, Purpose, Scope
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.service import Surroundings

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account

#: Through which software it is: these pages. No client that is registered is called so, and traces name it.
SITE = "@site"
_BORN = re.compile(r"(.+) \(([0-9-]{10})\)")
#: Type → the letters of `cruds` that the pages of patients and those who act for them need.
_PATIENT: Mapping[str, str] = {
    "AuditEvent": "rs",
    "Binary": "cr",
    "CareTeam": "rs",
    "Consent": "crus",
    "DocumentReference": "crus",
    "List": "cruds",
    "Observation": "rs",
    "Organization": "rs",
    "Patient": "rs",
    "Practitioner": "rs",
    "PractitionerRole": "rs",
}
#: The same for the pages of professionals.
_PROFESSIONAL: Mapping[str, str] = {
    "Binary": "cr",
    "Consent": "crus",
    "DocumentReference": "crus",
    "Organization": "rs",
    "Patient": "rs",
    "Practitioner": "rs",
    "PractitionerRole": "rs",
}


def _scopes(types: Mapping[str, str]) -> tuple[Scope, ...]:
    return tuple(Scope("patient", type, frozenset(verbs)) for type, verbs in types.items())


_PATIENT_SCOPES, _PROFESSIONAL_SCOPES = _scopes(_PATIENT), _scopes(_PROFESSIONAL)


def patients(account: Account, patient: str, scopes: tuple[Scope, ...] = _PATIENT_SCOPES) -> Grant:
    """The grant of somebody who looks at a record as its holder, or for them; `scopes` are those of the page."""
    return Grant(
        scopes,
        subject=account.subject,
        client=SITE,
        patient=patient,
        wards=frozenset(account.wards),
        purpose="PATRQT",
    )


def professionals(
    account: Account,
    role: str | None,
    patient: str,
    purpose: Purpose,
    reason: str | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Grant:
    """The grant of a professional who looks at one record, for a purpose.

    `more` are types that a page needs beside those of the record's own, with letters of `cruds`.
    """
    return Grant(
        _scopes({**_PROFESSIONAL, **more}) if more else _PROFESSIONAL_SCOPES,
        subject=account.subject,
        role=role,
        client=SITE,
        patient=patient,
        purpose=purpose,
        reason=reason,
    )


def asking(guest: Guest[Surroundings], grant: Grant) -> Asking:
    """What a page asks the server with that grant."""
    return Asking(guest.service, grant, guest.visit.addresses.base)


async def named(guest: Guest[Surroundings], patient: str) -> tuple[str, str]:
    """What a patient is called, and their birth date, YYYY-MM-DD, "" where it is not said."""
    return parted(await guest.entrance.name_of(guest.account, patient))


def parted(label: str) -> tuple[str, str]:
    """The name and the birth date in what accounts call a patient, "Zoé EXEMPLE (1980-03-03)"; "" where it has none."""
    found = _BORN.fullmatch(label)
    return (found[1], found[2]) if found else (label, "")


def of_patient(guest: Guest[Surroundings]) -> Asking | None:
    """What the page of a patient named in its address asks; None where the account does not act for them."""
    patient = guest.path("patient")
    return asking(guest, patients(guest.account, patient)) if patient in guest.account.patients else None
