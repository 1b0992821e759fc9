"""For whom somebody who acts for patients may act no longer.

https://hl7.org/fhir/R4/relatedperson.html. A person is one over several
resources by the identifiers these share: a caregiver is a RelatedPerson for each of those they care for.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fhir_server.access.trees import referred
from fhir_server.changes.cache import ANY, hangs_on
from fhir_server.fhir.dates import ends, interval
from fhir_server.fhir.json import parse
from fhir_server.fhir.nos import CAREGIVER, PARENTS
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Filter, Id, Refers, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository
    from fhir_server.changes.cache import Cache
    from fhir_server.smart.people.accounts import Account

#: Years after which nobody acts for somebody because they are a minor (Code civil, art. 414).
MAJORITY = 18
#: Who is born later comes of age in no year that has a number.
_LAST_YEAR = 9999 - MAJORITY
#: RelatedPersons of one patient: more are not looked at.
_MOST = 200
#: The pace at which time enters a rule, in µs.
MINUTE = 60_000_000


def minute() -> int:
    """When the minute that it is began, in µs since 1970."""
    return int(time.time() * 1_000_000) // MINUTE * MINUTE


async def ended(own: Repository, subject: str, patients: Collection[str], now: int) -> frozenset[str]:
    """The patients for whom the person acts no more: of age and not cared for, or minors whom others look after now.

    For a minor of whom nothing is registered of the person their account says that they act; somebody who is a
    RelatedPerson that was deleted acts for nobody.

    Args:
        own: the server's own sight of the store.
        subject: "Patient/1" or "RelatedPerson/1".
        patients: ids of those the person acts for.
        now: µs since 1970.
    """
    if await _is_deleted(own, subject):
        return frozenset(patients)
    page = await own.find({"Patient": Id(tuple(sorted(patients)))}, count=_MOST)
    adults = {version.id for version in page.versions if is_of_age(parse(version.body), now)}
    registered = await _registered(own, subject, patients)
    acting = {patient: [one for one in trees if is_acting(one, now)] for patient, trees in registered.items()}
    grown = {one for one in adults if not any(map(cares, acting.get(one, ())))}
    return frozenset(grown | {one for one, trees in acting.items() if one not in adults and not trees})


def is_of_age(tree: Mapping[str, Any], now: int) -> bool:
    """Whether a Patient is of age at an instant (µs since 1970); of whom no day of birth is known, not."""
    since = of_age_from(tree)
    return since is not None and int(since.timestamp()) * 1_000_000 <= now


def of_age_from(tree: Mapping[str, Any]) -> datetime | None:
    """When a Patient comes of age: the midnight, in Paris, with which the birthday begins; None where none is known.

    Of a year or month of birth alone it is its last day's.
    """
    born = tree.get("birthDate")
    last = ends(born, PARIS) if isinstance(born, str) else None
    if last is None or last.year > _LAST_YEAR:
        return None
    day = last.date()
    # Born on 29 February: of age on 1 March.
    leap = (day.month, day.day) == (2, 29)
    return datetime(day.year + MAJORITY, 3 if leap else day.month, 1 if leap else day.day, tzinfo=PARIS)


async def still_acting(cache: Cache, own: Repository, account: Account) -> Account:
    """An account with those alone for whom it acts now; `own` is the server's own sight.

    Pages take from it for whom somebody signed in may do anything, so that nothing of a page outlives a majority.
    """
    if not account.wards:
        return account
    subject, wards, now = account.subject, account.wards, minute()

    async def read() -> frozenset[str]:
        hangs_on(("Patient", ANY), ("RelatedPerson", ANY))
        return await ended(own, subject, wards, now)

    gone = await cache.get(("acting", subject, wards, now), read)
    return replace(account, wards=tuple(one for one in wards if one not in gone)) if gone else account


async def _is_deleted(own: Repository, subject: str) -> bool:
    """Whether the person was a RelatedPerson, which is no more; for one that never was an account speaks."""
    type, _, id = subject.partition("/")
    version = await own.current(type, id) if type == "RelatedPerson" and id else None
    return version is not None and version.deleted


async def _registered(own: Repository, subject: str, patients: Collection[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Patient (id) → the RelatedPersons of that patient who are the person, whether they act or not."""
    mine = set(_named(await referred(own, subject)))
    where: Filter = either([Refers("patient", f"Patient/{id}") for id in sorted(patients)])
    found: dict[str, list[Mapping[str, Any]]] = {}
    for version in (await own.find({"RelatedPerson": where}, count=_MOST)).versions:
        tree = parse(version.body)
        if f"RelatedPerson/{version.id}" == subject or mine & set(_named(tree)):
            patient = str(tree.get("patient", {}).get("reference", "")).rpartition("/")[2]
            found.setdefault(patient, []).append(tree)
    return found


async def only_cares(own: Repository, subject: str, patient: str) -> bool:
    """Whether somebody with a space of their own ("Patient/1") is registered for a patient (id), as a caregiver alone.

    Of whom nothing is registered their account says that they act, as parents did before there were RelatedPersons.
    """
    now = minute()
    found = (await _registered(own, subject, (patient,))).get(patient, ())
    known = [tree for tree in found if is_acting(tree, now)]
    return bool(known) and all(map(cares, known))


def cares(tree: Mapping[str, Any]) -> bool:
    """Whether a RelatedPerson cares for somebody, and does not represent them."""
    return CAREGIVER in _roles(tree)


def represents(tree: Mapping[str, Any]) -> bool:
    """Whether a RelatedPerson has parental authority over somebody: a guardian, or a parent and no caregiver."""
    roles = _roles(tree)
    return CAREGIVER not in roles and not PARENTS.isdisjoint(roles)


def _roles(tree: Mapping[str, Any]) -> set[Any]:
    return {coding.get("code") for one in tree.get("relationship", ()) for coding in one.get("coding", ())}


def is_acting(tree: Mapping[str, Any], now: int) -> bool:
    """Whether a RelatedPerson acts at an instant (µs since 1970): it was not ended, and its time is."""
    return tree.get("active") is not False and _holds(tree, now)


def _holds(tree: Mapping[str, Any], now: int) -> bool:
    period = tree.get("period") or {}
    start, end = period.get("start"), period.get("end")
    return (start is None or interval(start, PARIS)[0] <= now) and (end is None or now <= interval(end, PARIS)[1])


def _named(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for one in _identifiers(tree):
        if one.get("system") and one.get("value"):
            yield str(one["system"]), str(one["value"])


def _identifiers(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in tree.get("identifier", ()) if isinstance(one, dict)]
