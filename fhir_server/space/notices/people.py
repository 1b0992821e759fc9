"""Who is told of what happens in somebody's space: its holder, and those who act for them.

Domain file §2.11. Nobody is told of the dead and of closed spaces, no closed account is written to, who acts for a
minor does so until the minor is of age, and what a minor keeps from them is told to nobody but the minor, where they
sign in: their address may be one that a parent reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fhir_server.access.trees import referred
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.space.acting import ended, is_of_age
from fhir_server.space.notices.reach import Reach, is_gone, reach
from fhir_server.space.service import Surroundings


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is told.

    Attributes:
        reference: "Patient/1", "RelatedPerson/1" or "Practitioner/1"; with it their choices and their centre are kept.
        reach: how they are written to; None where they are told in their centre alone.
        acts: whether they are told as somebody who acts for the patient.
    """

    reference: str
    reach: Reach | None
    acts: bool = False


async def told_of(around: Surroundings, patient: str, private: bool, now: datetime) -> list[Person]:
    """Who is told of what happens in the space of a patient (id): the holder first.

    Args:
        around: the opened server.
        patient: id.
        private: whether it is kept from who acts for the patient.
        now: the time it is.
    """
    tree = await referred(around.repository(), f"Patient/{patient}")
    if not tree or is_gone(tree):
        return []
    accounts = Accounts(around.records)
    found = []
    own = await accounts.of_subject(f"Patient/{patient}")
    if own is None or own.open:
        silent = private and not is_of_age(tree, _micros(now))
        found.append(Person(f"Patient/{patient}", None if silent else reach(tree, now)))
    if not private:
        acting = [one for one in await accounts.acting_for(patient) if one.open and not one.professional]
        found += [one for account in acting if (one := await _acting(around, account, patient, now)) is not None]
    return list({one.reference: one for one in reversed(found)}.values())[::-1]


async def professional(around: Surroundings, reference: str, now: datetime) -> Person | None:
    """A professional ("Practitioner/1") who is told; None when there is no such, or they work no more."""
    tree = await referred(around.repository(), reference)
    account = await Accounts(around.records).of_subject(reference)
    if not tree or is_gone(tree) or (account is not None and not account.open):
        return None
    return Person(reference, reach(tree, now))


async def _acting(around: Surroundings, account: Account, patient: str, now: datetime) -> Person | None:
    tree = await referred(around.repository(), account.subject)
    if not tree or is_gone(tree) or account.subject == f"Patient/{patient}":
        return None
    if await ended(around.repository(), account.subject, (patient,), _micros(now)):
        return None
    return Person(account.subject, reach(tree, now), acts=True)


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)
