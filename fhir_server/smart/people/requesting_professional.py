"""The professional behind a backend service: what an establishment's software says of who asks, in its own assertion.

The same facts as the national VIHF: `rpps`, `subject_role`, `sector`, `structure_id`, `purpose_of_use`, `reason`; or
IHE IUA's `extensions.ihe_iua` (https://profiles.ihe.net/ITI/IUA/, ITI-71 JWT claims: `person_id`, `purpose_of_use`).
The software is trusted for who asks as it is for what it asks: its signature covers both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from fhir_server.access.grant import Purpose
from fhir_server.access.repository import Repository
from fhir_server.search.asking.query import Place
from fhir_server.smart.people import matching
from fhir_server.smart.people.person import Person

#: Purposes of use a professional may have (http://terminology.hl7.org/CodeSystem/v3-ActReason).
PURPOSES: dict[str, Purpose] = {"TREAT": "TREAT", "ETREAT": "ETREAT", "BTG": "BTG"}
#: The longest reason, in characters.
LONGEST = 500
_NATIONAL = re.compile(r"[0-9A-Za-z/]{1,40}")


@dataclass(frozen=True, slots=True)
class Said:
    """What an assertion says of a person.

    Attributes:
        national: identifier: `8` and an RPPS, or another.
        structure: identifier of the establishment they act in, "" when it is not said.
        purpose: of use; `reason` why, in words.
    """

    national: str
    structure: str
    purpose: Purpose
    reason: str | None


def said(claims: Mapping[str, Any]) -> Said | None:
    """What the claims of a verified assertion say of a person; None when they speak of software alone.

    Raises:
        InvalidRequestError: what they say is not whole, or not understood: never taken for less than it was meant.
    """
    extensions = claims.get("extensions") if isinstance(claims.get("extensions"), dict) else {}
    iua = (extensions or {}).get("ihe_iua")
    other: Mapping[str, Any] = iua if isinstance(iua, dict) else {}
    person = claims.get("rpps", other.get("person_id", other.get("national_provider_identifier")))
    purpose = _code(claims.get("purpose_of_use", other.get("purpose_of_use")))
    reason = claims.get("reason", other.get("reason"))
    if person is None and purpose is None and reason is None:
        return None
    national = _national(person)
    if national is None:
        raise InvalidRequestError("A purpose of use needs a professional, by their rpps or person_id.")
    if purpose is not None and purpose not in PURPOSES:
        raise InvalidRequestError("The purpose_of_use is TREAT, ETREAT or BTG.")
    words = " ".join(reason.split()) if isinstance(reason, str) else ""
    if len(words) > LONGEST or (purpose == "BTG" and not words):
        raise InvalidRequestError(f"Breaking the glass (BTG) needs a reason, of at most {LONGEST} characters.")
    structure = claims.get("structure_id", other.get("subject_organization_id"))
    return Said(national, _structure(structure), PURPOSES[purpose or "TREAT"], words or None)


class Acting:
    """Finds the person in the data."""

    def __init__(self, repository: Callable[[str], Repository] | None, place: Callable[[str], Place]) -> None:
        """`repository` is the server's own sight of a base's data, `place` where conditions on it are read."""
        self._repository = repository
        self._place = place

    async def find(self, what: Said, base: str) -> Person | None:
        """Who is meant; None when nobody active, or not one person, has the identifier."""
        if self._repository is None:
            return None
        repository, place = self._repository(base), self._place(base)
        match = await matching.practitioner(what.national, repository, place)
        if match is None:
            return None
        held = match.roles
        if what.structure:
            there = await matching.exercises(match.subject, what.structure, repository, place)
            held = tuple(role for role in match.roles if role in there)
        return Person(match.subject, held[0] if len(held) == 1 else None, what.purpose, what.reason)


def _national(given: Any) -> str | None:
    """`8` and eleven digits from an RPPS, alone or first in an HL7 CX; or another national identifier."""
    if not isinstance(given, str):
        return None
    value = given.partition("^")[0].rpartition("|")[2].strip()
    if re.fullmatch(r"\d{11}", value):
        return f"8{value}"
    return value if _NATIONAL.fullmatch(value) else None


def _structure(given: Any) -> str:
    value = given.partition("^")[0].rpartition("|")[2].strip() if isinstance(given, str) else ""
    return value if re.fullmatch(r"[0-9A-Za-z.\-]{1,64}", value) else ""


def _code(given: Any) -> str | None:
    """A code, alone, as a Coding, or as the first of a list."""
    if isinstance(given, list):
        given = given[0] if len(given) == 1 else "" if given else None
    if isinstance(given, dict):
        given = given.get("code", "")
    return given if given is None or isinstance(given, str) else ""
