"""What software may say of where it is answered and of its keys: one judgement, whichever way it says it.

Registration (RFC 7591), the command line and the filing of an app for the catalogue all ask here. RFC 6749 §3.1.2,
RFC 9700 §2.1, RFC 8252 §7.3 (loopback), RFC 7517,
https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys.
"""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

#: Signature algorithm → key type it needs. SMART asks for both; every other algorithm is refused, `none` and HS* first.
ALGORITHMS = {"RS384": "RSA", "ES384": "EC"}
#: Bits of the shortest RSA key that is used: RFC 7518 §3.3.
SHORTEST_RSA = 2048
#: Most keys of a set, and redirect URIs of one client.
MOST_KEYS, MOST_REDIRECTS = 10, 20

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_URI = re.compile(r"[!-~]{1,2000}")
#: Members of a private key: RFC 7518 §6.2.2, §6.3.2 and §6.4.
_PRIVATE = frozenset("d p q dp dq qi oth k".split())


def returns(uri: str) -> bool:
    """Whether a browser may be sent to `uri` with a code: https anywhere, http on the person's own machine."""
    parts = absolute(uri)
    if parts is None or parts.fragment or "#" in uri or parts.username is not None or "*" in uri or "\\" in uri:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def absolute(uri: str) -> SplitResult | None:
    """The parts of an absolute address with a host; None when it is none."""
    if not _URI.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def is_key_set(jwks: Any) -> bool:
    """Whether it is a JWK Set of public keys that assertions can be checked with, each with its own `kid`."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 0 < len(keys) <= MOST_KEYS or not all(map(_public_key, keys)):
        return False
    return len({key["kid"] for key in keys}) == len(keys)


def _public_key(key: Any) -> bool:
    if not isinstance(key, dict) or _PRIVATE & key.keys() or key.get("use", "sig") != "sig":
        return False
    kid, alg = key.get("kid"), key.get("alg")
    if (
        not isinstance(kid, str)
        or not 0 < len(kid) <= 200
        or (alg is not None and ALGORITHMS.get(alg) != key.get("kty"))
    ):
        return False
    if key.get("kty") == "EC":
        return key.get("crv") == "P-384" and _length(key.get("x")) == _length(key.get("y")) == 48
    return key.get("kty") == "RSA" and SHORTEST_RSA // 8 <= _length(key.get("n")) <= 1024 and _length(key.get("e")) > 0


def _length(value: Any) -> int:
    """How many bytes a base64url value has; 0 when it is none."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_\-]+", value):
        return 0
    return len(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))) if len(value) % 4 != 1 else 0
