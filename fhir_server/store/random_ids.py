"""Ids that nobody can guess, of random bytes that the system is asked for many at a time.

Each asking is a call of the system, during which other threads go first: a lot has four new ids.
"""

from __future__ import annotations

import os
import secrets

#: Bytes of an id, 96 bits, and ids that are drawn together.
_BYTES, _TOGETHER = 12, 256

_drawn: list[str] = []
# A process that begins as a copy of this one would give the same.
os.register_at_fork(after_in_child=_drawn.clear)


def random_id() -> str:
    """24 characters, digits and a to f, that were never given before."""
    try:
        return _drawn.pop()
    except IndexError:
        text = secrets.token_hex(_BYTES * _TOGETHER)
        made = [text[at : at + 2 * _BYTES] for at in range(0, len(text), 2 * _BYTES)]
        _drawn.extend(made[1:])
        return made[0]
