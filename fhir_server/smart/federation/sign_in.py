"""A person signs in with an identity provider: from the proof to the one account of who they are in the data.

The account is made, or linked, at the first sign-in. An account that another identity of the same provider already has
is never given to a second one, and an identity never leads to another person's account. Whatever is wrong, the person
reads the same words: neither who is known here nor why somebody is not can be learned from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fhir_server.access.repository import Repository
from fhir_server.search.asking.query import Place
from fhir_server.settings import Settings
from fhir_server.smart import lifetimes
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.federation.discovery import Discovery
from fhir_server.smart.federation.providers import Provider, configured, simulated_secret
from fhir_server.smart.federation.relying_party import Proof, RelyingParty
from fhir_server.smart.fetch import Refused, Unreachable
from fhir_server.smart.people import matching
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.smart.people.sessions import Sessions
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Records


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of an errand.

    Attributes:
        ask: id of the app's request that goes on, "" without one.
        after: path of the page to go on to without one.
        account: who signed in; None for nobody.
        cookie: of their new session; "" for nobody.
        down: whether it is because the provider did not answer, which says nothing of the person.
        why: for traces, why nobody; never shown to the person.
    """

    ask: str = ""
    after: str = "/"
    account: Account | None = None
    cookie: str = ""
    why: str = ""
    down: bool = False


class Federation:
    """Signs people in with the providers of the settings."""

    def __init__(
        self,
        settings: Settings,
        records: Records,
        accounts: Accounts,
        sessions: Sessions,
        repository: Callable[[str], Repository],
        place: Callable[[str], Place],
        discovery: Discovery,
    ) -> None:
        """`repository` is the server's own sight of a base's data, and `place` where conditions on it are read."""
        self._records = records
        self._accounts = accounts
        self._sessions = sessions
        self._repository = repository
        self._place = place
        self._party = RelyingParty(records, discovery)
        self.providers = configured(settings, simulated_secret())

    def provider(self, id: str) -> Provider | None:
        """The provider of that id."""
        return next((one for one in self.providers if one.id == id), None)

    async def begin(self, provider: Provider, browser: str, ask: str, after: str, addresses: Addresses) -> str | None:
        """The address to send the browser to; None when the provider cannot be reached."""
        try:
            return await self._party.begin(provider, browser, ask, after, addresses)
        except Refused:
            return None

    async def finish(
        self, provider: Provider, pairs: Sequence[tuple[str, str]], browser: str, addresses: Addresses
    ) -> Arrival:
        """Who came back, with a session."""
        errand = await self._party.errand(pairs, provider.id, browser)
        if errand is None:
            return Arrival(why="The answer belongs to no errand of this browser.")
        try:
            proof = await self._party.finish(provider, errand, pairs, addresses)
        except Refused as error:
            return Arrival(errand.ask, errand.after, why=str(error), down=isinstance(error, Unreachable))
        match = await self._matched(proof, addresses)
        account = await self._account(proof, match)
        if account is None:
            return Arrival(errand.ask, errand.after, why="The identity is of no one account here.")
        cookie = await self._sessions.begin(account.id, "provider")
        if match is not None and (match.regulation or match.reason):
            await self._sessions.qualify(cookie, match.regulation, match.reason)
        key, left = digest(cookie), lifetimes.SESSION
        await self._records.put("provider-session", key, f"{provider.id}\n{proof.id_token}".encode(), left)
        return Arrival(errand.ask, errand.after, account, cookie)

    async def leaving(self, cookie: str, addresses: Addresses) -> tuple[str, str] | None:
        """The provider's name and the address where it signs the person out too; None for a session without one."""
        value = await self._records.take("provider-session", digest(cookie))
        id, _, token = (value or b"").decode().partition("\n")
        provider = self.provider(id)
        if provider is None:
            return None
        location = await self._party.leaving(provider, token, addresses)
        return None if location is None else (provider.name, location)

    async def _matched(self, proof: Proof, addresses: Addresses) -> matching.Match | None:
        judge = {"psc": matching.professional, "franceconnect": matching.citizen}.get(proof.provider.kind)
        if judge is None:
            return None
        return await judge(proof.claims, self._repository(addresses.base), self._place(addresses.base))

    async def _account(self, proof: Proof, match: matching.Match | None) -> Account | None:
        """The open account of an identity, as the data has it today."""
        linked = await self._accounts.by_identity(proof.issuer, proof.subject)
        if match is None:
            # OpenID Connect alone says nothing that could be matched: such an account was linked beforehand.
            fit = linked is not None and linked.open and proof.provider.kind == "oidc"
            return linked if fit else None
        if linked is None:
            linked = await self._accounts.of_subject(match.subject) or await self._made(match)
            if not await self._accounts.bind(proof.issuer, proof.subject, linked.id):
                return None
        if not linked.open or linked.subject != match.subject:
            return None
        return await self._current(linked, match)

    async def _made(self, match: matching.Match) -> Account:
        account = Account(made(), f"~{made()}", match.name, match.subject, match.wards, match.roles)
        await self._accounts.add(account)
        # Of two first sign-ins at once, both go on with the account that was first.
        return await self._accounts.of_subject(match.subject) or account

    async def _current(self, account: Account, match: matching.Match) -> Account:
        """The account with the roles and wards of today; wards that were given here, with a password, stay."""
        kept = account.wards if account.password else ()
        wards = tuple(dict.fromkeys((*kept, *match.wards)))
        fresh = replace(account, wards=wards, roles=match.roles or (account.roles if account.password else ()))
        if fresh != account:
            return await self._accounts.revise(account, fresh)
        return fresh
