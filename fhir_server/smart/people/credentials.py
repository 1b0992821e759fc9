"""How a person proves who they are to this server itself: password, second factor, first activation, and limits.

OWASP ASVS 2.1 (passwords), 2.2 (limits), 2.4 (argon2id), 2.8 (TOTP, RFC 6238). An unknown login costs and answers the
same as a wrong password. Failures are counted, successes are not, and a lock is no weapon: it is of a login *and* the
address that failed, so that nobody keeps anybody out from elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from fhir_server.smart import lifetimes
from fhir_server.smart.people.accounts import Account, Accounts
from fhir_server.smart.people.attempts import admitted, counted, give_back, given_back, network
from fhir_server.smart.people.hashing import hashed, matches
from fhir_server.smart.people.sessions import Strength
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Drop, Keep, Records

#: Failures within `lifetimes.LOCK` after which a login from an address, and whatever else comes from the address, are
#: refused without being looked at; the second not where the person signed in from there before (`lifetimes.FAMILIAR`).
FAILURES_OF_LOGIN, FAILURES_OF_ADDRESS = 5, 50
#: Wrong codes behind the right password, from anywhere, within `lifetimes.CODES`: whoever goes on has the password and
#: tries all codes. From where the person signed in before, it goes on.
WRONG_CODES = 30
SHORTEST, LONGEST = 12, 128

Refusal = Literal["wrong", "locked"]


class WeakPassword(Exception):
    """A new password is too short or too long."""


class People:
    """Signs people in by name and password, and counts what fails."""

    def __init__(self, records: Records, accounts: Accounts) -> None:
        self._records = records
        self._accounts = accounts

    async def sign_in(
        self,
        login: str,
        password: str,
        code: str,
        source: str,
        begun: Callable[[Account, Strength], Sequence[Keep]] | None = None,
    ) -> tuple[Account, Strength | Literal["activate"]] | Refusal:
        """The account and how strongly it was proven; "activate" when what was given is its provisional code.

        Args:
            login, password: as typed.
            code: of the second factor, "" when none was typed.
            source: network address of the person.
            begun: the changes that are kept when they proved who they are, such as their session.
        """
        pair = digest(f"{login.strip().casefold()}\n{network(source)}")
        # Counted before the password is looked at: simultaneous guesses cannot all pass under the limit.
        tried = await self._counted(pair, source, login)
        if tried is None:
            return "locked"
        counts, id = tried
        familiar = len(counts) == 1
        account = await self._accounts.at(id)
        found = await self._proven(account, password[: LONGEST + 1], code, familiar)
        if found is None or account is None:
            return "wrong"
        # What is right was no failure: it is counted neither for the login nor for the address.
        right: list[Keep | Drop] = [
            Drop("failures", counts[0].key),
            Keep("familiar", pair, b"", lifetimes.FAMILIAR),
            *(begun(account, found) if begun is not None and found != "activate" else ()),
        ]
        if not await self._records.apply([*right, *map(given_back, counts[1:])]):
            # Others tried from there meanwhile.
            await self._records.apply(right)
            await self.did_right(source)
        return account, found

    async def again(
        self, account: Account, password: str, code: str, source: str
    ) -> tuple[Strength | None, Refusal | Literal[""]]:
        """How strongly somebody who is signed in proved once more who they are; None, and why, where they did not.

        Args:
            account: theirs.
            password, code, source: as `sign_in`; a provisional code proves nothing.
        """
        found = await self.sign_in(account.login, password, code, source)
        if isinstance(found, str):
            return None, found
        return (None, "wrong") if found[1] == "activate" else (found[1], "")

    async def _counted(self, pair: str, source: str, login: str) -> tuple[list[Keep], bytes | None] | None:
        """What an attempt was counted as: for the login, and for an address the person is not known to come from.

        With it what the login leads to, for `Accounts.at`. None when there were too many attempts.
        """
        mine, there = f"login:{pair}", f"from:{network(source)}"
        while True:
            asked = [("familiar", pair), ("failures", mine), ("failures", there), self._accounts.place(login)]
            known, of_login, of_address, id = await self._records.get_each(asked)
            changes = [counted("failures", mine, of_login, FAILURES_OF_LOGIN, lifetimes.LOCK)]
            if known is None:
                changes.append(counted("failures", there, of_address, FAILURES_OF_ADDRESS, lifetimes.LOCK))
            allowed = [change for change in changes if change is not None]
            if len(allowed) < len(changes):
                return None
            if await self._records.apply(allowed):
                return allowed, id

    async def may_try(self, source: str) -> bool:
        """Whether an address may try once more to prove something: counted as a failure until `did_right`."""
        key = f"from:{network(source)}"
        return await admitted(self._records, "failures", key, FAILURES_OF_ADDRESS, lifetimes.LOCK)

    async def did_right(self, source: str) -> None:
        """What was tried was right."""
        await give_back(self._records, "failures", f"from:{network(source)}")

    async def admit(self, account: Account, password: str | None) -> tuple[bool, str | None]:
        """Keep a new account, whole or not at all: with `password`, or with a provisional code.

        Returns:
            Whether the login was free, and the code when there is one.

        Raises:
            WeakPassword: as `set_password`; nothing is kept.
            ValueError: as `Accounts.add`; nothing is kept.
        """
        if password is not None:
            return await self._accounts.add(await _protected(account, password)), None
        ready, code = _awaiting(account)
        return await self._accounts.add(ready), code

    async def provisional(self, account: Account) -> str:
        """A new one-time code for the first activation, to be handed to the person by another way."""
        ready, code = _awaiting(account)
        await self._accounts.revise(account, ready)
        return code

    async def reset(self, account: Account, password: str | None, totp: str | None) -> str | None:
        """Take away what the account proves itself with and give it another, as `admit`; gives the code, if any.

        Args:
            account: as it is kept.
            password: its new one; None for a provisional code.
            totp: secret of its second factor from now on; None for none.

        Raises:
            WeakPassword: as `set_password`; nothing is changed.
        """
        bare = replace(account, password=None, provisional=None, provisional_until=0, totp=totp)
        ready, code = (await _protected(bare, password), None) if password is not None else _awaiting(bare)
        await self._accounts.revise(account, ready)
        return code

    async def set_password(self, account: Account, password: str, totp: str | None = None) -> Account:
        """The account with a new password, and a second factor when `totp` (its secret) is given.

        Raises:
            WeakPassword: shorter than `SHORTEST` or longer than `LONGEST` characters.
        """
        changed = await _protected(account, password)
        changed = replace(changed, totp=totp or account.totp)
        return await self._accounts.revise(account, changed)

    async def _proven(
        self, account: Account | None, password: str, code: str, familiar: bool
    ) -> Strength | Literal["activate"] | None:
        right = await matches(account.password if account is not None else None, password)
        if account is None or not account.open:
            return None
        if account.provisional == digest(password) and time.time() < account.provisional_until:
            return "activate"
        if not right or account.password is None:
            return None
        if account.totp is None:
            return "password"
        return "two-factors" if await self.second_factor(account.id, account.totp, code, familiar) else None

    async def second_factor(self, account: str, secret: str, code: str, familiar: bool = False) -> bool:
        """Whether `code` is of now, or of 30 seconds around it, and was not used before; wrong ones are counted.

        Args:
            account: its id.
            secret: base32.
            code: as typed.
            familiar: whether it comes from where the person signed in before: then it is looked at all the same.
        """
        import pyotp

        counted = await admitted(self._records, "failures", f"code:{account}", WRONG_CODES, lifetimes.CODES)
        if not counted and not familiar:
            return False
        right = code.isascii() and code.isdigit() and pyotp.TOTP(secret).verify(code, valid_window=1)
        # RFC 6238 §5.2: a code is accepted once.
        if not (right and await self._records.add("totp", f"{account}:{code}", b"", 120)):
            return False
        if counted:
            await give_back(self._records, "failures", f"code:{account}")
        return True


def _awaiting(account: Account) -> tuple[Account, str]:
    """The account with a new provisional code, and the code."""
    code = made()[:16]
    until = time.time() + lifetimes.PROVISIONAL
    return replace(account, provisional=digest(code), provisional_until=until), code


async def _protected(account: Account, password: str) -> Account:
    if not SHORTEST <= len(password) <= LONGEST:
        raise WeakPassword(f"A password has {SHORTEST} to {LONGEST} characters.")
    return replace(account, password=await hashed(password), provisional=None)
