"""What Authlib asks of a request and of a client, answered from ours; and the answer it gives back.

RFC 6749 §3: a parameter sent twice, or sent empty, is refused or left out before the library sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from fhir_server.access import scopes
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.clients.registered import METHODS, Client

#: More parameters than any request of these protocols has, and longer than any value.
MOST, LONGEST = 64, 20_000
#: Addresses of this machine on any port, which a native app is given as it starts: RFC 8252 §7.3.
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[1-9][0-9]{0,4})?(/[!-~]*|\?[!-~]*|)")


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: `body` is an object to be written as JSON, or nothing."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Asked(OAuth2Request):  # type: ignore[misc]
    """One request to an OAuth endpoint.

    Attributes:
        addresses: where it was asked.
        granted: what the judges pass on to each other, by name.
    """

    def __init__(
        self, method: str, pairs: Iterable[tuple[str, str]], headers: Mapping[str, str], addresses: Addresses
    ) -> None:
        """`headers` by lower-case name.

        Raises:
            InvalidRequestError: a parameter is sent twice, or there are too many or too long ones.
        """
        # The library's own check of the scheme would look at how the proxy calls us, not at how the client called it.
        super().__init__(method, "https://server.example/", headers={k.title(): v for k, v in headers.items()})
        given = [(name, value) for name, value in pairs if value]
        if len({name for name, _ in given}) != len(given):
            raise InvalidRequestError("A parameter was sent twice.")
        if len(given) > MOST or any(len(value) > LONGEST for _, value in given):
            raise InvalidRequestError("The request is too long.")
        self.payload = BasicOAuth2Payload(dict(given))
        self.addresses = addresses
        self.granted: dict[str, Any] = {}

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the request, each sent once and none empty."""
        found: dict[str, str] = self.payload.data
        return found

    @property
    def args(self) -> dict[str, str]:
        """The same parameters: wherever they stood, they are read once."""
        return self.form


class Caller(ClientMixin):  # type: ignore[misc]
    """A client as Authlib asks about it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def get_client_id(self) -> str:
        """The id that it was registered under."""
        return self.client.id

    def get_default_redirect_uri(self) -> None:
        """None: SMART requires `redirect_uri` in every request."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What of `scope` the client may have; None when that is nothing.

        Access that goes on is a refresh token: whoever may not use one is not told that it goes on.
        """
        allowed = self.client.scopes
        if not self.check_grant_type("refresh_token"):
            allowed = tuple(one for one in allowed if one not in scopes.REFRESHED)
        return " ".join(scopes.meet(scopes.split(scope), allowed)) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """RFC 9700 §2.1: compared as strings; but for the port of a native app on its own machine."""
        uris = self.client.redirect_uris
        if redirect_uri in uris or self.client.kind != "public":
            return redirect_uri in uris
        own = _LOOPBACK.fullmatch(redirect_uri)
        registered = [match for uri in uris if (match := _LOOPBACK.fullmatch(uri)) is not None]
        return own is not None and any((one[1], one[2]) == (own[1], own[2]) for one in registered)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether that is its secret, in a time that does not tell how much of it is right."""
        return self.client.has_secret(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """One way for each kind of client, at every endpoint."""
        return METHODS[self.client.kind] == method

    def check_response_type(self, response_type: str) -> bool:
        """`code` for those that may use it."""
        return response_type == "code" and "authorization_code" in self.client.grants

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may use the grant."""
        return grant_type in self.client.grants
