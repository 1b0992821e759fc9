"""Are a provider's id_token and userinfo what they must be: signed by it, for this server, now, for this very sign-in?

OpenID Connect Core §3.1.3.7 and §5.3.2, RFC 8725: the list of algorithms is ours, and each goes with one type of key.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from fhir_server.smart import lifetimes
from fhir_server.smart.fetch import Refused

#: Signature algorithm → the type of key it needs. Neither `none` nor one with a shared secret is among them.
ALGORITHMS = {"RS256": "RSA", "PS256": "RSA", "RS384": "RSA", "ES256": "EC", "ES384": "EC"}
#: The longest token that is looked at, in characters.
LONGEST = 32_000
#: An id_token that was made longer ago is not of this sign-in, in seconds.
OLDEST = 300


def header(token: Any) -> dict[str, Any]:
    """The JOSE header of a compact JWS, nothing in it believed yet.

    Raises:
        Refused: it is none, or with another algorithm than ours.
    """
    if not isinstance(token, str) or not 0 < len(token) <= LONGEST:
        raise Refused("There is no token.")
    try:
        found: dict[str, Any] = jws.extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError, TypeError):
        raise Refused("The token is malformed.") from None
    if found.get("alg") not in ALGORITHMS or "crit" in found:
        raise Refused("The token is signed in a way that is not accepted.")
    return found


def verified(token: str, keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The claims of a JWT signed with one of `keys`.

    Raises:
        Refused: it is not.
    """
    import msgspec

    said = header(token)
    for key in _fitting(said, keys):
        try:
            payload = jws.deserialize_compact(token.encode("ascii"), key, algorithms=[str(said["alg"])]).payload
            return msgspec.json.decode(payload, type=dict[str, Any])
        except (JoseError, ValueError, TypeError):
            continue
    raise Refused("The token is not signed by the provider.")


def identity(
    claims: dict[str, Any],
    said: dict[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: str,
    levels: Sequence[str],
) -> None:
    """Judge the claims of an id_token whose signature holds.

    Args:
        claims: of the token.
        said: its header.
        issuer, client_id, nonce, access_token: that it must be of.
        levels: `acr` of which it must have one; () for any.

    Raises:
        Refused: one is not as it must be.
    """
    options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    now = int(time.time())
    try:
        CodeIDToken(claims, said, options, params).validate(now=now, leeway=lifetimes.LEEWAY)
    except (JoseError, ValueError, TypeError, AttributeError):
        raise Refused("The id_token is not for this sign-in.") from None
    if not is_for(claims, client_id):
        raise Refused("The id_token is for others too.")
    issued, subject = claims.get("iat"), claims.get("sub")
    if not isinstance(issued, int | float) or not now - OLDEST <= issued <= now + lifetimes.LEEWAY:
        raise Refused("The id_token is not of now.")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Refused("The id_token is of nobody.")
    if levels and claims.get("acr") not in levels:
        raise Refused("The person was not identified strongly enough.")


def is_for(claims: dict[str, Any], client_id: str) -> bool:
    """Whether a token is for this server alone: OpenID Connect Core §3.1.3.7 (3); others could play theirs to us."""
    return claims.get("aud") in (client_id, [client_id])


def _fitting(said: dict[str, Any], keys: Sequence[dict[str, Any]]) -> list[Key]:
    kty = ALGORITHMS[str(said["alg"])]
    fit = [
        key
        for key in keys
        if key.get("kty") == kty and key.get("use", "sig") == "sig" and said.get("kid") in (None, key.get("kid"))
    ]
    found = []
    for key in fit[:8]:
        names = ("kty", "kid", "n", "e", "crv", "x", "y")
        public: dict[str, Any] = {name: key[name] for name in names if name in key}
        try:
            found.append(import_key(public))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return found
