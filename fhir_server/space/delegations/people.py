"""Who an identity is, and who acts for whom by what is registered: RelatedPerson is the one source.

https://hl7.org/fhir/R4/relatedperson.html: a person is one over several resources by the identifiers these share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import parse
from fhir_server.search.parameters.codes import spelling
from fhir_server.smart.people.matching import normalized
from fhir_server.space.acting import cares, is_acting, is_of_age
from fhir_server.space.national_identity import ins_of, with_ins
from fhir_server.store.filters import NOTHING, Filter, Id, Not, Refers, Token, both, either

#: More people than this with one INS, or who act for one person: they are not looked at.
MOST = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as who invites them says: INS, first given name, family name, date of birth."""

    ins: str
    given: str
    family: str
    born: str


async def matched(own: Repository, said: Identity, now: datetime) -> str | None:
    """Id of the one Patient who is that; None for nobody, somebody not of age, and one whose space is not in use."""
    page = await own.find({"Patient": with_ins(said.ins)}, count=MOST)
    found = [tree for version in page.versions if _is(tree := parse(version.body), said)]
    able = [one for one in found if is_able(one, now)]
    return str(able[0]["id"]) if len(found) == len(able) == 1 else None


def _is(tree: Mapping[str, Any], said: Identity) -> bool:
    if (said.ins not in [one.get("value") for one in ins_of(tree)]) or tree.get("birthDate") != said.born:
        return False
    return any(
        normalized(str(one.get("family", ""))) == normalized(said.family)
        and normalized(str(next(iter(one.get("given", ())), ""))) == normalized(said.given)
        for one in tree.get("name", ())
    )


def of_age(tree: Mapping[str, Any], now: datetime) -> bool:
    """Whether a Patient is of age; of somebody without a date of birth, not."""
    return is_of_age(tree, int(now.timestamp() * 1_000_000))


def is_dead(tree: Mapping[str, Any]) -> bool:
    """Whether a Patient died, or is no more here."""
    return not tree or "deceasedDateTime" in tree or tree.get("deceasedBoolean") is True


def is_gone(tree: Mapping[str, Any]) -> bool:
    """Whether a Patient is nobody's record any more: who it was died, or has another that it was made one with."""
    return is_dead(tree) or any(link.get("type") == "replaced-by" for link in tree.get("link", ()))


def is_able(tree: Mapping[str, Any], now: datetime) -> bool:
    """Whether a Patient may act for somebody: they live, are of age, and their space is in use."""
    return not is_gone(tree) and tree.get("active") is not False and of_age(tree, now)


async def patients(own: Repository, ids: set[str]) -> dict[str, dict[str, Any]]:
    """Patients by id; who is not there is not in it."""
    page = await own.find({"Patient": Id(tuple(sorted(ids)))}, count=max(len(ids), 1))
    return {version.id: parse(version.body) for version in page.versions}


async def person(own: Repository, reference: str) -> dict[str, Any]:
    """Somebody of the data ("Patient/1", "RelatedPerson/1"); {} for nobody."""
    return tree_of(await own.current(*reference.split("/", 1)))


def acting_for(patient: str) -> Filter:
    """RelatedPersons who act for a patient (id), but for those who were ended."""
    return both(Refers("patient", f"Patient/{patient}"), Not(Token("active", "false")))


def same_person(tree: Mapping[str, Any]) -> Filter:
    """RelatedPersons who are somebody, by an INS."""
    return either([_token(one) for one in ins_of(tree)]) if ins_of(tree) else NOTHING


def _token(identifier: Mapping[str, Any]) -> Filter:
    system = str(identifier["system"])
    return Token("identifier", spelling(str(identifier["value"]), system), system)


def shares(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two resources are one person, by an INS."""
    keys = {(each["system"], each["value"]) for each in ins_of(one)}
    return any((each["system"], each["value"]) in keys for each in ins_of(other))


def acts(tree: Mapping[str, Any], now: datetime) -> bool:
    """Whether a RelatedPerson acts at a moment."""
    return is_acting(tree, int(now.timestamp() * 1_000_000))


def binds(tree: Mapping[str, Any], patient: Mapping[str, Any], now: datetime) -> bool:
    """Whether a RelatedPerson of a Patient means something still: who represented a minor does so until majority."""
    return cares(tree) or not of_age(patient, now)
