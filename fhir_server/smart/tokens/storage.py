"""Codes, access and refresh tokens as they are kept: under the digest of what the client holds, taken, never reread.

RFC 6749 §4.1.2 and §10.5, RFC 9700 §4.14.2. A *family* is one authorization and everything it gave: it ends when a
code or a refresh token comes back a second time, since then two parties hold it. A refresh token may come twice at
once, from two tabs of one app: within `lifetimes.GRACE` both are given the same successor.
"""

from __future__ import annotations

import base64
import hmac
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from fhir_server.access.grant import Purpose
from fhir_server.smart import lifetimes
from fhir_server.smart.people.person import Person
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Keep, Records
from fhir_server.store.registry import Registry


@dataclass(frozen=True, slots=True)
class Family:
    """One authorization by a person.

    Attributes:
        id: random; not shown to anyone.
        client: client id.
        account: id of the account that authorized.
        base: the FHIR base it is for (audience).
        scope: everything granted, each scope once.
        patient: id of the patient in context.
        role: PractitionerRole the person acts in.
        purpose: of use; `reason` why, in words.
        session: digest of the session it hangs on; None when it outlives the session (`offline_access`).
        auth_time: when the person signed in, seconds since 1970.
        context: further parameters of the token answer: encounter, fhirContext, intent, need_patient_banner…
        until: of an emergency, when it is over and all that it gave with it, in seconds since 1970; 0 without an end.
    """

    id: str
    client: str
    account: str
    base: str
    scope: tuple[str, ...]
    patient: str | None = None
    role: str | None = None
    purpose: Purpose | None = None
    reason: str | None = None
    session: str | None = None
    auth_time: int = 0
    context: dict[str, Any] = field(default_factory=dict)
    until: int = 0

    @property
    def is_over(self) -> bool:
        """Whether its emergency is."""
        return 0 < self.until <= time.time()


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: what it was asked with."""

    family: str
    client: str
    redirect_uri: str
    challenge: str
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """A code that somebody presents, its authorization, and the change that uses it up where it was not used before."""

    code: Code
    family: Family
    used: Keep


#: Of a code that was used.
_USED = b""


@dataclass(frozen=True, slots=True)
class Access:
    """An access token.

    Attributes:
        client: client id.
        family: the authorization behind it; None for software alone.
        base: audience.
        scope: what it allows, which may be less than the family's.
        issued, expires: seconds since 1970.
        person: of software alone, the professional it says it asks for.
    """

    client: str
    family: str | None
    base: str
    scope: tuple[str, ...]
    issued: int
    expires: int
    person: Person | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token that is still to be used; `expires` in seconds since 1970."""

    client: str
    family: str
    expires: int


@dataclass(frozen=True, slots=True)
class Used:
    """A refresh token that was used; `until` (seconds since 1970) it gives its successor again, 0 the first time."""

    token: Refresh
    until: float


#: Keeps what a decision made, with the decision itself; False where it was made already, and nothing is kept.
Decided = Callable[[Sequence[Keep]], Awaitable[bool]]
#: What is told of a code or refresh token that came a second time, and the authorization that ended for it.
Reused = Callable[[Literal["code", "refresh"], Family], Awaitable[None]]


