"""The `Authorization` header: one scheme, spaces, and what it carries. Anything else is not a token.

RFC 9110 §11.4 and §11.6.2: `auth-scheme [ 1*SP token68 ]`, the scheme in either case; RFC 6750 §2.1: `Bearer` with a
b64token. A header that came twice is joined by a comma, which no token has.
"""

from __future__ import annotations

import re

#: RFC 6750 §2.1 (b64token), which is RFC 9110's token68.
_TOKEN68 = re.compile(r"([A-Za-z]+) +([A-Za-z0-9\-._~+/]+=*)")
_SCHEME = re.compile(r"([A-Za-z]+)(?: .*)?", re.S)


def scheme(header: str) -> str:
    """The scheme in lower case; "" when there is none."""
    found = _SCHEME.fullmatch(header)
    return found[1].lower() if found else ""


def credentials(header: str, of: str) -> str | None:
    """What the header carries under the scheme `of` (in lower case); None for another scheme or a malformed header."""
    found = _TOKEN68.fullmatch(header)
    return found[2] if found and found[1].lower() == of else None


def bearer(header: str) -> str | None:
    """The bearer token; None without one."""
    return credentials(header, "bearer")
