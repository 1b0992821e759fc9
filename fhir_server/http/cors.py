"""Which web pages of other origins may call, and what a browser asks beforehand.

https://fetch.spec.whatwg.org/#http-cors-protocol,
https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support:
what is public is for every page; everything else for pages of the settings and of registered apps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fhir_server.fhir.outcome import FhirError

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    "Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, "
    "Prefer, X-Request-Id, X-Security-Context"
)
_EXPOSED = "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-Id"
_A_DAY = "86400"
#: How each public address ends: discovery, capabilities, the keys that id_tokens are checked with, brands and style.
_PUBLIC = (
    "/metadata",
    "/.well-known/smart-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/auth/jwks",
    "/auth/user-access-brands.json",
    "/smart-style.json",
)

#: Gives the origins of registered apps.
Registered = Callable[[], Awaitable[frozenset[str]]]
Pairs = list[tuple[bytes, bytes]]


class Cors:
    """Who may call from a browser."""

    def __init__(self, origins: tuple[str, ...], registered: Registered | None = None) -> None:
        """`origins` of the settings as browsers send them (`https://app.example`), or ("*",) for any."""
        self._origins = frozenset(origins)
        self._any = "*" in self._origins
        self._registered = registered

    async def headers(self, origin: str | None, path: str) -> Pairs:
        """Headers for an answer from `path` to a page of `origin`; empty when it may not read it."""
        if origin is None:
            return []
        # Tokens travel in Authorization, which the page sets itself: no cookie is ever needed, so `*` is enough.
        public = self._any or path.endswith(_PUBLIC)
        if not public and not await self._allows(origin):
            return []
        return [
            (b"access-control-allow-origin", b"*" if public else origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED.encode()),
            (b"vary", b"Origin"),
        ]

    async def preflight(self, headers: Mapping[str, str], path: str) -> Pairs | None:
        """Headers of the answer to a preflight, besides `headers`; None when it is not one from who may call `path`."""
        if "access-control-request-method" not in headers or not await self.headers(headers.get("origin"), path):
            return None
        return [
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-allow-headers", _REQUEST_HEADERS.encode()),
            (b"access-control-max-age", _A_DAY.encode()),
        ]

    async def _allows(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            return self._registered is not None and origin in await self._registered()
        except FhirError:
            # A store that cannot be asked now is what the answer itself will say.
            return False
