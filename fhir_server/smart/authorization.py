"""The authorization server, put together over the records of one opened store.

https://hl7.org/fhir/smart-app-launch/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.repository import Repository
from fhir_server.audit.access_events import AccessAudit, AccessEvent
from fhir_server.changes.cache import Cache
from fhir_server.changes.follower import Follower
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.authlib_bridge import Bridge, is_long
from fhir_server.smart.authorizing.requests import AuthorizationRequests
from fhir_server.smart.bearer import bearer
from fhir_server.smart.brand import Brands
from fhir_server.smart.clients.governed import GovernedClients
from fhir_server.smart.clients.governing import Governing
from fhir_server.smart.clients.keys import ClientKeys
from fhir_server.smart.clients.origins import Origins
from fhir_server.smart.clients.registered import Clients, RecordedClients
from fhir_server.smart.people.accounts import Accounts
from fhir_server.smart.people.credentials import People
from fhir_server.smart.people.sessions import Sessions
from fhir_server.smart.tokens.held_scopes import HeldScopes
from fhir_server.smart.tokens.identity import IdentityTokens
from fhir_server.smart.tokens.signing_keys import Keys, key_file
from fhir_server.smart.tokens.storage import Family, Tokens
from fhir_server.smart.tokens.verify import Verifier
from fhir_server.store.protocol import Records

if TYPE_CHECKING:
    import httpx

    from fhir_server.smart.authlib_requests import Reply
    from fhir_server.smart.authorizing.consenting import Consenting
    from fhir_server.smart.federation.sign_in import Federation
    from fhir_server.smart.registration import Registration
    from fhir_server.smart.tokens.endpoint import Server


class Authorization:
    """How software and people get in.

    Attributes:
        clients: software that may ask for tokens.
        accounts: of people.
        tokens: what was issued and still holds.
        sessions: of people in their browsers.
        keys: that id_tokens are signed with.
        scopes: what of their scopes clients hold now.
        verifier: says who holds a token.
        bridge: to what judges synchronously.
        people: signs them in.
        requests: authorization requests and launches in progress.
        origins: of registered apps' pages.
        brands: that apps show people of this server.
        audit: of what is decided about access.
    """

    def __init__(
        self,
        settings: Settings,
        records: Records,
        registry: Callable[[], Registry],
        governing: Governing | None = None,
        repository: Callable[[Grant, str], Repository] | None = None,
        within: Callable[[], httpx.AsyncBaseTransport] | None = None,
        cache: Cache | None = None,
        follower: Follower | None = None,
    ) -> None:
        """`registry` gives the search parameters in force.

        `governing` is the service that governs clients; without it those it would govern get nothing. `repository` is
        the store as a grant sees it from a base: without it nothing is audited and nobody signs in through a provider.
        `within` is how this process asks its own simulators. `cache` is what this worker remembers: without one nothing
        is. `follower` says which clients change.
        """
        self.settings = settings
        self.records = records
        self.clients: Clients = GovernedClients(records, governing) if governing else RecordedClients(records)
        self.accounts = Accounts(records)
        cache = cache or Cache()
        self.audit = AccessAudit(repository, settings.audit != "off", records, cache)
        self.tokens = Tokens(records, self._reused, settings.record_emergency_hours * 3600)
        self.sessions = Sessions(records)
        self.keys = Keys(records, key_file(settings.data))
        self.scopes = HeldScopes(governing, self.accounts)
        self.verifier = Verifier(self.tokens, self.clients, self.accounts, cache, settings, registry, self.scopes)
        self.bridge = Bridge()
        self.people = People(records, self.accounts)
        self.requests = AuthorizationRequests(records)
        self.origins = Origins(records, follower)
        self.identity = IdentityTokens(self.keys, self.accounts)
        self.brands = Brands(settings, records)
        self._governing = governing
        self._repository = repository
        self._within = within

    @cached_property
    def federation(self) -> Federation | None:
        """Sign-in through identity providers; None when there are none. Made when the first page asks.

        Raises:
            ValueError: a provider is not configured as it must be.
        """
        from fhir_server.smart.federation.discovery import Discovery
        from fhir_server.smart.federation.sign_in import Federation

        repository = self._repository
        if repository is None or not (self.settings.identity_providers or self.settings.simulators):
            return None
        return Federation(
            self.settings,
            self.records,
            self.accounts,
            self.sessions,
            lambda base: repository(OPEN, base),
            self.verifier.place,
            Discovery(self.settings.loopback_keys, self._within() if self._within else None),
        )

    @property
    def registers(self) -> bool:
        """Whether software may register itself."""
        return self.settings.registration == "on" and self._governing is not None

    @property
    def management(self) -> str | None:
        """Path of the page where people see and end what apps may do; None where no service has one."""
        return self._governing.management if self._governing is not None else None

    @cached_property
    def registration(self) -> Registration | None:
        """Registers drafts; None when that is off. Made when the first one asks."""
        from fhir_server.smart.registration import Registration

        if self._governing is None or not self.registers:
            return None
        drafts, loopback = self._governing.drafts, self.settings.loopback_keys
        return Registration(self.records, drafts, self.tokens, self.audit, loopback)

    @cached_property
    def consenting(self) -> Consenting:
        """Asks people what an app may have. Made when the first page asks."""
        from fhir_server.smart.authorizing.consenting import Consenting

        return Consenting(self.records, self.clients, self._governing)

    @cached_property
    def server(self) -> Server:
        """Authlib's server; imported when it is first needed, since that takes a third of a second."""
        from fhir_server.smart.people.requesting_professional import Acting
        from fhir_server.smart.tokens.endpoint import Server

        repository = self._repository
        sight = (lambda base: repository(OPEN, base)) if repository is not None else None
        return Server(
            self.bridge,
            self.records,
            self.tokens,
            self.clients,
            ClientKeys(self.settings.loopback_keys),
            self.sessions,
            self.identity,
            self.verifier.place,
            self.scopes,
            self.audit,
            Acting(sight, self.verifier.place),
        )

    async def _reused(self, kind: Literal["code", "refresh"], family: Family) -> None:
        account = await self.accounts.get(family.account)
        event = AccessEvent(
            "code-reuse" if kind == "code" else "refresh-reuse",
            subject=account.subject if account else None,
            client=family.client,
            patient=family.patient,
            scopes=family.scope,
            failed=True,
        )
        await self.audit.record(event, family.base)

    async def end_access(self, account: str, apps: bool) -> int:
        """Sign an account out everywhere, such as after a change of password.

        Args:
            account: its id.
            apps: whether apps that keep access while the person is away lose it too.

        Returns:
            How many authorizations of apps ended.
        """
        await self.sessions.end_all(account)
        return await self.tokens.end_where(account=account, bound=not apps)

    async def shut_out(self, account: str) -> None:
        """Let an account in no more, and end what it has: opened again, it begins anew."""
        await self.accounts.close(account)
        await self.end_access(account, apps=True)

    async def authenticate(self, headers: Mapping[str, str], base: str) -> Grant:
        """The caller of the FHIR base: as `Verifier.authenticate`."""
        return await self.verifier.authenticate(headers, base)

    async def token(self, pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], addresses: Addresses) -> Reply:
        """The answer of the token endpoint to a form."""
        return await self._judged("token", pairs, headers, addresses)

    async def introspect(
        self, pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], addresses: Addresses
    ) -> Reply:
        """The answer of the introspection endpoint to a form."""
        return await self._judged("introspection", pairs, headers, addresses)

    async def revoke(self, pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], addresses: Addresses) -> Reply:
        """The answer of the revocation endpoint to a form."""
        return await self._judged("revocation", pairs, headers, addresses)

    async def userinfo(self, header: str, addresses: Addresses) -> dict[str, Any] | None:
        """The claims about the person of a bearer token; None when it lacks the scope openid.

        Raises:
            Unauthorized: as `Verifier.authenticate`.
        """
        await self.verifier.authenticate({"authorization": header}, addresses.base)
        access = await self.tokens.access(bearer(header) or "")
        family = await self.tokens.family(access.family) if access is not None and access.family else None
        if access is None or family is None or "openid" not in access.scope:
            return None
        return await self.identity.claims(family)

    async def _judged(
        self, endpoint: str, pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], addresses: Addresses
    ) -> Reply:
        from fhir_server.smart.endpoints import judge

        given = list(pairs)
        return await self.bridge.run(lambda: judge(self.server, endpoint, given, headers, addresses), is_long(given))