class Tokens:
    """Everything that was issued and still holds."""

    def __init__(
        self, records: Records, reused: Reused | None = None, emergency_seconds: float = lifetimes.EMERGENCY
    ) -> None:
        """`reused` is told of every second use of what may be used once; an emergency lasts `emergency_seconds`."""
        self._emergency_seconds = emergency_seconds
        self._records = records
        self._families = Registry(
            records,
            "family",
            Family,
            {
                "account": lambda _, family: family.account,
                "client": lambda _, family: family.client,
                "patient": lambda _, family: family.patient,
            },
            lifetimes.FAMILY,
        )
        self._told = reused
        self._key: bytes | None = None

    async def begin(
        self, family: Family, redirect_uri: str, challenge: str, nonce: str | None, by: Decided
    ) -> str | None:
        """Keep an authorization, where `by` keeps it with the decision that it comes of; its code, or None."""
        code = made()
        key = digest(code)
        kept = Code(family.id, family.client, redirect_uri, challenge, nonce)
        lasts: float = lifetimes.FAMILY
        if family.purpose in ("BTG", "ETREAT"):
            # Not longer than what it is for: CSP L1111-17.
            lasts = self._emergency_seconds
            family = replace(family, until=int(time.time() + lasts))
        changes = [
            *self._families.kept(family.id, family, lasts, new=True),
            # What the code belonged to outlives it, so that a second redemption is known for what it is.
            Keep("code-family", key, family.id.encode(), lifetimes.FAMILY),
            Keep("code", key, msgspec.json.encode(kept), lifetimes.CODE),
        ]
        return code if await by(changes) else None

    async def presented(self, code: str, client: str) -> Presented | None:
        """The code, not used yet, to the client it was made for; it counts for nothing until it is used.

        A second time ends the authorization. It is read before the code is used: whoever uses it then has it,
        although a second redeemer at the same moment ends it.
        """
        key = digest(code)
        seen, id = await self._records.get_each([("code", key), ("code-family", key)])
        family = None if id is None else await self.family(id.decode())
        kept = msgspec.json.decode(seen, type=Code) if seen else None
        if kept is not None and kept.client != client:
            return None
        if kept is not None and family is not None and seen:
            return Presented(kept, family, Keep("code", key, _USED, old=seen))
        if id is not None:
            await self._reused("code", id.decode(), client)
        return None

    async def use(self, code: Presented, also: Sequence[Keep] = ()) -> bool:
        """Use a code up and keep `also`: one commit; False, and nothing is kept, where another redeemer was first.

        The authorization has then ended.
        """
        if await self._records.apply([code.used, *also]):
            return True
        await self._reused("code", code.family.id, code.code.client)
        return False

    async def family_of(self, secret: str) -> Family | None:
        """The authorization behind a refresh token; to be read before the token is taken, as for `take_code`."""
        id = await self._records.get("refresh-family", digest(secret))
        return None if id is None else await self.family(id.decode())

    async def take_refresh(self, token: str, client: str) -> Used | None:
        """The refresh token's data, to the client it was made for.

        Once; and again, as what it was, within `lifetimes.GRACE` and until its successor is used. Later, or from
        another client, the family ends.
        """
        key = digest(token)
        seen = await self._records.get("refresh", key)
        if seen is not None:
            kept = msgspec.json.decode(seen, type=Refresh)
            if kept.client != client:
                return None
            # Before it is taken: whoever comes second finds it alive, or just used, and never neither.
            mark = msgspec.json.encode(Used(kept, time.time() + lifetimes.GRACE))
            await self._records.add("refresh-used", key, mark, lifetimes.GRACE)
            if await self._records.take("refresh", key) is not None:
                return Used(kept, 0)
        used = await self._records.get("refresh-used", key)
        again = None if used is None else msgspec.json.decode(used, type=Used)
        near = again is not None and again.until > time.time() and again.token.client == client
        if near and not await self._is_over(await self.successor(token)):
            return again
        if (family := await self._records.get("refresh-family", key)) is not None:
            await self._reused("refresh", family.decode(), None)
        return None

    async def _is_over(self, token: str) -> bool:
        """Whether a refresh token was given and is there no more: whoever has it went on with it."""
        key = digest(token)
        given = await self._records.get("refresh-family", key) is not None
        return given and await self._records.get("refresh", key) is None

    async def _reused(self, kind: Literal["code", "refresh"], family: str, client: str | None) -> None:
        found = await self.family(family)
        if found is None or client not in (None, found.client):
            return
        # Of many who come at once, one ends it, and one AuditEvent says so.
        if await self._families.drop(family) is not None and self._told is not None:
            await self._told(kind, found)

    async def family(self, id: str) -> Family | None:
        """The authorization; None when it has ended."""
        found = await self._families.get(id)
        return None if found is None or found.is_over else found

    async def lasting(self, account: str) -> bool:
        """Whether some app has access for an account while the person is away."""
        async for _, family in self._families.of("account", account):
            if family.session is None:
                return True
        return False

    async def end(self, family: str) -> None:
        """End an authorization and everything it gave, on every worker within a second."""
        await self._families.drop(family)

    async def end_where(
        self, client: str | None = None, account: str | None = None, patient: str | None = None, bound: bool = False
    ) -> int:
        """End every authorization of a client, of an account, on a patient (id), or of all that is given at once.

        Args:
            client, account, patient: None for any; one of them is given.
            bound: only those that hang on a session of the person.

        Returns:
            How many there were.
        """
        wanted = {"account": account, "patient": patient, "client": client}
        given = {name: value for name, value in wanted.items() if value is not None}
        ended = 0
        # By what the fewest share.
        async for id, found in self._families.of(*next(iter(given.items()))):
            if all(getattr(found, name) == value for name, value in given.items()):
                bears = found.session is not None or not bound
                ended += bears and await self._families.drop(id) is not None
        return ended

    async def issue(
        self, client: str, base: str, scope: tuple[str, ...], family: str | None, person: Person | None = None
    ) -> str:
        """A new access token; `person` is the professional that software alone asks for."""
        token, kept = _access(client, base, scope, family, person)
        await self._records.apply([kept])
        return token

    async def redeem(self, code: Presented, base: str, scope: tuple[str, ...], seconds: int) -> tuple[str, str] | None:
        """An access token for a code, and where `seconds` are some a refresh token of use for so many, else "".

        One commit with the use of the code; None where it was used meanwhile.
        """
        client, family = code.code.client, code.family.id
        access, kept = _access(client, base, scope, family)
        refresh, more = await self._refresh(client, family, seconds, "") if seconds else ("", [])
        return (access, refresh) if await self.use(code, [kept, *more]) else None

    async def successor(self, token: str) -> str:
        """The refresh token that comes after `token`: always the same, and known to nobody without the server's key.

        So it need not be kept to be given again, and whoever stole `token` gets no line of descent of their own.
        """
        if self._key is None:
            await self._records.add("key", "refresh", os.urandom(32))
            self._key = await self._records.get("key", "refresh")
        found = hmac.digest(self._key or b"", token.encode(), "sha256")
        return base64.urlsafe_b64encode(found).rstrip(b"=").decode()

    async def _refresh(self, client: str, family: str, seconds: int, after: str) -> tuple[str, list[Keep]]:
        token = await self.successor(after) if after else made()
        key = digest(token)
        kept = Refresh(client, family, int(time.time()) + seconds)
        return token, [
            Keep("refresh", key, msgspec.json.encode(kept), seconds),
            Keep("refresh-family", key, family.encode(), lifetimes.FAMILY),
        ]

    async def issue_both(
        self, client: str, base: str, scope: tuple[str, ...], family: str, seconds: int, after: str = ""
    ) -> tuple[str, str]:
        """A new access token and a new refresh token of use for `seconds`, kept together; `after` another of these."""
        access, kept = _access(client, base, scope, family)
        refresh, more = await self._refresh(client, family, seconds, after)
        await self._records.apply([kept, *more])
        return access, refresh

    async def access(self, token: str) -> Access | None:
        """The access token's data; None when it has expired, was revoked or its authorization has ended."""
        return await self._access(digest(token))

    async def lasts(self, key: str) -> float:
        """Until when the access token of that digest holds, in seconds since 1970; 0 when it does not."""
        kept = await self._access(key)
        family = await self.family(kept.family) if kept is not None and kept.family is not None else None
        if kept is None:
            return 0.0
        return float(min(kept.expires, family.until) if family is not None and family.until else kept.expires)

    async def _access(self, key: str) -> Access | None:
        found = await self._records.get("access", key)
        kept = None if found is None else msgspec.json.decode(found, type=Access)
        if kept is None or kept.expires <= time.time():
            return None
        return kept if kept.family is None or await self.family(kept.family) is not None else None

    async def refresh(self, token: str) -> Refresh | None:
        """The refresh token's data, without using it."""
        found = await self._records.get("refresh", digest(token))
        kept = None if found is None else msgspec.json.decode(found, type=Refresh)
        return kept if kept is not None and await self.family(kept.family) is not None else None

    async def revoke_access(self, token: str) -> None:
        """End one access token, on every worker within a second."""
        await self._records.take("access", digest(token))


def _access(
    client: str, base: str, scope: tuple[str, ...], family: str | None, person: Person | None = None
) -> tuple[str, Keep]:
    now = int(time.time())
    token = made()
    kept = Access(client, family, base, scope, now, now + lifetimes.ACCESS, person)
    return token, Keep("access", digest(token), msgspec.json.encode(kept), lifetimes.ACCESS)
