"""Accounts of people: who they are in the data, and what they prove themselves with.

OWASP ASVS 2. A professional's subject is a `Practitioner`, a patient's a `Patient`, a representative's or caregiver's
a `RelatedPerson`; `wards` are the patients they may act for. Staff who review software are a `Person` with duties.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import msgspec

from fhir_server.smart.secret import digest
from fhir_server.store.protocol import Drop, Keep, Records
from fhir_server.store.registry import BUILT, PAGE, Registry

#: What staff who review software do: CSP R1111-38, arrêté of 23 June 2022.
Duty = Literal["publisher", "verifier", "commission", "administrator"]
DUTIES: tuple[Duty, ...] = get_args(Duty)

#: Kind of the records by which accounts are found by whom they act for.
_ACTING = "account by ward"
_SUBJECT = re.compile(r"(Patient|Practitioner|RelatedPerson|Person)/[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account.

    Attributes:
        id: random; also the `sub` of id_tokens.
        login: as typed, compared without case.
        name: shown on pages.
        subject: "Practitioner/1", "Patient/1", "RelatedPerson/1", or "Person/1" for staff who review software.
        wards: ids of patients the person may act for, besides themself.
        roles: PractitionerRole references ("PractitionerRole/1"); with several the person chooses.
        password: argon2id hash; None until activated.
        provisional: digest of the provisional code of a first activation, until `provisional_until` (s since 1970).
        totp: base32 secret of the second factor; None without one.
        open: whether it may be used.
        duties: of staff: each of `DUTIES`.
        organization: the publisher a "publisher" works for: "Organization/1".
    """

    id: str
    login: str
    name: str
    subject: str
    wards: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    password: str | None = None
    provisional: str | None = None
    provisional_until: float = 0
    totp: str | None = None
    open: bool = True
    duties: tuple[Duty, ...] = ()
    organization: str | None = None

    @property
    def patients(self) -> tuple[str, ...]:
        """Ids of the patients the person may choose: themself first, then their wards; () for a professional."""
        own = (self.subject.removeprefix("Patient/"),) if self.subject.startswith("Patient/") else ()
        return tuple(dict.fromkeys((*own, *self.wards)))

    @property
    def professional(self) -> bool:
        """Whether the person is a professional, who may open any patient they find."""
        return self.subject.startswith("Practitioner/")

    @property
    def staff(self) -> bool:
        """Whether the person works on reviewing software, and sees nobody's health data."""
        return self.subject.startswith("Person/")

    def acting_as(self, chosen: str | None) -> str | None:
        """The exercise they act in: the one `chosen` in a session, or the only one they have."""
        return chosen or (self.roles[0] if len(self.roles) == 1 else None)


def acts_for(account: Account, patient: str | None) -> bool:
    """Whether the account may still act for the patient in context (id): a delegation ends."""
    return patient is None or account.professional or patient in account.patients


