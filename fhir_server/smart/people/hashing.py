"""Passwords hashed and compared in threads of their own, so that signing in waits for nothing but signing in.

OWASP password storage: argon2id with 19 MiB, two passes, one lane; some tens of milliseconds each.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from fhir_server.smart.secret import made

if TYPE_CHECKING:
    from argon2 import PasswordHasher

#: What one hash costs: passes, KiB and lanes. Kept in each hash, so that it may be raised and older hashes still match.
COST = (2, 19_456, 1)

_threads = ThreadPoolExecutor(2, "passwords")


async def hashed(password: str) -> str:
    """What is kept of a password."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hash, password)


async def matches(kept: str | None, password: str) -> bool:
    """Whether it is the password of `kept`; without one, it takes as long to say no."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _matches, kept, password)


def _hash(password: str) -> str:
    return _hasher().hash(password)


def _matches(kept: str | None, password: str) -> bool:
    from argon2.exceptions import VerificationError

    try:
        return _hasher().verify(kept or _nobody(), password)
    except VerificationError:
        return False


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(*COST)


@cache
def _nobody() -> str:
    return _hash(made())
