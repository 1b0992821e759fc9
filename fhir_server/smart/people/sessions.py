"""A person's session in their browser: a random cookie, its digest kept, ended by idleness, by age or by signing out.

OWASP ASVS 3.3 and 3.4; RFC 6265 §4.1.2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from fhir_server.access.grant import Purpose
from fhir_server.fhir.outcome import InsufficientStorage
from fhir_server.smart import lifetimes
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Keep, Records
from fhir_server.store.registry import Registry

#: How strongly the person proved who they are: a password alone, two factors, or an identity provider.
Strength = Literal["password", "two-factors", "provider"]


@dataclass(frozen=True, slots=True)
class Session:
    """One session.

    Attributes:
        account: account id.
        began: when the person proved who they are, seconds since 1970 (`auth_time`).
        seen: last request.
        strength: how they did.
        role: the PractitionerRole they chose to act in.
        regulation: whether the provider said that they work in a medical regulation centre (SAMU, centre 15).
        reason: why they signed in, when the provider was told.
    """

    account: str
    began: float
    seen: float
    strength: Strength = "password"
    role: str | None = None
    regulation: bool = False
    reason: str | None = None

    @property
    def purpose(self) -> Purpose | None:
        """The purpose of use that the session itself gives: a regulation centre's is an emergency."""
        return "ETREAT" if self.regulation else None


class Sessions:
    """Sessions kept in the records."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._sessions = Registry(
            records, "session", Session, {"account": lambda _, session: session.account}, lifetimes.SESSION
        )

    async def begin(self, account: str, strength: Strength, role: str | None = None) -> str:
        """A new session; the cookie's value."""
        cookie = made()
        await self._records.apply(self.kept(cookie, account, strength, role))
        return cookie

    def kept(self, cookie: str, account: str, strength: Strength, role: str | None = None) -> list[Keep]:
        """The changes that begin a session with a new cookie, for who makes others with them."""
        now = time.time()
        return self._sessions.kept(digest(cookie), Session(account, now, now, strength, role), lifetimes.SESSION)

    async def of(self, cookie: str | None) -> Session | None:
        """The session of a cookie, which is thereby seen; None when there is none or it has ended."""
        return await self.read(cookie, await self._records.get_each(self.places(cookie)))

    @staticmethod
    def places(cookie: str | None) -> list[tuple[str, str]]:
        """The records that `read` must be given, for who reads others with them."""
        return [("session", digest(cookie))] if cookie and len(cookie) <= 200 else []

    async def read(self, cookie: str | None, records: Sequence[bytes | None]) -> Session | None:
        """As `of`, given what is at `places`."""
        if not cookie or not records:
            return None
        key, found = digest(cookie), _session(records[0])
        if found is not None and time.time() - found.seen > lifetimes.SESSION_IDLE / 30:
            # Written once a minute at most, not with each page.
            found = replace(found, seen=time.time())
            # Only over what was read: a session that was ended meanwhile is not brought back by having been seen.
            # With a full disk people still read; the session then ends as if they had not been seen.
            with suppress(InsufficientStorage):
                await self._records.swap("session", key, records[0] or b"", msgspec.json.encode(found))
        return found

    async def lives(self, key: str) -> bool:
        """Whether the session with this digest goes on. Refreshing a token is not being there, so it is not seen."""
        return await self._read(key) is not None

    async def choose(self, cookie: str, session: Session, role: str) -> None:
        """Remember the role a professional acts in, while the session goes on."""
        await self._change(digest(cookie), lambda found: replace(found, role=role))

    async def qualify(self, cookie: str, regulation: bool, reason: str | None) -> None:
        """Remember what the provider said of the circumstances of a new session."""
        await self._change(digest(cookie), lambda found: replace(found, regulation=regulation, reason=reason))

    async def end(self, cookie: str) -> None:
        """Sign out: what hangs on the session can no longer be refreshed."""
        await self._sessions.drop(digest(cookie))

    async def of_account(self, account: str) -> list[tuple[str, Session]]:
        """The sessions of an account that go on, with the digest of each, last seen first."""
        going_on = [(key, one) async for key, one in self._sessions.of("account", account) if _holds(one)]
        return sorted(going_on, key=lambda pair: -pair[1].seen)

    async def end_all(self, account: str) -> None:
        """Sign an account out everywhere, such as after a change of password."""
        async for key, _ in self._sessions.of("account", account):
            await self._sessions.drop(key)

    async def _change(self, key: str, change: Callable[[Session], Session]) -> None:
        """Change a session that is there; one that is ended meanwhile stays ended."""
        while (value := await self._records.get("session", key)) is not None:
            found = _session(value)
            if found is None or await self._records.swap("session", key, value, msgspec.json.encode(change(found))):
                return

    async def _read(self, key: str) -> Session | None:
        return _session(await self._records.get("session", key))

    async def _keep(self, key: str, session: Session) -> None:
        left = session.began + lifetimes.SESSION - time.time()
        if left > 0:
            await self._records.put("session", key, msgspec.json.encode(session), left)


def _session(value: bytes | None) -> Session | None:
    found = None if value is None else msgspec.json.decode(value, type=Session)
    return found if found is not None and _holds(found) else None


def _holds(session: Session) -> bool:
    now = time.time()
    return now - session.began <= lifetimes.SESSION and now - session.seen <= lifetimes.SESSION_IDLE
