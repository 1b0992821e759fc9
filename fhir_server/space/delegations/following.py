"""What accounts hold of whom they act for follows what is registered: `Account.wards` from RelatedPerson."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.space.delegations import people
from fhir_server.space.service import Surroundings

_ATTEMPTS = 20


async def follow(around: Surroundings, patient: str, delegate: str, now: datetime) -> None:
    """Have the accounts of a delegate, and of who acts for a patient (ids; "" for nobody), hold what is so.

    Done again it does no harm, and several at once come to the same: each looks again after it wrote.
    """
    accounts = Accounts(around.records)
    found = await accounts.acting_for(patient) if patient else []
    own = await accounts.of_subject(f"Patient/{delegate}") if delegate else None
    for id in dict.fromkeys(one.login for one in [*found, *([own] if own is not None else [])]):
        await _one(around.repository(), accounts, id, now)


async def _one(own: Repository, accounts: Accounts, login: str, now: datetime) -> None:
    for _ in range(_ATTEMPTS):
        account = await accounts.by_login(login)
        if account is None:
            return
        wards = await _wards(own, account, now)
        if wards == account.wards:
            return
        await accounts.revise(account, replace(account, wards=wards))


async def _wards(own: Repository, account: Account, now: datetime) -> tuple[str, ...]:
    """Whom an account acts for: as is registered; of whom nothing is registered, as it was."""
    who = await people.person(own, account.subject)
    page = await own.find({"RelatedPerson": people.same_person(who)}, count=people.MOST)
    trees = [parse(version.body) for version in page.versions]
    of = [(str(one.get("patient", {}).get("reference", "")).removeprefix("Patient/"), one) for one in trees]
    there = await people.patients(own, {patient for patient, _ in of})
    acting = [(patient, one) for patient, one in of if people.acts(one, now)]
    now_acting = dict.fromkeys(patient for patient, one in acting if people.binds(one, there.get(patient, {}), now))
    known = {patient for patient, _ in of}
    kept = [one for one in account.wards if one in now_acting or one not in known]
    return tuple(dict.fromkeys((*kept, *now_acting)))
