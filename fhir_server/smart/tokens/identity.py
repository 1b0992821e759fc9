"""Who signed in, told to an app that asked: the id_token and the userinfo answer.

OpenID Connect Core §2 and §5.3, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fhir_server.smart import lifetimes
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.smart.tokens.signing_keys import Keys
from fhir_server.smart.tokens.storage import Family

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey


class IdentityTokens:
    """Makes the claims of id_tokens and of userinfo answers, and gives the key for the former."""

    def __init__(self, keys: Keys, accounts: Accounts) -> None:
        self._keys = keys
        self._accounts = accounts

    async def key(self) -> RSAKey:
        """What id_tokens are signed with now, by `signing_keys.signed`."""
        return await self._keys.signing()

    async def about(self, family: Family, addresses: Addresses, nonce: str | None) -> dict[str, Any]:
        """The claims of an id_token for the family's client."""
        now = int(time.time())
        claims = {
            "iss": addresses.issuer,
            "aud": family.client,
            "iat": now,
            "exp": now + lifetimes.ACCESS,
            "auth_time": family.auth_time,
            **await self.claims(family),
        }
        return {**claims, "nonce": nonce} if nonce else claims

    async def account(self, id: str) -> Account | None:
        """The account of that id."""
        return await self._accounts.get(id)

    async def claims(self, family: Family) -> dict[str, Any]:
        """What the granted scopes let the app know of the person; `sub` always."""
        account = await self._accounts.get(family.account)
        claims: dict[str, Any] = {"sub": family.account}
        if account is not None and "fhirUser" in family.scope:
            claims["fhirUser"] = f"{family.base}/{account.subject}"
        if account is not None and "profile" in family.scope:
            claims["name"] = account.name
            claims["profile"] = f"{family.base}/{account.subject}"
        return claims
