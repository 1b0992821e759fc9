"""Whether a pharmacy dispensed something to a patient within a year: then they may write to it.

Domain file §2.7. A dispensation is a MedicationDispense that the pharmacy (Organization) or somebody of it performed,
or a document of a pharmacy's facility (TRE_R02, SA33) that is the pharmacy's own.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fhir_server.access.repository import Repository
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.messages.writers import read
from fhir_server.space.record.rows import AUTHOR_ORGANISATION, national_structure
from fhir_server.store.filters import Filter, Linked, Not, Range, Refers, Token, both, either

WITHIN = timedelta(days=365)
_SECTORS = "https://mos.esante.gouv.fr/NOS/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
_PHARMACY = spelling("SA33", _SECTORS)
#: Statuses of a MedicationDispense by which nothing was handed over (R4 medicationdispense-status).
_NOT_DONE = ("cancelled", "declined", "entered-in-error", "preparation", "stopped", "unknown")


async def has_dispensed(own: Repository, patient: str, organization: str, now: datetime) -> bool:
    """Whether a pharmacy ("Organization/1") dispensed to a patient ("Patient/1") within a year before an instant."""
    if not organization.startswith("Organization/"):
        return False
    since = int((now - WITHIN).timestamp() * 1_000_000)
    theirs = [organization, *_identified(await read(own, organization))]
    dispensed = both(Refers("subject", patient), Range("whenhandedover", low_from=since), _by(organization), _DONE)
    documents = both(
        Refers("subject", patient),
        Range("date", low_from=since),
        Token("facility", _PHARMACY),
        either([Token(AUTHOR_ORGANISATION, one) for one in theirs]),
        Token("status", "current"),
    )
    scopes: list[dict[str, Filter]] = [{"MedicationDispense": dispensed}, {"DocumentReference": documents}]
    return any(page.versions for page in await own.find_each(scopes, count=1, want="head"))


_DONE = Not(either([Token("status", one) for one in _NOT_DONE]))


def _by(organization: str) -> Filter:
    role = Linked("performer", "PractitionerRole", Refers("organization", organization))
    return either([Refers("performer", organization), role])


def _identified(tree: dict[str, object]) -> list[str]:
    identifiers = tree.get("identifier")
    found = identifiers if isinstance(identifiers, list) else []
    return [name for name in map(national_structure, found) if name is not None]
