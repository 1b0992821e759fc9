"""What delegations keep from tokens: they change by their operations alone, and a caregiver changes no contacts.

Domain file §2.2: a caregiver reads, adds and modifies, and does not change how the person is reached, close the space
or decide on its sharing; of the last two the record's and the account's own operations judge (`choosing.decider`).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant
from fhir_server.access.rules import Asked, Facts, Rule
from fhir_server.fhir.json import parse
from fhir_server.space.acting import is_of_age, minute
from fhir_server.space.delegations.delegation import DELEGATION
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Id, Refers, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository

_MOST = 200


def _of_others(asked: Asked) -> Filter:
    """Professionals read nothing of who cares for whom in Consents: RelatedPerson says what they may know."""
    grant = asked.grant
    is_side = (grant.subject or "").startswith(("Patient/", "RelatedPerson/"))
    return NOTHING if asked.level == "system" or is_side else DELEGATION


def _acts(grant: Grant) -> Hashable | None:
    subject = grant.subject or ""
    if grant.own or not subject.startswith(("Patient/", "RelatedPerson/")):
        return None
    others = (grant.wards | ({grant.patient} if grant.patient else set())) - {subject.removeprefix("Patient/")}
    return (frozenset(others), minute()) if others else None


async def _adults(own: Repository, key: Hashable) -> Hashable:
    assert isinstance(key, tuple)
    patients, now = key
    page = await own.find({"Patient": Id(tuple(sorted(patients)))}, count=_MOST)
    return frozenset(version.id for version in page.versions if is_of_age(parse(version.body), now))


def _contacts(asked: Asked) -> Filter:
    """Who acts for somebody of age is their caregiver."""
    if asked.verb not in "ud" or asked.level == "system":
        return NOTHING
    if not isinstance(asked.facts, frozenset):
        return NOTHING if _acts(asked.grant) is None else EVERYTHING
    return Id(tuple(sorted(asked.facts))) if asked.facts else NOTHING


#: Of age, and acted for by the caller: as their caregiver. `cared_for` gives what a rule is to do with them.
CARED_FOR = Facts(_acts, _adults, frozenset({"Patient"}))


def cared_for(asked: Asked) -> Filter:
    """What says that it is of somebody whom the caller cares for; everything where that is not known."""
    if not isinstance(asked.facts, frozenset):
        return NOTHING if _acts(asked.grant) is None else EVERYTHING
    return either([Refers("patient", f"Patient/{one}") for one in sorted(asked.facts)])


RULES = (
    Rule(
        "delegation-kept",
        "kept by the two people: it changes by $delegation-invite, $delegation-answer and $delegation-end",
        frozenset({"Consent"}),
        withholds=_of_others,
        kept={"Consent": DELEGATION},
    ),
    Rule(
        "caregiver-contacts",
        "of somebody whom the caller cares for, who alone changes how they are reached",
        frozenset({"Patient"}),
        withholds=_contacts,
        facts=CARED_FOR,
    ),
)
