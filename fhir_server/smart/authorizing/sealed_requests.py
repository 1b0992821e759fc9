"""A request of nobody yet, carried by the browser instead of kept: anyone may make one, so that none may take room.

What is sealed is what the app itself asked for in an address, under a key of this server; it says nothing new and can
be read, but neither made nor changed. RFC 9700 §4.7 holds by the digest of the browser's cookie inside.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from fhir_server.smart import lifetimes

if TYPE_CHECKING:
    from fhir_server.smart.authorizing.requests import AuthorizationRequest

#: What a sealed request begins with: kept ones begin otherwise.
MARK = "~"
#: The longest one, in characters: it stands in addresses, of which servers and proxies take about eight thousand.
LONGEST = 6_000
_SIGNED = 32


def seal(ask: AuthorizationRequest, key: bytes) -> AuthorizationRequest | None:
    """The request, its id being itself sealed; None when it is too long."""
    body = zlib.compress(msgspec.msgpack.encode(replace(ask, id="")), 9)
    token = MARK + base64.urlsafe_b64encode(_signature(body, key) + body).decode().rstrip("=")
    return replace(ask, id=token) if len(token) <= LONGEST else None


def opened(token: str, key: bytes, kind: type[AuthorizationRequest]) -> AuthorizationRequest | None:
    """The request of a sealed id; None when it is none of ours, or is over."""
    if not token.startswith(MARK) or len(token) > LONGEST or not token.isascii():
        return None
    try:
        sealed = base64.urlsafe_b64decode(token[1:] + "=" * (-(len(token) - 1) % 4))
    except (binascii.Error, ValueError):
        return None
    body = sealed[_SIGNED:]
    # The signature is looked at first: nothing of a stranger's is unpacked.
    if not hmac.compare_digest(sealed[:_SIGNED], _signature(body, key)):
        return None
    found = msgspec.msgpack.decode(zlib.decompress(body), type=kind)
    return replace(found, id=token) if time.time() < found.created + lifetimes.ASK else None


def _signature(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"ask " + body, "sha256")
