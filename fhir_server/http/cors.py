"""Which web pages of other origins may call, and what a browser asks beforehand.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Mapping

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_REQUEST_HEADERS = (
    "Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-Modified-Since, If-None-Exist, If-None-Match, "
    "Prefer, X-Request-Id, X-Security-Context"
)
_EXPOSED = "Content-Location, ETag, Last-Modified, Location, Retry-After, X-Request-Id"
_A_DAY = "86400"


class Cors:
    """The origins of the settings; no origin at all unless they name one."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """`origins` as browsers send them (`https://app.example`), or ("*",) for any."""
        self._origins = frozenset(origins)
        self._any = "*" in self._origins

    def headers(self, origin: str | None) -> list[tuple[bytes, bytes]]:
        """Headers for an answer to a page of `origin`; empty when it may not read it."""
        if origin is None or not self._allows(origin):
            return []
        # Tokens travel in Authorization, which the page sets itself: no cookie is ever needed, so `*` is enough.
        allowed = "*" if self._any else origin
        return [
            (b"access-control-allow-origin", allowed.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED.encode()),
            (b"vary", b"Origin"),
        ]

    def preflight(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]] | None:
        """Headers of the answer to a preflight, besides `headers`; None when it is not one from an allowed origin."""
        if "access-control-request-method" not in headers or not self.headers(headers.get("origin")):
            return None
        return [
            (b"access-control-allow-methods", METHODS.encode()),
            (b"access-control-allow-headers", _REQUEST_HEADERS.encode()),
            (b"access-control-max-age", _A_DAY.encode()),
        ]

    def _allows(self, origin: str) -> bool:
        return self._any or origin in self._origins
