"""Whether a pharmacy dispensed something to a patient within a year: then they may write to it.

Domain file §2.7. A dispensation is a MedicationDispense that the pharmacy (Organization) or somebody of it performed,
or a document of a pharmacy's facility (TRE_R02, SA33) that is the pharmacy's own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.fhir.json import parse
from fhir_server.fhir.nos import FACILITY
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.messages.model import local
from fhir_server.space.record.rows import AUTHOR_ORGANISATION, FINESS, ID_NAT_STRUCT, national_structure
from fhir_server.space.record.writers import written_by
from fhir_server.store.filters import Filter, Linked, Not, Range, Refers, Token, both, either

WITHIN = timedelta(days=365)
_PHARMACY = spelling("SA33", FACILITY)
#: Statuses of a MedicationDispense by which nothing was handed over (R4 medicationdispense-status).
_NOT_DONE = ("cancelled", "declined", "entered-in-error", "preparation", "stopped", "unknown")


async def has_dispensed(own: Repository, patient: str, organization: str, now: datetime) -> bool:
    """Whether a pharmacy ("Organization/1") dispensed to a patient ("Patient/1") within a year before an instant."""
    if not organization.startswith("Organization/"):
        return False
    theirs = [organization, *_identified(await referred(own, organization))]
    dispensed, documents = _of(patient, now)
    by_them = either([Token(AUTHOR_ORGANISATION, one) for one in theirs])
    scopes: list[dict[str, Filter]] = [
        {"MedicationDispense": both(dispensed, _by(organization))},
        {"DocumentReference": both(documents, by_them)},
    ]
    return any(page.versions for page in await own.find_each(scopes, count=1, want="head"))


async def dispensers(own: Repository, patient: str, now: datetime, most: int) -> list[str]:
    """Organisations by which a patient was dispensed something within a year: of as many dispensations as `most` twice.

    They come into question alone: `has_dispensed` judges each.
    """
    dispensed, documents = _of(patient, now)
    scopes: list[dict[str, Filter]] = [{"MedicationDispense": dispensed}, {"DocumentReference": documents}]
    found: dict[str, None] = {}
    handed, filed = await own.find_each(scopes, count=most)
    for version in handed.versions:
        for performer in parse(version.body).get("performer", ()):
            actor = local(performer.get("actor"), own.base)
            role = await referred(own, actor) if actor.startswith("PractitionerRole/") else {}
            found[local(role.get("organization"), own.base) or actor] = None
    for version in filed.versions:
        for name in sorted(written_by(parse(version.body), own.base)[1]):
            found |= dict.fromkeys(await _named(own, name))
    return [one for one in found if one.startswith("Organization/")]


async def _named(own: Repository, name: str) -> list[str]:
    """The organisations of the directory that a document calls so: a reference, or a national identifier."""
    if name.startswith("Organization/"):
        return [name]
    spelled = either([Token("identifier", name, ID_NAT_STRUCT), Token("identifier", name[1:], FINESS)])
    page = await own.find({"Organization": spelled}, count=2, want="head")
    return [f"Organization/{one.id}" for one in page.versions]


def _of(patient: str, now: datetime) -> tuple[Filter, Filter]:
    """What was dispensed to a patient within a year, and what pharmacies filed of it."""
    since = int((now - WITHIN).timestamp() * 1_000_000)
    dispensed = both(Refers("subject", patient), Range("whenhandedover", low_from=since), _DONE)
    whose = both(Refers("subject", patient), Range("date", low_from=since))
    return dispensed, both(whose, Token("facility", _PHARMACY), Token("status", "current"))


_DONE = Not(either([Token("status", one) for one in _NOT_DONE]))


def _by(organization: str) -> Filter:
    role = Linked("performer", "PractitionerRole", Refers("organization", organization))
    return either([Refers("performer", organization), role])


def _identified(tree: dict[str, object]) -> list[str]:
    identifiers = tree.get("identifier")
    found = identifiers if isinstance(identifiers, list) else []
    return [name for name in map(national_structure, found) if name is not None]
