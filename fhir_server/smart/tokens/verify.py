"""From a bearer token to the Grant that everything below is held to.

RFC 6750 §2.1 and §3.1. A verified token is remembered until it expires or until something that it hangs on changes,
anywhere (`changes.cache`): the warm path is a dictionary and a clock, and a suspension, revocation or withdrawal still
cuts within a second on every worker. A refusal never says why in detail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fhir_server.access import scopes
from fhir_server.access.grant import Grant, Held, Purpose
from fhir_server.changes.cache import REMEMBERED_SECONDS, Cache
from fhir_server.fhir.outcome import Unauthorized
from fhir_server.search.asking.query import Place
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.bearer import bearer, scheme
from fhir_server.smart.clients.registered import Client, Clients
from fhir_server.smart.people.accounts import Account, Accounts, acts_for
from fhir_server.smart.people.person import Person
from fhir_server.smart.secret import digest
from fhir_server.smart.tokens.held_scopes import HeldScopes
from fhir_server.smart.tokens.storage import Access, Tokens

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Registered:
    """The search parameters in force, as a `Place` asks for them."""

    registry: Registry


@dataclass(frozen=True, slots=True)
class Judged:
    """Where the constraints of granular scopes are read: a `search.query.Place`."""

    repository: _Registered
    base: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Verified:
    """Whose a token is, and until when that holds, in seconds since 1970."""

    grant: Grant
    until: float

    def seconds(self) -> float:
        return self.until - time.time()


class Verifier:
    """Says who holds a token."""

    def __init__(
        self,
        tokens: Tokens,
        clients: Clients,
        accounts: Accounts,
        cache: Cache,
        settings: Settings,
        registry: Callable[[], Registry],
        held: HeldScopes,
    ) -> None:
        """`registry` gives the search parameters in force; `held` what of their scopes clients hold now."""
        self._tokens = tokens
        self._clients = clients
        self._accounts = accounts
        self._cache = cache
        self._settings = settings
        self._registry = registry
        self._held = held
        self._traced = settings.audit != "off"

    async def authenticate(self, headers: Mapping[str, str], base: str) -> Grant:
        """The caller.

        Args:
            headers: of the request, by lower-case name.
            base: the FHIR base asked, which the token must be for.

        Raises:
            Unauthorized: no token, or not a valid one; with `WWW-Authenticate` (RFC 6750 §3).
        """
        header = headers.get("authorization", "")
        token = bearer(header)
        if token is None:
            # RFC 6750 §3.1: a token that is malformed is said to be; without one there is nothing to say.
            raise _refusal(base, "invalid_token" if scheme(header) == "bearer" else "")
        if self._cache.is_late:
            await self._cache.follow()
        known: _Verified | None = self._cache.known(("token", token, base))
        if known is None:
            known = await self._cache.get(("token", token, base), lambda: self._read(token, base), _Verified.seconds)
        return known.grant

    async def renewed(self, held: Held, base: str) -> Grant | None:
        """What a caller of before may do now; None where their software or their authorization is no more.

        Remembered as a token's is: whoever tells many of one caller's Subscriptions asks for each.

        Args:
            held: as the grant was made.
            base: the FHIR base that the token was for.
        """
        try:
            key = ("renewed", held, base)
            return (await self._cache.get(key, lambda: self._renewed(held, base), _Verified.seconds)).grant
        except Unauthorized:
            return None

    async def _renewed(self, held: Held, base: str) -> _Verified:
        client = None if held.client is None else await self._clients.get(held.client)
        if client is None or client.status != "active":
            raise _refusal(base, "invalid_token")
        person = None
        if held.family is None and held.subject is not None:
            person = Person(held.subject, held.role, held.purpose or "HOPERAT", held.reason)
        access = Access(client.id, held.family, base, held.granted, 0, int(time.time() + REMEMBERED_SECONDS), person)
        return _until(client, *await self._grant(client, access, base))

    def place(self, base: str) -> Place:
        """Where constraints are read for `base`."""
        return Judged(_Registered(self._registry()), base, self._settings)

    async def _read(self, token: str, base: str) -> _Verified:
        access = await self._tokens.access(token) if 0 < len(token) <= 512 else None
        if access is None or access.base != base:
            raise _refusal(base, "invalid_token")
        client = await self._clients.get(access.client)
        if client is None or client.status != "active":
            raise _refusal(base, "invalid_token")
        grant, ends = await self._grant(client, access, base)
        return _until(client, replace(grant, token=digest(token)), ends)

    async def _grant(self, client: Client, access: Access, base: str) -> tuple[Grant, float]:
        """Who the token's holder is, and when it ends, in seconds since 1970."""
        if access.family is None:
            held = await self._held.held(client, scopes.of_levels(access.scope, "system"), None, None)
            person = access.person
            alone = Grant(
                scopes.compiled(held, self.place(base)),
                subject=person.subject if person else None,
                role=person.role if person else None,
                client=access.client,
                purpose=person.purpose if person else "HOPERAT",
                reason=person.reason if person else None,
                traced=self._traced,
                referenced=client.device is not None,
                granted=access.scope,
            )
            return alone, access.expires
        family = await self._tokens.family(access.family)
        account = await self._accounts.get(family.account) if family is not None else None
        if family is None or account is None or not account.open:
            raise _refusal(base, "invalid_token")
        wards = frozenset(account.wards)
        if not acts_for(account, family.patient):
            raise _refusal(base, "invalid_token")
        granted = scopes.of_levels(access.scope, "patient", "user")
        held = await self._held.held(client, granted, account, family.patient)
        grant = Grant(
            scopes=scopes.compiled(held, self.place(base)),
            subject=account.subject,
            role=family.role,
            client=access.client,
            patient=family.patient,
            wards=wards,
            purpose=family.purpose or _purpose(account),
            reason=family.reason,
            traced=self._traced,
            duties=frozenset(account.duties) if account.staff else frozenset(),
            organization=account.organization,
            referenced=client.device is not None,
            family=family.id,
            granted=access.scope,
        )
        return grant, min(access.expires, family.until) if family.until else access.expires


def _until(client: Client, grant: Grant, ends: float) -> _Verified:
    # What a governed client holds may end with a day (of its convention, of a consent), unannounced.
    day = (time.time() // _DAY + 1) * _DAY
    return _Verified(grant, min(ends, day) if client.device else ends)


def _purpose(account: Account) -> Purpose:
    return "TREAT" if account.professional else "HOPERAT" if account.staff else "PATRQT"


def _refusal(base: str, error: str = "") -> Unauthorized:
    said = f'Bearer realm="{Addresses(base).issuer}"' + (f', error="{error}"' if error else "")
    words = "The token is not valid." if error else "A token is required."
    return Unauthorized(words, headers={"WWW-Authenticate": said})
