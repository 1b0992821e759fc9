"""The professional that an establishment's software asks for: https://profiles.ihe.net/ITI/IUA/."""

from __future__ import annotations

from dataclasses import dataclass

from fhir_server.access.grant import Purpose


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the data, and why they ask.

    Attributes:
        subject: "Practitioner/1".
        role: "PractitionerRole/1", when it is clear which.
        purpose: of use; `reason` why, in words.
    """

    subject: str
    role: str | None
    purpose: Purpose
    reason: str | None
