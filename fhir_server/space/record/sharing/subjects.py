"""Whose a document is, where it does not say so by a literal reference: by INS, as software that publishes has it.

PDSm, simplified publish: the subject is contained, literal, or a logical reference with an identifier; PDSm4DMP writes
`Patient?identifier=…`. What is stored names the Patient of this server. Who has a record here is told to nobody who
could not find them: absent and hidden are refused in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Conflict
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.interactions.exchange import Context
from fhir_server.space.record.sharing.words import dicts
from fhir_server.store.filters import Token, either
from fhir_server.store.protocol import Version

#: Systems of the INS: NIR, NIA, and those of test and demonstration.
INS = frozenset(f"urn:oid:1.2.250.1.213.1.4.{last}" for last in ("8", "9", "10", "11"))
_BY_CRITERIA = "Patient?identifier="

#: People with one identifier who are looked at.
_MOST = 10
IDENTIFIER = "DocumentReference.subject.identifier"
SEVERAL = "Several patients here have this identifier: say which one by a reference."

Identifier = tuple[str, str]


async def patient_of(context: Context, tree: Mapping[str, Any]) -> str | None:
    """The Patient that a document's subject is ("Patient/1"); None where it is nobody this caller knows here.

    Raises:
        Conflict: several whom this caller knows have the identifier (409).
    """
    subject = tree.get("subject")
    if not isinstance(subject, dict):
        return None
    said = subject.get("reference")
    if isinstance(said, str) and said.startswith(_BY_CRITERIA):
        system, _, value = unquote(said.removeprefix(_BY_CRITERIA)).partition("|")
        return await _found(context, [(system, value)])
    if isinstance(said, str):
        named = parse_reference(said, context.base)
        if named.local and named.type == "Patient" and not named.fragment:
            return named.target
        return await _found(context, _contained(tree, named.fragment)) if named.contained else None
    identifier = subject.get("identifier")
    return await _found(context, _identifiers([identifier])) if isinstance(identifier, dict) else None


async def is_known(context: Context, patient: str) -> bool:
    """Whether a Patient is here, and one that this caller may know of."""
    version = await context.repository.as_server().current("Patient", patient.removeprefix("Patient/"))
    if version is None or version.deleted:
        return False
    return await _is_shown(context, version)


async def identifiers_of(context: Context, patient: str) -> frozenset[Identifier]:
    """The INS of a Patient, by system and value; none of who is not here."""
    version = await context.repository.as_server().current("Patient", patient.removeprefix("Patient/"))
    if version is None or version.deleted:
        return frozenset()
    return frozenset(one for one in _identifiers(parse(version.body).get("identifier")) if one[0] in INS)


def source_identifiers(tree: Mapping[str, Any]) -> frozenset[Identifier]:
    """The INS of the contained Patient that a document calls its source."""
    within = tree.get("context")
    source = within.get("sourcePatientInfo") if isinstance(within, dict) else None
    said = source.get("reference") if isinstance(source, dict) else None
    if not isinstance(said, str) or not said.startswith("#"):
        return frozenset()
    return frozenset(one for one in _contained(tree, said[1:]) if one[0] in INS)


async def _found(context: Context, identifiers: list[Identifier]) -> str | None:
    """The one Patient with one of these identifiers whom this caller may know of."""
    asked = [Token("identifier", value, system) for system, value in identifiers if system and value]
    if not asked:
        return None
    page = await context.repository.as_server().find({"Patient": either(asked)}, count=_MOST)
    found = [one for one in page.versions if await _is_shown(context, one)]
    if len(found) > 1:
        raise Conflict(SEVERAL, IDENTIFIER, code="multiple-matches", key="document-subject")
    return f"Patient/{found[0].id}" if found else None


async def _is_shown(context: Context, version: Version) -> bool:
    return _is_own(context.repository, f"Patient/{version.id}") or await context.repository.shows(version)


def _is_own(repository: Repository, patient: str) -> bool:
    grant, id = repository.grant, patient.removeprefix("Patient/")
    return grant.patient == id or id in grant.wards or grant.subject == patient


def _contained(tree: Mapping[str, Any], id: str) -> list[Identifier]:
    for one in dicts(tree.get("contained")):
        if one.get("id") == id and one.get("resourceType") == "Patient":
            return _identifiers(one.get("identifier"))
    return []


def _identifiers(value: Any) -> list[Identifier]:
    return [(str(one.get("system", "")), str(one.get("value", ""))) for one in dicts(value)]
