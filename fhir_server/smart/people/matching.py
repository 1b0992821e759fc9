"""Who in the data is the person a provider speaks of: exactly one, or nobody.

Professionals by their national identifier (RPPS); patients by the traits of their national identity (INS reference
document: birth name, birth first names, birth date, sex, place of birth), and only patients whose INS is qualified;
representatives and caregivers by the `RelatedPerson` that carries the same INS, or the same traits when it has none.
https://hl7.org/fhir/R4/relatedperson.html
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import FhirError
from fhir_server.search.asking.query import Place, condition

ID_NAT_PS = "urn:oid:1.2.250.1.71.4.2.1"
RPPS = "https://rpps.esante.gouv.fr"
#: Systems of the INS: of people (NIR, NIA), and of invented ones (test, demonstration).
INS = tuple(f"urn:oid:1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11))
_FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition"
_RELIABILITY = f"{_FR_CORE}/fr-core-identity-reliability"
BIRTH_GIVEN = f"{_FR_CORE}/fr-core-patient-birth-list-given-name"
INSEE = f"{_FR_CORE}/fr-core-address-insee-code"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
#: Statuses of an identity that was checked against the national one.
_QUALIFIED = frozenset({"VALI", "QUAL"})
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NATIONAL = re.compile(r"[0-9A-Za-z/]{1,40}")
#: More people than this with one birth date, sex and beginning of a name: nobody is chosen among them.
_CANDIDATES = 200


@dataclass(frozen=True, slots=True)
class Match:
    """Somebody of the data.

    Attributes:
        subject: "Practitioner/1", "Patient/1" or "RelatedPerson/1".
        name: to be shown.
        roles: PractitionerRole references of a professional.
        wards: ids of patients they act for.
        regulation: whether they work in a medical regulation centre now.
        reason: why they sign in, when the provider was told.
    """

    subject: str
    name: str
    roles: tuple[str, ...] = ()
    wards: tuple[str, ...] = ()
    regulation: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """The traits of a civil identity, normalized."""

    family: str
    given: tuple[str, ...]
    born: str
    gender: str
    place: str


async def professional(claims: Mapping[str, Any], repository: Repository, place: Place) -> Match | None:
    """The professional of Pro Santé Connect's claims; None when there is not exactly one."""
    national = claims.get("SubjectNameID", claims.get("preferred_username"))
    if not isinstance(national, str) or not _NATIONAL.fullmatch(national):
        return None
    if claims.get("preferred_username", national) != national:
        return None
    return await practitioner(national, repository, place, claims)


async def practitioner(
    national: str, repository: Repository, place: Place, claims: Mapping[str, Any] | None = None
) -> Match | None:
    """The active Practitioner with a national identifier (`8` and an RPPS, or another kind's), if just one."""
    found = await _found("Practitioner", [("identifier", _identifiers(national))], repository, place)
    active = [one for one in found if _holds(one)]
    if len(active) != 1:
        return None
    subject = f"Practitioner/{active[0]['id']}"
    roles = await _found("PractitionerRole", [("practitioner", subject)], repository, place)
    held = sorted(f"PractitionerRole/{one['id']}" for one in roles if _holds(one))
    said = claims or {}
    reason = said.get("Mode_Acces_Raison")
    return Match(
        subject,
        _label(active[0]),
        roles=tuple(held),
        regulation=said.get("Acces_Regulation_Medicale") == "VRAI",
        reason=reason[:500] if isinstance(reason, str) and reason else None,
    )


async def exercises(subject: str, structure: str, repository: Repository, place: Place) -> frozenset[str]:
    """The roles ("PractitionerRole/1") of a Practitioner in the organization that has an identifier."""
    criteria = [("practitioner", subject), ("organization.identifier", structure)]
    found = await _found("PractitionerRole", criteria, repository, place)
    return frozenset(f"PractitionerRole/{one['id']}" for one in found)


async def citizen(claims: Mapping[str, Any], repository: Repository, place: Place) -> Match | None:
    """The patient, representative or caregiver of FranceConnect's claims; None when it is not clear who."""
    traits = of_claims(claims)
    if traits is None:
        return None
    criteria = [("birthdate", traits.born), ("gender", traits.gender), ("family", traits.family.split(" ")[0])]
    patients = await _found("Patient", criteria, repository, place)
    own = [one for one in patients if _qualified(one) and _of_patient(one) == traits]
    if len(own) > 1:
        return None
    criteria = [("birthdate", traits.born), ("name", traits.family.split(" ")[0])]
    related = await _found("RelatedPerson", criteria, repository, place)
    acting = [one for one in related if _holds(one) and _same(one, traits, own)]
    wards = tuple(dict.fromkeys(filter(None, (_ward(one) for one in acting))))
    if own:
        return Match(f"Patient/{own[0]['id']}", _label(own[0]), wards=tuple(id for id in wards if id != own[0]["id"]))
    if not wards or len({_ins(one) for one in acting}) > 1:
        return None
    acting.sort(key=lambda one: str(one["id"]))
    return Match(f"RelatedPerson/{acting[0]['id']}", _label(acting[0]), wards=wards)


