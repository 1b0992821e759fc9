"""Sends a request of a script to the server under test and gives what was sent and what came back.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from urllib.parse import urlsplit

import httpx

from fhir_server.conformance.requests import Request
from fhir_server.conformance.sources import Source, Unusable, of_message

#: The largest answer that is read, in bytes, and how long an exchange may take, in seconds.
LARGEST, PATIENCE = 50_000_000, 60.0


class Client:
    """Speaks to one server. To be used as an async context."""

    def __init__(
        self, base: str, headers: Mapping[str, str] | None = None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """A client of the server at `base`.

        Args:
            base: the FHIR base.
            headers: sent with every request to that server and to no other, such as `Authorization`.
            transport: in place of the network.
        """
        self.base = base.rstrip("/")
        self._origin = urlsplit(self.base)[:2]
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._http = httpx.AsyncClient(transport=transport, timeout=PATIENCE, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, request: Request) -> tuple[Source, Source]:
        """The request as it was sent, and the response.

        Raises:
            Unusable: it could not be sent, nothing came back, or too much did.
        """
        own = urlsplit(request.url)[:2] == self._origin
        headers = {k: v for k, v in {**(self._headers if own else {}), **request.headers}.items() if v}
        try:
            made = self._http.build_request(
                request.method.upper(), request.url, headers=headers, content=request.body or None
            )
            if not request.encoded:
                made.extensions["target"] = _target(request.url)
            answer = await self._http.send(made, stream=True)
            try:
                body = await _read(answer)
            finally:
                await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise Unusable(f"{request.method.upper()} {request.url}: {error or type(error).__name__}") from None
        sent = of_message(request.body, dict(made.headers), method=request.method, url=request.url)
        received = of_message(body, dict(answer.headers), status=answer.status_code, url=request.url)
        return sent, received


async def _read(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > LARGEST:
            raise Unusable(f"The response is larger than {LARGEST:,} bytes.")
        parts.append(part)
    return b"".join(parts)


def _target(url: str) -> bytes:
    """The path and query of a URL as they stand."""
    return ("/" + url.split("://", 1)[-1].partition("/")[2]).encode()
