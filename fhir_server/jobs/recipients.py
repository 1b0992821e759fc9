"""Whom a notice about a patient's space goes to, and in which language.

https://hl7.org/fhir/R4/patient.html (telecom, communication), https://hl7.org/fhir/R4/datatypes.html#ContactPoint
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse

Language = Literal["fr", "en"]


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a space who can be written to."""

    email: str
    language: Language


async def holder(repository: Repository, patient: str) -> Holder | None:
    """The holder of a patient's (id) space; None when they gave no e-mail address, or are no longer there."""
    version = await repository.current("Patient", patient)
    if version is None or version.deleted:
        return None
    return reached(parse(version.body))


def reached(tree: dict[str, Any]) -> Holder | None:
    """The same, of the Patient as it is read."""
    address = email(tree)
    if not address or tree.get("deceasedBoolean") is True or "deceasedDateTime" in tree:
        return None
    return Holder(address, _language(tree))


def email(tree: dict[str, Any]) -> str:
    """The e-mail address that somebody prefers; "" without one in use."""
    points = [p for p in tree.get("telecom", ()) if p.get("system") == "email" and p.get("value")]
    usable = [p for p in points if p.get("use") != "old" and "end" not in p.get("period", {})]
    return str(min(usable, key=lambda point: int(point.get("rank", 1_000)))["value"]) if usable else ""


def _language(tree: dict[str, Any]) -> Language:
    spoken = [one for one in tree.get("communication", ()) if one.get("preferred")]
    codes = (c.get("code", "") for one in spoken for c in one.get("language", {}).get("coding", ()))
    return "en" if any(code.partition("-")[0] == "en" for code in codes) else "fr"
