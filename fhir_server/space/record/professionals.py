"""Who a professional is to the record: the names by which documents say that they wrote them, and their professions.

The directory says it (Practitioner, PractitionerRole), never the token alone: https://interop.esante.gouv.fr/ig/fhir/annuaire.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.dates import interval
from fhir_server.fhir.json import parse
from fhir_server.space.paris import PARIS
from fhir_server.space.record.rows import national, national_structure
from fhir_server.store.filters import Refers
from fhir_server.store.protocol import Version

#: (system, code) of a profession.
Profession = tuple[str, str]
#: More exercises than anybody has.
_ROLES = 100


@dataclass(frozen=True, slots=True)
class Professional:
    """A professional, in the role they act in.

    Attributes:
        practitioner: "Practitioner/1"; "" where the role names nobody.
        role: "PractitionerRole/2" that they act in; "" where none is said.
        authors: as whom they wrote: values of the index row `_author`.
        organisations: for whom they act in that role: values of `_authorOrg`.
        professions: one set for each role they may be acting in: what it says they are. Without a role of which that is
            known, one set, of what they are qualified as.
        ended: whether the directory says that they, or that role, are no longer active: nobody acts so.
    """

    practitioner: str
    role: str
    authors: frozenset[str]
    organisations: frozenset[str]
    professions: tuple[frozenset[Profession], ...]
    ended: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The references by which care teams name them."""
        return tuple(one for one in (self.practitioner, self.role) if one)


async def read(own: Repository, subject: str, role: str | None) -> Professional:
    """The professional of a token: `subject` and `role` are references; `own` is the server's own sight.

    Whom the directory does not have is known by these alone, and is of no profession.
    """
    acting = role or (subject if subject.startswith("PractitionerRole/") else "")
    person = subject
    if subject.startswith("PractitionerRole/"):
        person = _referred(tree_of(await _current(own, subject)), "practitioner")
    with own.together():
        await own.ahead([_key(one) for one in (person, acting) if one])
        holder, held = await _current(own, person), await _current(own, acting)
        roles = await own.find({"PractitionerRole": Refers("practitioner", person)}, count=_ROLES)
    trees = {f"PractitionerRole/{one.id}": parse(one.body) for one in roles.versions}
    if held is not None and not held.deleted:
        trees.setdefault(acting, parse(held.body))
    said, mine = tree_of(holder), trees.get(acting, {})
    here = [mine] if acting else [tree for tree in trees.values() if tree.get("active") is not False]
    return Professional(
        practitioner=person,
        role=acting,
        authors=frozenset(_authors(person, said, trees)),
        organisations=frozenset(await _organisations(own, mine)),
        professions=tuple(_professions(here, said)),
        ended=_is_over(holder, said) or bool(acting and (_is_over(held, mine) or _is_anothers(mine, person))),
    )


def _authors(person: str, said: Mapping[str, Any], roles: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from (one for one in (person, *roles) if one)
    for tree in (said, *roles.values()):
        for identifier in tree.get("identifier", ()):
            found = national(identifier)
            if found is not None:
                yield found


async def _organisations(own: Repository, role: Mapping[str, Any]) -> Iterator[str]:
    reference = _referred(role, "organization")
    tree = tree_of(await _current(own, reference)) if reference else {}
    identified = (national_structure(one) for one in tree.get("identifier", ()))
    return (one for one in (reference, *identified) if one)


def _professions(roles: Sequence[Mapping[str, Any]], said: Mapping[str, Any]) -> Iterator[frozenset[Profession]]:
    qualified = frozenset(_coded([one.get("code", {}) for one in said.get("qualification", ())]))
    found = [frozenset(_coded(role.get("code", ()))) for role in roles]
    yield from [one or qualified for one in found] or [qualified]


def _coded(concepts: Any) -> Iterator[Profession]:
    for concept in concepts:
        for coding in concept.get("coding", ()):
            yield str(coding.get("system", "")), str(coding.get("code", ""))


def _is_over(version: Version | None, tree: Mapping[str, Any]) -> bool:
    if version is not None and (version.deleted or tree.get("active") is False):
        return True
    end = tree.get("period", {}).get("end")
    return isinstance(end, str) and interval(end, PARIS)[1] < time.time() * 1_000_000


def _is_anothers(role: Mapping[str, Any], person: str) -> bool:
    """Whether a role is held by somebody else than who acts in it."""
    return bool(role) and _referred(role, "practitioner") not in ("", person)


def _referred(tree: Mapping[str, Any], name: str) -> str:
    found = tree.get(name)
    reference = str(found.get("reference", "")) if isinstance(found, dict) else ""
    return reference if reference.count("/") == 1 else ""


async def _current(own: Repository, reference: str) -> Version | None:
    return await own.current(*_key(reference)) if reference.count("/") == 1 else None


def _key(reference: str) -> tuple[str, str]:
    type, _, id = reference.partition("/")
    return type, id
