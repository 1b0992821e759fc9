"""The endpoints that software calls, as one function from a form to an answer.

RFC 6749 §5.2: what is wrong with a request is an `error` of the protocol, whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from authlib.oauth2.rfc6749 import InvalidRequestError

from fhir_server.smart.addresses import Addresses
from fhir_server.smart.requests import Asked, Reply
from fhir_server.smart.token import Server


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
    except InvalidRequestError as error:
        return server.handle_error_response(Asked("POST", (), {}, addresses), error)
    if endpoint == "token":
        return server.answer(lambda: server.create_token_response(request), request)
    return server.answer(lambda: server.create_endpoint_response(endpoint, request), request)
