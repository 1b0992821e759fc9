"""Accounts of people: who they are in the data, and what they prove themselves with.

OWASP ASVS 2. A professional's subject is a `Practitioner`, a patient's a `Patient`, a representative's or caregiver's
a `RelatedPerson`; `wards` are the patients they may act for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import msgspec

from fhir_server.smart.revision import changed
from fhir_server.smart.secret import digest
from fhir_server.store.protocol import Records

_SUBJECT = re.compile(r"(Patient|Practitioner|RelatedPerson)/[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account.

    Attributes:
        id: random; also the `sub` of id_tokens.
        login: as typed, compared without case.
        name: shown on pages.
        subject: "Practitioner/1", "Patient/1" or "RelatedPerson/1".
        wards: ids of patients the person may act for, besides themself.
        roles: PractitionerRole references ("PractitionerRole/1"); with several the person chooses.
        password: argon2id hash; None until activated.
        provisional: digest of the provisional code of a first activation, until `provisional_until` (s since 1970).
        totp: base32 secret of the second factor; None without one.
        open: whether it may be used.
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

    @property
    def patients(self) -> tuple[str, ...]:
        """Ids of the patients the person may choose: themself first, then their wards; () for a professional."""
        own = (self.subject.removeprefix("Patient/"),) if self.subject.startswith("Patient/") else ()
        return tuple(dict.fromkeys((*own, *self.wards)))

    @property
    def professional(self) -> bool:
        """Whether the person is a professional, who may open any patient they find."""
        return self.subject.startswith("Practitioner/")


class Accounts:
    """Accounts kept in the records."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def get(self, id: str) -> Account | None:
        """The account, closed or not."""
        found = await self._records.get("account", id)
        return None if found is None else msgspec.json.decode(found, type=Account)

    async def by_login(self, login: str) -> Account | None:
        """The account with this login."""
        id = await self._records.get("login", _key(login))
        return None if id is None else await self.get(id.decode())

    async def by_identity(self, issuer: str, subject: str) -> Account | None:
        """The account an identity provider's subject belongs to."""
        id = await self._records.get("identity", digest(f"{issuer}\n{subject}"))
        return None if id is None else await self.get(id.decode())

    async def link(self, issuer: str, subject: str, account: str) -> None:
        """Remember which account an identity provider's subject is."""
        await self._records.put("identity", digest(f"{issuer}\n{subject}"), account.encode())

    async def add(self, account: Account) -> bool:
        """Keep a new account; False when the login is taken.

        Raises:
            ValueError: the subject is not a reference to a person.
        """
        if not _SUBJECT.fullmatch(account.subject):
            raise ValueError("The subject is Patient/id, Practitioner/id or RelatedPerson/id.")
        if not await self._records.add("login", _key(account.login), account.id.encode()):
            return False
        await self._records.put("account", account.id, msgspec.json.encode(account))
        return True

    async def replace(self, account: Account) -> None:
        """Keep what has changed of an account: its tokens follow on every worker within a second."""
        await self._records.put("account", account.id, msgspec.json.encode(account))
        await changed(self._records)

    async def close(self, id: str) -> None:
        """Let an account in no more; its tokens end within a second."""
        if (found := await self.get(id)) is not None:
            await self.replace(replace(found, open=False))


def _key(login: str) -> str:
    return digest(login.strip().casefold())
