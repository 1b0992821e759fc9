"""What software says of itself when it registers: every member is right, or the answer names the one that is not.

RFC 7591 §2, §3.2.2 and §5, OpenID Connect Dynamic Client Registration §2 (`initiate_login_uri`), RFC 8252 §7.3
(loopback), https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys.
What is not understood is ignored, as §2 asks; nothing here is fetched, and no logo or page of a draft is shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from fhir_server.access import scopes
from fhir_server.access.software_statement import ALGORITHMS, SHORTEST_RSA, absolute, is_key_set, returns
from fhir_server.smart.clients.registered import METHODS, Kind
from fhir_server.smart.fetch import public

#: What a draft may ask for: one patient's data at a time, since an invented patient is all it reaches.
MOST_SCOPES = (*sorted(scopes.SPECIAL), "patient/*.cruds")
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
#: Most values of a list; longest address and name, in characters.
MOST, LONGEST, LONGEST_NAME = 20, 2_000, 100

Code = Literal["invalid_redirect_uri", "invalid_client_metadata"]
_KINDS: dict[str, Kind] = {method: cast(Kind, kind) for kind, method in METHODS.items()}
#: Printed on pages: letters, marks, digits, punctuation; nothing that hides or reorders what is read.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


class Wrong(Exception):
    """A member is not right.

    Attributes:
        code: of RFC 7591 §3.2.2.
        words: which member, and what is expected of it.
    """

    def __init__(self, words: str, code: Code = "invalid_client_metadata") -> None:
        super().__init__(words)
        self.code: Code = code
        self.words = words


@dataclass(frozen=True, slots=True)
class Metadata:
    """What was said, with the defaults of RFC 7591 §2 filled in.

    Attributes:
        name: shown to people.
        kind: how the software proves who it is.
        redirect_uris: matched exactly.
        grants: OAuth grant types.
        scopes: asked for, of `MOST_SCOPES`.
        jwks, jwks_uri: public keys, inline or where they are.
        client_uri, logo_uri, policy_uri, launch_uri: "" when not said.
        software_version: of the app.
    """

    name: str
    kind: Kind
    redirect_uris: tuple[str, ...]
    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    client_uri: str
    logo_uri: str
    policy_uri: str
    launch_uri: str
    software_version: str


def read(given: Mapping[str, Any], loopback: bool = False, vouched: bool = False) -> Metadata:
    """The metadata of a registration, whichever way it came.

    Args:
        given: members of RFC 7591 §2.
        loopback: whether pages and keys may be on this machine, for development.
        vouched: whether an operator says it: pages may then be anywhere a browser may be sent to with a code, such as
            an establishment's own network, which a stranger may not point people at.

    Raises:
        Wrong: see the class.
    """
    # RFC 7592 §2.2: null is as good as left out.
    said = {name: value for name, value in given.items() if value is not None}
    kind = _kind(said)
    grants = _grants(said, kind)
    jwks, jwks_uri = _keys(said, kind, loopback)
    return Metadata(
        name=_text(said, "client_name", LONGEST_NAME) or _text(said, "client_name#fr", LONGEST_NAME),
        kind=kind,
        redirect_uris=_redirects(said, "authorization_code" in grants),
        grants=grants,
        scopes=_scopes(said, grants),
        jwks=jwks,
        jwks_uri=jwks_uri,
        client_uri=_page(said, "client_uri", loopback, vouched),
        logo_uri=_page(said, "logo_uri", loopback, vouched),
        policy_uri=_page(said, "policy_uri", loopback, vouched) or _page(said, "tos_uri", loopback, vouched),
        launch_uri=_page(said, "initiate_login_uri", loopback, vouched),
        software_version=_text(said, "software_version", LONGEST_NAME) or "0.1.0",
    )


def _kind(said: Mapping[str, Any]) -> Kind:
    method = said.get("token_endpoint_auth_method", "client_secret_basic")
    if not isinstance(method, str) or method not in _KINDS:
        raise Wrong(f"token_endpoint_auth_method is one of: {', '.join(_KINDS)}.")
    alg = said.get("token_endpoint_auth_signing_alg", next(iter(ALGORITHMS)))
    if alg not in tuple(ALGORITHMS):
        raise Wrong(f"token_endpoint_auth_signing_alg is one of: {', '.join(ALGORITHMS)}.")
    if said.get("id_token_signed_response_alg", "RS256") != "RS256":
        raise Wrong("id_token_signed_response_alg is RS256.")
    return _KINDS[method]


def _grants(said: Mapping[str, Any], kind: Kind) -> tuple[str, ...]:
    # RFC 7591 §2: left out, it is authorization_code; whoever asks by name for access that goes on means refresh_token
    # too, and is told so (§3.2.1).
    lasting = not scopes.REFRESHED.isdisjoint(scopes.split(_scope(said)))
    otherwise = ("authorization_code", "refresh_token") if lasting else ("authorization_code",)
    grants = tuple(dict.fromkeys(_texts(said, "grant_types", otherwise)))
    unknown = [one for one in grants if one not in GRANTS]
    if unknown or not set(grants) & {"authorization_code", "client_credentials"}:
        raise Wrong(f"grant_types are of: {', '.join(GRANTS)}.")
    if "client_credentials" in grants and kind != "confidential-asymmetric":
        raise Wrong("client_credentials goes with token_endpoint_auth_method private_key_jwt.")
    types = tuple(_texts(said, "response_types", ("code",) if "authorization_code" in grants else ()))
    # RFC 7591 §2.1: the two lists say the same.
    if types != (("code",) if "authorization_code" in grants else ()):
        raise Wrong("response_types is code alone, with the grant type authorization_code.")
    return grants


def _redirects(said: Mapping[str, Any], needed: bool) -> tuple[str, ...]:
    try:
        uris = tuple(dict.fromkeys(_texts(said, "redirect_uris", ())))
    except Wrong as wrong:
        raise Wrong(wrong.words, "invalid_redirect_uri") from None
    if needed and not uris:
        raise Wrong("redirect_uris are missing.", "invalid_redirect_uri")
    for uri in uris:
        if not returns(uri):
            raise Wrong("Each of redirect_uris is an https address, or one of this machine.", "invalid_redirect_uri")
    return uris


def _page(said: Mapping[str, Any], name: str, loopback: bool, vouched: bool = False) -> str:
    uri = said.get(name, "")
    if uri == "":
        return ""
    if vouched:
        if not isinstance(uri, str) or not returns(uri):
            raise Wrong(f"{name} is an https address, or one of this machine.")
        return uri
    if not isinstance(uri, str) or absolute(uri) is None or not public(uri, loopback):
        raise Wrong(f"{name} is an https address on the public network.")
    return uri


def _keys(said: Mapping[str, Any], kind: Kind, loopback: bool) -> tuple[dict[str, Any] | None, str | None]:
    jwks, jwks_uri = said.get("jwks"), _page(said, "jwks_uri", loopback) or None
    if jwks is not None and jwks_uri is not None:
        raise Wrong("There is jwks or jwks_uri, not both.")
    if jwks is not None:
        if not is_key_set(jwks):
            wanted = f"RSA keys of {SHORTEST_RSA} bits or more, or EC keys on P-384, each with its own kid"
            raise Wrong(f"jwks holds public keys only: {wanted}.")
        jwks = {"keys": jwks["keys"]}
    if kind != "confidential-asymmetric":
        return None, None
    if jwks is None and jwks_uri is None:
        raise Wrong("private_key_jwt needs jwks or jwks_uri.")
    return jwks, jwks_uri


def _scopes(said: Mapping[str, Any], grants: tuple[str, ...]) -> tuple[str, ...]:
    # RFC 7591 §3.2.1: what is registered is told, so that nothing is promised which is not given.
    most = MOST_SCOPES if "refresh_token" in grants else [one for one in MOST_SCOPES if one not in scopes.REFRESHED]
    return tuple(scopes.meet(scopes.split(_scope(said)) if "scope" in said else MOST_SCOPES, most))


def _scope(said: Mapping[str, Any]) -> str:
    """The scopes asked by name, "" when that is left out."""
    asked = said.get("scope", "")
    if not isinstance(asked, str) or len(asked) > scopes.LONGEST:
        raise Wrong("scope is a text of scopes separated by spaces.")
    return asked


def _text(said: Mapping[str, Any], name: str, longest: int) -> str:
    value = said.get(name, "")
    if not isinstance(value, str) or len(value) > longest or _UNSEEN.search(value):
        raise Wrong(f"{name} is a text of at most {longest} characters.")
    return " ".join(value.split())


def _texts(said: Mapping[str, Any], name: str, otherwise: Sequence[str]) -> Sequence[str]:
    value = said.get(name, otherwise)
    if not isinstance(value, list | tuple) or len(value) > MOST or not all(isinstance(one, str) for one in value):
        raise Wrong(f"{name} is a list of at most {MOST} texts.")
    return value