def of_claims(claims: Mapping[str, Any]) -> Traits | None:
    """The traits of FranceConnect's claims; None when one is missing or is not a day or a sex."""
    names = ("family_name", "given_name", "birthdate", "gender")
    if not all(isinstance(claims.get(name), str) and claims[name] for name in names):
        return None
    family, given = normalized(claims["family_name"]), normalized(claims["given_name"])
    if (
        not family
        or not given
        or not _DATE.fullmatch(claims["birthdate"])
        or claims["gender"] not in ("male", "female")
    ):
        return None
    # Somebody born abroad has no commune of birth; the country's INSEE code then stands for it.
    place = claims.get("birthplace") or claims.get("birthcountry") or ""
    return Traits(family, tuple(given.split(" ")), claims["birthdate"], claims["gender"], str(place).upper())


def normalized(text: str) -> str:
    """`text` as identities are compared: capitals without accents, and anything between letters a single blank."""
    plain = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae")).upper()
    letters = "".join(" " if not letter.isalpha() else letter for letter in plain if not unicodedata.combining(letter))
    return " ".join(letters.split())


def _of_patient(patient: Mapping[str, Any]) -> Traits | None:
    """The traits of a Patient as the national profile writes them."""
    official = next((one for one in patient.get("name") or () if one.get("use") == "official"), None)
    if official is None:
        return None
    listed = extension(official, BIRTH_GIVEN).get("valueString") or " ".join(official.get("given") or ())
    address = extension(patient, BIRTH_PLACE).get("valueAddress") or {}
    code = str((extension(address, INSEE).get("valueCoding") or {}).get("code") or "").upper()
    if not code:
        return None
    family, given = normalized(official.get("family") or ""), normalized(listed)
    return Traits(family, tuple(given.split(" ")), str(patient.get("birthDate")), str(patient.get("gender")), code)


def _same(related: Mapping[str, Any], traits: Traits, own: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a RelatedPerson is the person: by their INS when both have one, and by what is said of them."""
    mine, theirs = (_ins(own[0]) if own else None), _ins(related)
    if mine and theirs and mine != theirs:
        return False
    if related.get("birthDate") != traits.born or related.get("gender", traits.gender) != traits.gender:
        return False
    return any(
        normalized(one.get("family") or "") == traits.family
        and normalized(" ".join(one.get("given") or ())).split(" ")[0] == traits.given[0]
        for one in related.get("name") or ()
    )


def _holds(resource: Mapping[str, Any]) -> bool:
    """Whether a role or relation is active today."""
    if resource.get("active") is False:
        return False
    period, today = resource.get("period") or {}, datetime.now(UTC).date().isoformat()
    start, end = str(period.get("start") or today)[:10], str(period.get("end") or today)[:10]
    # A partial date ("2026-03") begins with its first day and ends with its last.
    return start <= today and end >= today[: len(end)]


def _ward(related: Mapping[str, Any]) -> str | None:
    reference = str((related.get("patient") or {}).get("reference") or "")
    type, _, id = reference.rpartition("/")
    return id if type.rpartition("/")[2] == "Patient" and "://" not in reference else None


def _qualified(patient: Mapping[str, Any]) -> bool:
    status = extension(extension(patient, _RELIABILITY), "identityStatus").get("valueCoding") or {}
    return patient.get("active") is not False and status.get("code") in _QUALIFIED and _ins(patient) is not None


def _ins(person: Mapping[str, Any]) -> str | None:
    for one in person.get("identifier") or ():
        if one.get("system") in INS and one.get("use") != "old" and one.get("value"):
            return f"{one['system']}|{one['value']}"
    return None


def extension(element: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The element's first extension with that URL; {} without one."""
    return next((one for one in element.get("extension") or () if one.get("url") == url), {})


def _identifiers(national: str) -> str:
    values = [f"{ID_NAT_PS}|{national}"]
    if re.fullmatch(r"8\d{11}", national):
        values.append(f"{RPPS}|{national[1:]}")
    return ",".join(values)


def _label(person: Mapping[str, Any]) -> str:
    names: Iterable[Mapping[str, Any]] = person.get("name") or ()
    name = next((one for one in names if one.get("use") == "usual"), next(iter(person.get("name") or ()), {}))
    full = " ".join([*(name.get("given") or ()), name.get("family") or ""]).strip()
    return str(name.get("text") or full or person.get("id"))


async def _found(
    type: str, pairs: Sequence[tuple[str, str]], repository: Repository, place: Place
) -> list[dict[str, Any]]:
    """Resources that satisfy a search; none when there are too many to say which."""
    try:
        where = condition(type, list(pairs), place)
    except FhirError:
        return []
    page = await repository.find({type: where}, count=_CANDIDATES + 1)
    if len(page.versions) > _CANDIDATES:
        return []
    return [msgspec.json.decode(version.body, type=dict[str, Any]) for version in page.versions]
