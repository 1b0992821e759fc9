"""Which web pages of other origins may call, and what a browser asks beforehand.

https://fetch.spec.whatwg.org/#http-cors-protocol,
https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support:
what is public is for every page; everything else for pages of the settings and of registered apps. Those that are
listed by their origin may send whatever headers they like, and ask with credentials (`@medplum/core` always does), but
only where no cookie is looked at: what a browser adds by itself then says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from fhir_server.fhir.outcome import FhirError

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    "Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, "
    "Prefer, X-Request-Id, X-Security-Context"
)
_EXPOSED = (
    "Accept-Patch, Allow, Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-Id"
)
_A_DAY = "86400"
#: Header names as a browser lists them; longer lists are no client's.
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: *, *[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_LONGEST = 2_000
#: What the answer to a preflight depends on.
_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
#: Where only a token, or what a client proves by itself, counts. Pages of the server, whose session is a cookie, are
#: elsewhere: another origin's page must not read them as whoever is signed in.
_WITHOUT_COOKIES = re.compile(
    r"/fhir(?:/.*)?|/\.well-known/.*|/auth/(?:token|introspect|revoke|userinfo|jwks|register(?:/.*)?)"
    r"|/auth/user-access-brands\.json|/smart-style\.json",
    re.DOTALL,
)
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

    def __init__(self, origins: tuple[str, ...], registered: Registered | None = None, own: str = "") -> None:
        """`origins` of the settings as browsers send them (`https://app.example`), or ("*",) for any.

        `own` is the server's, whose pages ask nothing of this; "" when it is not known.
        """
        self._own = own
        self._origins = frozenset(origins)
        self._any = "*" in self._origins
        self._registered = registered

    async def headers(self, origin: str | None, path: str) -> Pairs:
        """Headers for an answer from `path` to a page of `origin`; empty when it may not read it."""
        if origin is None or origin == self._own:
            return []
        listed = await self._allows(origin)
        if not listed and not self._any and not path.endswith(_PUBLIC):
            return []
        found = [
            (b"access-control-allow-origin", origin.encode("latin-1") if listed else b"*"),
            (b"access-control-expose-headers", _EXPOSED.encode()),
        ]
        # Fetch, "CORS protocol and credentials": never beside `*`. A page without an origin of its own is nobody known.
        if listed and origin != "null" and _WITHOUT_COOKIES.fullmatch(path):
            found.append((b"access-control-allow-credentials", b"true"))
        return found

    async def preflight(self, headers: Mapping[str, str], path: str) -> Pairs | None:
        """Headers of the answer to a preflight, besides `headers`; None when it is not one from who may call `path`."""
        origin = headers.get("origin")
        if "access-control-request-method" not in headers or not await self.headers(origin, path):
            return None
        found = [
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-allow-headers", _asked(headers.get("access-control-request-headers", "")).encode()),
            (b"access-control-max-age", _A_DAY.encode()),
            (b"vary", _VARY),
        ]
        # https://wicg.github.io/private-network-access/: a page of the web that calls this machine or its network.
        if headers.get("access-control-request-private-network") == "true" and origin and await self._allows(origin):
            found.append((b"access-control-allow-private-network", b"true"))
        return found

    async def admits(self, origin: str) -> bool:
        """Whether a page of `origin` may open a websocket, for which browsers ask nothing beforehand."""
        return origin == self._own or self._any or await self._allows(origin)

    async def _allows(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            return self._registered is not None and origin in await self._registered()
        except FhirError:
            # A store that cannot be asked now is what the answer itself will say.
            return False


def _asked(names: str) -> str:
    """The headers that the page wants to send, since each library has its own; those of FHIR when it is no list."""
    return names if len(names) <= _LONGEST and _NAMES.fullmatch(names) else _REQUEST_HEADERS
