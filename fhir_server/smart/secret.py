"""Secrets the server hands out: 256 random bits, and only their digest kept.

RFC 6749 §10.10: the probability of guessing one shall be at most 2^-128.
"""

from __future__ import annotations

import hashlib
import secrets


def made() -> str:
    """A new secret: 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of it. A fast hash is enough for 256 random bits; passwords go through argon2id instead."""
    return hashlib.sha256(secret.encode()).hexdigest()
