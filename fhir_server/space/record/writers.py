"""Who writes, as the record's rules of writing tell callers apart: who they are, and by which names they sign.

A caller may be several things of one document: its patient, and its author.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.access.write_rules import people
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.space.acting import cares
from fhir_server.space.record import rows
from fhir_server.space.record.sharing.words import dicts
from fhir_server.store.filters import Word

#: An administrator's software and the server itself are held to nothing here; "app" is a referenced app by itself.
Kind = Literal["administrator", "patient", "representative", "caregiver", "professional", "app"]
#: What somebody is of one document.
Part = Literal["author", "colleague"] | Kind


@dataclass(frozen=True, slots=True)
class Caller:
    """Who writes.

    Attributes:
        kind: what they are.
        names: by which a document may name them as its author, as the index has authors.
        software: through which a person of the patient's side writes: what names nobody else is theirs.
        organisations: for which they act, likewise.
    """

    kind: Kind
    names: frozenset[str] = frozenset()
    software: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()

    @property
    def is_held(self) -> bool:
        """Whether the record's rules of writing are for them."""
        return self.kind != "administrator"

    def parts(self, tree: Mapping[str, Any], base: str) -> frozenset[Part]:
        """What they are of a document."""
        found: set[Part] = {self.kind}
        authors, organisations = written_by(tree, base)
        # Many use one software: by it nobody is the author of what another wrote.
        if self.names & authors or (authors and authors <= self.software | self.names):
            found.add("author")
        if self.kind == "professional" and self.organisations & organisations:
            found.add("colleague")
        return frozenset(found)


ADMINISTRATOR = Caller("administrator")


def written_by(tree: Mapping[str, Any], base: str) -> tuple[frozenset[str], frozenset[str]]:
    """Who wrote a document, and for which organisations, as the index names them."""
    words = [row for row in rows.documents(dict(tree), base) if isinstance(row, Word)]
    authors = frozenset(word.value for word in words if word.param == rows.AUTHOR)
    return authors, frozenset(word.value for word in words if word.param == rows.AUTHOR_ORGANISATION)


def author_types(tree: Mapping[str, Any], base: str) -> Iterator[str]:
    """What each author of a document is said to be, a type of resource; "" where it is not said."""
    contained = {str(one.get("id")): str(one.get("resourceType")) for one in dicts(tree.get("contained"))}
    for author in dicts(tree.get("author")):
        said = author.get("reference")
        named = parse_reference(said, base) if isinstance(said, str) else None
        if named is not None and named.contained:
            yield contained.get(named.fragment, "")
        else:
            yield (named.type if named is not None else None) or str(author.get("type") or "")


async def caller_of(repository: Repository, patient: str | None, named: bool = True) -> Caller:
    """Who writes a document of a patient ("Patient/1").

    Args:
        repository: of the caller.
        patient: whose document it is; None where it does not say.
        named: whether it matters by which names a professional signs: they are looked up.
    """
    if not people(repository.grant):
        return ADMINISTRATOR
    key = ("record-caller", repository.grant, patient, named)
    return await repository.together().once(key, lambda: _caller_of(repository, patient, named))


async def _caller_of(repository: Repository, patient: str | None, named: bool) -> Caller:
    grant = repository.grant
    software = frozenset({f"Device/{grant.client}"} if grant.client else ())
    subject = grant.subject or ""
    if subject.startswith(("Practitioner/", "PractitionerRole/")):
        return await _professional(repository.as_server(), grant) if named else Caller("professional")
    if subject.startswith("Organization/"):
        # Software of an establishment, for nobody of it by name: never somebody of the patient's side.
        return Caller("professional", organisations=await _of_organisation(repository.as_server(), subject))
    if not subject:
        return Caller("app", software)
    if subject == patient:
        return Caller("patient", frozenset({subject}), software)
    kind: Kind = "representative"
    if subject.startswith("RelatedPerson/") and cares(await referred(repository.as_server(), subject)):
        kind = "caregiver"
    return Caller(kind, frozenset({subject}), software)


async def _professional(own: Repository, grant: Grant) -> Caller:
    names: set[str] = set()
    organisations: set[str] = set()
    for said in {grant.subject or "", grant.role or ""} - {""}:
        names.add(said)
        tree = await referred(own, said)
        names |= _national(tree)
        organisations |= {*_references(tree, "organization")}
        for practitioner in _references(tree, "practitioner"):
            names |= {practitioner, *_national(await referred(own, practitioner))}
    for one in tuple(organisations):
        found = dicts((await referred(own, one)).get("identifier"))
        organisations |= {name for name in map(rows.national_structure, found) if name is not None}
    return Caller("professional", frozenset(names), organisations=frozenset(organisations))


async def _of_organisation(own: Repository, reference: str) -> frozenset[str]:
    identified = map(rows.national_structure, dicts((await referred(own, reference)).get("identifier")))
    return frozenset({reference, *(name for name in identified if name is not None)})


def _national(tree: Mapping[str, Any]) -> set[str]:
    return {name for name in map(rows.national, dicts(tree.get("identifier"))) if name is not None}


def _references(tree: Mapping[str, Any], name: str) -> list[str]:
    said = tree.get(name)
    text = said.get("reference") if isinstance(said, dict) else None
    named = parse_reference(text) if isinstance(text, str) else None
    return [named.target] if named is not None and named.local else []
