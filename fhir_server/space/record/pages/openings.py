"""The records that a professional has open in this session: why, and until when. No page of a record is shown without.

CSP R1111-48: an emergency is declared, and ends; a record is opened from who its patient is, never from a list.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from fhir_server.access.grant import Purpose
from fhir_server.site.signed_in import Guest
from fhir_server.smart import lifetimes
from fhir_server.smart.secret import digest
from fhir_server.space.at_hand import AtHand, keep
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.people import asking, professionals
from fhir_server.space.service import Surroundings

_KIND = "record-opened"


@dataclass(frozen=True, slots=True)
class Opening:
    """One record that is open.

    Attributes:
        patient: id.
        purpose: of http://terminology.hl7.org/CodeSystem/v3-ActReason.
        reason: of an emergency, in words.
        at: since when, in seconds since 1970.
    """

    patient: str
    purpose: Purpose
    reason: str | None
    at: float

    @property
    def urgent(self) -> bool:
        """Whether it is open as in an emergency."""
        return self.purpose in ("BTG", "ETREAT")


async def begin(
    guest: Guest[Surroundings], patient: str, purpose: Purpose = "TREAT", reason: str | None = None
) -> None:
    """Open a record, or open it for another purpose; the patient is then the one at hand, for tools too."""
    opening = Opening(patient, purpose, reason, time.time())
    await guest.service.records.put(_KIND, _key(guest, patient), msgspec.json.encode(opening), lifetimes.SESSION)
    await keep(guest, AtHand(patient))


async def found(
    guest: Guest[Surroundings], more: Mapping[str, str] = MappingProxyType({})
) -> tuple[Opening, Asking] | None:
    """The record that the address names, and what a page may ask of it, `more` too; None where it is not open."""
    patient = guest.path("patient")
    kept = await guest.service.records.get(_KIND, _key(guest, patient))
    if kept is None:
        return None
    opening = msgspec.json.decode(kept, type=Opening)
    if opening.urgent and time.time() - opening.at > guest.service.settings.record_emergency_hours * 3600:
        # What is left when an emergency ends is what anybody has who knows who the patient is.
        opening = Opening(patient, "TREAT", None, opening.at)
    return opening, asked_for(guest, opening, more=more)


def asked_for(
    guest: Guest[Surroundings],
    opening: Opening,
    reason: str | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Asking:
    """What a page asks under an opening.

    `reason` is why something is done, where a form asks for it; `more` are types that the page needs beside those of
    others, as `people.professionals` has them.
    """
    role = guest.session.role or next(iter(guest.account.roles), None)
    grant = professionals(guest.account, role, opening.patient, opening.purpose, reason or opening.reason, more)
    return asking(guest, grant)


def _key(guest: Guest[Any], patient: str) -> str:
    return digest(f"{guest.visit.cookie or ''}\n{patient}")