class Accounts:
    """Accounts kept in the records."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._accounts = Registry(records, "account", Account)
        self._acting_is_found = False

    async def get(self, id: str) -> Account | None:
        """The account, closed or not."""
        return await self._accounts.get(id)

    async def by_login(self, login: str) -> Account | None:
        """The account with this login."""
        return await self.at(await self._records.get(*self.place(login)))

    @staticmethod
    def place(login: str) -> tuple[str, str]:
        """The record that `at` must be given, for who reads others with it."""
        return "login", _key(login)

    async def at(self, id: bytes | None) -> Account | None:
        """As `by_login`, given what is at `place`."""
        return None if id is None else await self._anew(id.decode())

    async def by_identity(self, issuer: str, subject: str) -> Account | None:
        """The account an identity provider's subject belongs to."""
        id = await self._records.get("identity", digest(f"{issuer}\n{subject}"))
        return None if id is None else await self._anew(id.decode())

    async def link(self, issuer: str, subject: str, account: str) -> None:
        """Remember which account an identity provider's subject is."""
        await self._records.put("identity", digest(f"{issuer}\n{subject}"), account.encode())

    async def of_subject(self, subject: str) -> Account | None:
        """The account of somebody of the data, such as "Practitioner/1"; the first that was made, of several."""
        id = await self._records.get("account-of", subject)
        return None if id is None else await self.get(id.decode())

    async def acting_for(self, patient: str) -> list[Account]:
        """The accounts of those who act for a patient (id), closed ones too; of a delegation that ended, not."""
        await self._find_acting()
        found: list[Account] = []
        after = ""
        while True:
            rows = await self._records.list_by("account", _ACTING, f"{patient}\n", after, PAGE)
            found += [account for _, value in rows if patient in (account := self._accounts.read(value)).wards]
            if len(rows) < PAGE:
                return found
            after = rows[-1][0]

    async def _find_acting(self) -> None:
        """Write the rows of accounts that an earlier server kept, once; done again it does no harm."""
        if self._acting_is_found or await self._records.get(BUILT, _ACTING) is not None:
            self._acting_is_found = True
            return
        async for _, account in self._accounts.everything():
            await self._records.apply(_acting(account))
        await self._records.put(BUILT, _ACTING, b"")

    async def bind(self, issuer: str, subject: str, account: str) -> bool:
        """As `link`, unless another identity of the same issuer has the account: then False."""
        identity = digest(f"{issuer}\n{subject}").encode()
        key = f"{account}\n{issuer}"
        first = await self._records.add("identity-of", key, identity)
        if not first and await self._records.get("identity-of", key) != identity:
            return False
        await self.link(issuer, subject, account)
        return True

    async def add(self, account: Account) -> bool:
        """Keep a new account; False when the login is taken.

        Raises:
            ValueError: the subject is not a reference to a person, or a publisher has no organization.
        """
        if not _SUBJECT.fullmatch(account.subject):
            raise ValueError("The subject is Patient/id, Practitioner/id, RelatedPerson/id or Person/id.")
        if "publisher" in account.duties and account.organization is None:
            raise ValueError("A publisher works for an organization.")
        # The login is what makes it an account, and comes last: cut short before it, nothing can be signed in with.
        await self._records.apply([Keep("account", account.id, msgspec.json.encode(account)), *_acting(account)])
        if not await self._claim(account):
            await self._records.take("account", account.id)
            return False
        await self._records.add("account-of", account.subject, account.id.encode())
        return True

    async def _claim(self, account: Account) -> bool:
        """Whether the login is the account's now: it was free, or led to an account that is not there."""
        key, own = _key(account.login), account.id.encode()
        if await self._records.add("login", key, own):
            return True
        holder = await self._records.get("login", key)
        if holder is None or await self._records.get("account", holder.decode()) is not None:
            return False
        return await self._records.swap("login", key, holder, own)

    async def list(self) -> list[Account]:
        """Every account that can be named by its login, closed ones too, by login."""
        found = [account async for _, account in self._accounts.everything()]
        holders = await self._records.get_each([("login", _key(one.login)) for one in found])
        named = [one for one, id in zip(found, holders, strict=True) if id == one.id.encode()]
        return sorted(named, key=lambda one: one.login.casefold())

    async def _anew(self, id: str) -> Account | None:
        """As `get`, of the store and not of what a worker remembers: whoever signs in has what holds now."""
        [found] = await self._records.get_each([("account", id)])
        return None if found is None else msgspec.json.decode(found, type=Account)

    async def revise(self, before: Account, after: Account) -> Account:
        """Keep what differs between `before`, as it was read, and `after`, of the account as it is by now.

        What others change meanwhile stays theirs: whoever changes a password while the account is closed, or while a
        delegation ends, undoes neither.

        Returns:
            The account as it is kept; `after` when it is gone.
        """
        changes = {name: value for name, value in _fields(after) if value != getattr(before, name)}
        while (value := (await self._records.get_each([("account", after.id)]))[0]) is not None:
            found = replace(msgspec.json.decode(value, type=Account), **changes)
            if "wards" in changes:
                # Before the account itself: a row too many leads to an account that does not act, and does no harm.
                await self._records.apply(_acting(found))
            if await self._records.swap("account", after.id, value, msgspec.json.encode(found)):
                return found
        return after

    async def close(self, id: str) -> None:
        """Let an account in no more; its tokens end within a second."""
        if (found := await self.get(id)) is not None:
            await self.revise(replace(found, open=True), replace(found, open=False))

    async def reopen(self, id: str) -> None:
        """Let a closed account in again, with what it proves itself with unchanged."""
        if (found := await self.get(id)) is not None:
            await self.revise(replace(found, open=False), replace(found, open=True))


def _acting(account: Account) -> list[Keep | Drop]:
    """The rows by which an account is found by those it acts for; never taken back, since its wards are looked at."""
    return [Keep(_ACTING, f"{ward}\n{account.id}", b"") for ward in account.wards]


def _fields(account: Account) -> list[tuple[str, Any]]:
    return [(field.name, getattr(account, field.name)) for field in fields(account)]


def _key(login: str) -> str:
    return digest(login.strip().casefold())
