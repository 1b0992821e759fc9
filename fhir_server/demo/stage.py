"""Sets the demonstration up in a store that holds its people: what is missing is added, what is there is left.

Accounts and apps that exist stay as they are, so that a withdrawn consent, a suspended app or a changed password stays
what it is after a restart; only the addresses of the sample app follow where it is served now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.demo.cast import CAST, MODELS, Role, additions
from fhir_server.demo.software import SAMPLES, clients
from fhir_server.fhir.json import parse, serialize
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients.registered import RecordedClients
from fhir_server.smart.people.accounts import Account
from fhir_server.smart.secret import made
from fhir_server.space.catalogue.registry import Catalogue


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demonstration is set up.

    Attributes:
        repository: the server's own sight of the data.
        authorization: its accounts and clients.
        catalogue: its apps.
    """

    repository: Repository
    authorization: Authorization
    catalogue: Catalogue

    async def holds_its_people(self) -> bool:
        """Whether everybody of the cast who comes from the population is there."""
        wanted = (MODELS[0], *(one.subject for one in CAST if "demo-" not in one.subject))
        return all([await self._there(reference) is not None for reference in wanted])

    async def set_up(self, origin: str, jwks: Mapping[str, Any], password: str, anew: bool) -> list[tuple[Role, str]]:
        """Everybody who may sign in, with what they are called.

        Args:
            origin: where the sample app is served.
            jwks: public keys of the establishment's software.
            password: of the accounts.
            anew: whether the password was made just now, and accounts of an earlier one get it.
        """
        await self._add_resources()
        for sample in SAMPLES:
            if await self.catalogue.get(sample.client) is None:
                await self.catalogue.save(sample.app(origin, datetime.now(UTC).date()), expected=0)
        await self._register(origin, jwks)
        return [(role, await self._account(role, password, anew)) for role in CAST]

    async def _add_resources(self) -> None:
        models = {reference: await self._there(reference) or {} for reference in MODELS}
        puts = []
        for tree in additions(models):
            if await self._there(f"{tree['resourceType']}/{tree['id']}") is None:
                puts.append(await self.repository.put(tree["resourceType"], tree["id"], tree, serialize(tree), None))
        if puts:
            await self.repository.transact(puts)

    async def _register(self, origin: str, jwks: Mapping[str, Any]) -> None:
        registered = RecordedClients(self.authorization.records)
        for client in clients(origin, jwks):
            known = await registered.get(client.id)
            if known is None:
                await registered.add(client)
            elif (fresh := replace(client, status=known.status)) != known:
                await registered.replace(fresh)

    async def _account(self, role: Role, password: str, anew: bool) -> str:
        people, accounts = self.authorization.people, self.authorization.accounts
        tree = await self._there(role.subject) or {}
        known = await accounts.by_login(role.login)
        if known is not None:
            if anew and known.subject == role.subject:
                await people.set_password(known, password)
            return known.name
        account = Account(
            made(),
            role.login,
            _name(tree) or role.login,
            role.subject,
            role.wards,
            role.exercises,
            duties=role.duties,
            organization=role.organization,
        )
        await people.admit(account, password)
        return account.name

    async def _there(self, reference: str) -> dict[str, Any] | None:
        version = await self.repository.current(*reference.split("/"))
        return None if version is None or version.deleted else parse(version.body)


def _name(tree: Mapping[str, Any]) -> str:
    names = tree.get("name") or [{}]
    name = next((one for one in names if one.get("use") == "usual"), names[0])
    return " ".join((*name.get("given", ()), name.get("family", ""))).strip()
