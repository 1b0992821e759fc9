"""What a client's scopes give now: all of them for software certified outside, what a service says for one it governs.

RFC 6749 §3.3: what was granted may be narrowed afterwards; a token gives what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access.scopes import SPECIAL
from fhir_server.smart.clients.governing import Governing
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.people.accounts import Account, Accounts, acts_for
from fhir_server.smart.tokens.storage import Family


class HeldScopes:
    """Judges tokens of one opened store."""

    def __init__(self, governing: Governing | None, accounts: Accounts) -> None:
        """Without a service that governs them, clients with a device hold nothing."""
        self._governing = governing
        self._accounts = accounts

    async def held(
        self, client: Client, scope: Sequence[str], account: Account | None, patient: str | None
    ) -> tuple[str, ...]:
        """The scopes that give something now, of those granted before or asked for.

        Args:
            client: the software.
            scope: granted before, or asked for.
            account: the person; None for software alone.
            patient: id of the patient in context.
        """
        if client.device is None:
            return tuple(scope)
        return () if self._governing is None else await self._governing.held(client, scope, account, patient)

    async def admits(self, client: Client, account: Account, patient: str | None, scope: Sequence[str]) -> bool:
        """Whether the person may open the client for `scope`, on the patient (id)."""
        if client.device is None or self._governing is None:
            return True
        return await self._governing.admits(client, account, patient, scope)

    async def of_family(self, client: Client, family: Family, scope: Sequence[str]) -> tuple[str, ...]:
        """As `held`, for a person's authorization.

        () when their account is closed, they act for the patient no more, or nothing about data is left.
        """
        account = await self._accounts.get(family.account)
        if account is None or not account.open or not acts_for(account, family.patient):
            return ()
        if client.device is None:
            return tuple(scope)
        found = await self.held(client, scope, account, family.patient)
        asked = any(one not in SPECIAL for one in scope)
        return found if not asked or any(one not in SPECIAL for one in found) else ()
