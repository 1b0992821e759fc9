"""What stands between a network and a server on this machine: pages of other sites reach it through a browser too.

A page that makes its own name stand for 127.0.0.1 (DNS rebinding) is of the same origin as the server, says the
browser; the Host header still tells. A page that posts without asking (`no-cors`) says its own Origin, and cannot say
`application/fhir+json`. RFC 9110 §7.2 and §15.5.20, RFC 6454 §7, https://fetch.spec.whatwg.org/#origin-header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fhir_server.fhir.outcome import FhirError, Forbidden, UnsupportedMediaType
from fhir_server.http.answers import Answer, failure
from fhir_server.http.calls import headers_of
from fhir_server.http.cors import Registered
from fhir_server.http.sockets import as_http, refused
from fhir_server.settings import Settings, is_loopback

_HOST = re.compile(r"(?:([A-Za-z0-9._-]{1,253})|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?")
_UNKEPT = ((b"cache-control", b"no-store"), (b"vary", b"Host, Accept"))
#: Methods that write.
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: Probes call by whatever address they know.
_PROBED = "/health/"


class Misdirected(FhirError):
    """The request is for another server: RFC 9110 §15.5.20."""

    status = 421
    code = "not-found"


class Guard:
    """Refuses what no client of this server sends, before anything is read; passes on everything else."""

    def __init__(self, behind: Any, settings: Settings, registered: Registered | None = None) -> None:
        """`behind`: the ASGI application; `registered`: origins of registered apps, which may call a closed server."""
        self._behind = behind
        self._registered = registered
        base = urlsplit(settings.base_url).hostname or ""
        self._hosts = {name.lower() for name in (base, settings.host, *settings.allowed_hosts) if name}
        self._origins = frozenset(settings.cors_origins)
        # Where anyone may write, or be anyone, the origin of a page counts as much as the name it asks for.
        self._anyone = settings.open or settings.simulators
        self._named = self._anyone or is_loopback(base)
        self._open = settings.open
        # Beside a name that others see, a request by this machine's own comes from a proxy: it is at the right place.
        self._own = urlsplit(settings.base_url.lower()) if is_loopback(base) else None
        # Told to this machine alone, which calls itself by its own names.
        self._told_here = "" if settings.metrics_token.get_secret_value() else "/metrics"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Refuse or redirect what is wrong before anything of it is read; the rest goes on."""
        if scope["type"] == "websocket" and (wrong := await self._wrong(as_http(scope))) is not None:
            await refused(wrong, send)
            return
        if scope["type"] == "http" and (wrong := await self._wrong(scope)) is not None:
            await _refuse(wrong, scope, send)
            return
        if scope["type"] == "http" and (place := self._proper(scope)) is not None:
            await Answer(307, [(b"location", place), (b"content-length", b"0"), *_UNKEPT], b"").send(send, head=True)
            return
        await self._behind(scope, receive, send)

    async def _wrong(self, scope: MutableMapping[str, Any]) -> FhirError | None:
        if scope["path"].startswith(_PROBED) or not (self._named or scope["path"] == self._told_here):
            return None
        headers = headers_of(scope)
        if not self._is_own(headers.get("host", "")):
            return Misdirected(_ELSEWHERE, "http.Host")
        if self._anyone and not await self._may_call(headers, scope["method"]):
            return Forbidden("Pages of this origin may not call this server: FHIR_CORS_ORIGINS lists others.")
        untyped = self._open and scope["method"] in _WRITING and "content-type" not in headers
        if untyped and ("transfer-encoding" in headers or headers.get("content-length", "0") != "0"):
            return UnsupportedMediaType("A body says what it is in Content-Type.", "http.Content-Type")
        return None

    def _proper(self, scope: MutableMapping[str, Any]) -> bytes | None:
        """Where a person who came by another name of this machine finds the same page; None when they are right here.

        Cookies, forms and the pages' own policy are of one origin (RFC 6454), that of FHIR_BASE_URL. Only the same port
        of this machine is sent on: what came through a tunnel or a proxy has no other way in.
        """
        if not self._own or scope["method"] not in ("GET", "HEAD"):
            return None
        headers = headers_of(scope)
        host = headers.get("host", "").lower()
        if host == self._own.netloc or "text/html" not in headers.get("accept", ""):
            return None
        match = _HOST.fullmatch(host)
        port = int(match[3] or 80) if match else 0
        if match is None or not is_loopback(match[1] or match[2]) or port != (self._own.port or 80):
            return None
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        query: bytes = b"?" + scope["query_string"] if scope["query_string"] else b""
        return f"{self._own.scheme}://{self._own.netloc}".encode() + path + query

    async def _may_call(self, headers: Mapping[str, str], method: str) -> bool:
        origin = headers.get("origin")
        if origin is None:
            # A browser that writes says its origin; one that does not say it still says that it is another site's.
            return method not in _WRITING or headers.get("sec-fetch-site") != "cross-site"
        if "*" in self._origins or origin in self._origins:
            return True
        if origin == "null" and headers.get("sec-fetch-site") == "same-origin":
            # A page of ours whose address is in no referrer: its browser hides its origin too, and says this instead.
            return True
        parts = urlsplit(origin)
        if parts.scheme in ("http", "https") and self._is_own(parts.netloc):
            return True
        return self._registered is not None and origin in await self._registered()

    def _is_own(self, host: str) -> bool:
        """Whether a Host, or what follows the scheme of an Origin, names this server; without one it does too."""
        if not host:
            return True
        match = _HOST.fullmatch(host)
        name = (match[1] or match[2]).lower().removesuffix(".") if match else ""
        return bool(name) and (name in self._hosts or is_loopback(name))


_ELSEWHERE = (
    "This server answers to the names of this machine, and to those of FHIR_BASE_URL and FHIR_ALLOWED_HOSTS, not to "
    "the Host that was asked for."
)


async def _refuse(error: FhirError, scope: MutableMapping[str, Any], send: Any) -> None:
    body = failure(error).body
    headers = [
        (b"content-type", b"application/fhir+json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
        # What was sent with it is not going to be read.
        (b"connection", b"close"),
    ]
    await Answer(error.status, headers, body).send(send, scope["method"] == "HEAD")
