"""The endpoints that software calls, as one function from a form to an answer.

RFC 6749 §5.2: what is wrong with a request is an `error` of the protocol, whatever it is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from fhir_server.smart.addresses import Addresses
from fhir_server.smart.authlib_requests import Asked, Reply
from fhir_server.smart.bearer import credentials, scheme
from fhir_server.smart.tokens.endpoint import Server


def judge(
    server: Server,
    endpoint: str,
    pairs: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    addresses: Addresses,
) -> Reply:
    """The answer of "token", "introspection" or "revocation"; only inside `Bridge.run`."""
    try:
        request = Asked("POST", pairs, headers, addresses)
        _prove_once(request)
        if endpoint == "token" and "grant_type" not in request.form:
            raise InvalidRequestError("The grant_type is missing.")
    except OAuth2Error as error:
        return server.handle_error_response(Asked("POST", (), {}, addresses), error)
    if endpoint == "token":
        return server.answer(lambda: server.create_token_response(request), request)
    return server.answer(lambda: server.create_endpoint_response(endpoint, request), request)


def _prove_once(request: Asked) -> None:
    """RFC 6749 §2.3: a client proves who it is in one way.

    Raises:
        InvalidRequestError: it tries several.
        InvalidClientError: what it sends is not Basic's.
    """
    header = request.headers.get("Authorization", "")
    basic = scheme(header) == "basic"
    if basic:
        try:
            base64.b64decode(credentials(header, "basic") or "-", validate=True).decode()
        except ValueError:
            raise InvalidClientError() from None
    ways = (basic, "client_secret" in request.form, "client_assertion" in request.form)
    if sum(ways) > 1:
        raise InvalidRequestError("The client proves who it is in more than one way.")
