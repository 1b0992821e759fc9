"""Sends a person to an identity provider and judges what they come back with.

OpenID Connect Core §3.1, RFC 9700 §2.1 and §4.4: a code with PKCE, a state and a nonce for one sign-in of one browser,
an address of ours for each provider, and the issuer's own name where it gives it (RFC 9207), so that an answer of one
provider is never taken for another's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from fhir_server.smart import lifetimes
from fhir_server.smart.addresses import Addresses
from fhir_server.smart.federation import tokens
from fhir_server.smart.federation.discovery import Discovery, Metadata
from fhir_server.smart.federation.providers import Provider
from fhir_server.smart.fetch import Refused, Unreachable, send
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Records

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Errand:
    """A person on their way to a provider and back; kept under the digest of its state.

    Attributes:
        provider: id.
        browser: digest of the browser's own cookie.
        nonce, verifier: of this sign-in alone.
        redirect_uri: where they come back to.
        ask: id of the app's request that needs them, "" without one.
        after: the page they go on to without one.
        began: seconds since 1970.
    """

    provider: str
    browser: str
    nonce: str
    verifier: str
    redirect_uri: str
    ask: str
    after: str
    began: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What a provider proved.

    Attributes:
        provider: which.
        issuer, subject: that name the person for good.
        claims: about them, of the id_token and of userinfo.
        id_token: as it came, to sign out with.
    """

    provider: Provider
    issuer: str
    subject: str
    claims: Mapping[str, Any]
    id_token: str


class RelyingParty:
    """Sends people and judges what they bring."""

    def __init__(self, records: Records, discovery: Discovery) -> None:
        """Errands are kept in `records`."""
        self._records = records
        self._discovery = discovery

    async def begin(self, provider: Provider, browser: str, ask: str, after: str, addresses: Addresses) -> str:
        """The address to send the browser to.

        Args:
            provider: chosen.
            browser: what the browser is known by.
            ask: id of the app's request, "" without one.
            after: path of the page to go on to without one.
            addresses: of this server.

        Raises:
            Refused: the provider cannot be reached.
        """
        metadata = await self._metadata(provider, addresses)
        state, back = made(), callback(provider, addresses)
        errand = Errand(provider.id, digest(browser), made(), made() + made(), back, ask, after, time.time())
        await self._records.put("errand", digest(state), msgspec.json.encode(errand), lifetimes.ASK)
        uri: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            provider.client_id,
            "code",
            redirect_uri=back,
            scope=provider.scope,
            state=state,
            nonce=errand.nonce,
            code_challenge=create_s256_code_challenge(errand.verifier),
            code_challenge_method="S256",
            acr_values=" ".join(provider.acr_values) or None,
        )
        return uri

    async def errand(self, pairs: Sequence[tuple[str, str]], provider: str, browser: str) -> Errand | None:
        """The errand an answer belongs to, which is thereby over; None when it is not this browser's, or of another.

        Args:
            pairs: of the answer's query.
            provider: id of the one in whose address the answer came.
            browser: what the browser is known by.
        """
        states = [value for name, value in pairs if name == "state"]
        if len(states) != 1 or not 0 < len(states[0]) <= 200:
            return None
        value = await self._records.take("errand", digest(states[0]))
        found = None if value is None else msgspec.json.decode(value, type=Errand)
        if found is None or found.browser != digest(browser) or found.provider != provider:
            return None
        return found

    async def finish(
        self, provider: Provider, errand: Errand, pairs: Sequence[tuple[str, str]], addresses: Addresses
    ) -> Proof:
        """What the answer proves.

        Raises:
            Refused: nothing; in words for the log of who operates, without what came.
        """
        answer = dict(pairs)
        if len(answer) != len(pairs):
            raise Refused("A parameter came twice.")
        metadata = await self._metadata(provider, addresses)
        if answer.get("iss") not in ((metadata.issuer,) if metadata.names_itself else (metadata.issuer, None)):
            raise Refused("The answer is another issuer's.")
        if answer.get("error") in _DOWN:
            raise Unreachable("The provider says that it cannot.")
        if "error" in answer or not 0 < len(answer.get("code", "")) <= 4_000:
            raise Refused("The provider signed nobody in.")
        given = await self._exchanged(provider, metadata, errand, answer["code"])
        token, access = given.get("id_token"), given.get("access_token")
        if not isinstance(access, str) or str(given.get("token_type", "")).lower() != "bearer":
            raise Refused("The provider gave no access token.")
        said = tokens.header(token)
        keys = await self._discovery.keys(metadata, provider.simulated, said.get("kid"))
        claims = tokens.verified(str(token), keys)
        tokens.identity(
            claims,
            said,
            issuer=metadata.issuer,
            client_id=provider.client_id,
            nonce=errand.nonce,
            access_token=access,
            levels=provider.levels,
        )
        about = await self._userinfo(provider, metadata, access)
        if about.get("sub") != claims["sub"]:
            raise Refused("The userinfo is somebody else's.")
        return Proof(provider, metadata.issuer, claims["sub"], {**claims, **about}, str(token))

    async def leaving(self, provider: Provider, id_token: str, addresses: Addresses) -> str | None:
        """Where the provider signs the person out (OpenID Connect RP-Initiated Logout §2); None when it cannot."""
        try:
            metadata = await self._metadata(provider, addresses)
        except Refused:
            return None
        if not metadata.end_session_endpoint.startswith(("https://", "http://")):
            return None
        query = {
            "id_token_hint": id_token,
            "client_id": provider.client_id,
            "post_logout_redirect_uri": f"{addresses.issuer}/",
            "state": made(),
        }
        mark = "&" if "?" in metadata.end_session_endpoint else "?"
        return f"{metadata.end_session_endpoint}{mark}{urlencode(query)}"

    async def _metadata(self, provider: Provider, addresses: Addresses) -> Metadata:
        issuer = f"{addresses.issuer}{provider.issuer}" if provider.simulated else provider.issuer
        try:
            return await self._discovery.metadata(issuer, provider.simulated)
        except Refused as error:
            # Nobody's identity is in its configuration: whatever is wrong with that is the provider's.
            raise Unreachable(str(error)) from None

    async def _exchanged(self, provider: Provider, metadata: Metadata, errand: Errand, code: str) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": errand.redirect_uri,
            "code_verifier": errand.verifier,
        }
        headers = {"Content-Type": FORM}
        if metadata.by_basic:
            headers["Authorization"] = _basic(provider)
        else:
            form |= {"client_id": provider.client_id, "client_secret": provider.secret}
        answer = await send(
            metadata.token_endpoint,
            content=urlencode(form).encode(),
            headers=headers,
            loopback=self._discovery.loopback,
            within=self._discovery.within if provider.simulated else None,
        )
        if answer.status != 200:
            raise _failed("token", answer.status)
        return _object(answer.body)

    async def _userinfo(self, provider: Provider, metadata: Metadata, access: str) -> dict[str, Any]:
        answer = await send(
            metadata.userinfo_endpoint,
            headers={"Authorization": f"Bearer {access}", "Accept": "application/jwt, application/json"},
            loopback=self._discovery.loopback,
            within=self._discovery.within if provider.simulated else None,
        )
        if answer.status != 200:
            raise _failed("userinfo", answer.status)
        if answer.media_type != "application/jwt":
            return _object(answer.body)
        token = answer.body.decode("ascii", "replace").strip()
        keys = await self._discovery.keys(metadata, provider.simulated, tokens.header(token).get("kid"))
        claims = tokens.verified(token, keys)
        # OpenID Connect Core §5.3.2: a signed answer says who it is from and for.
        if claims.get("iss") != metadata.issuer or not tokens.is_for(claims, provider.client_id):
            raise Refused("The userinfo is for somebody else.")
        return claims


def callback(provider: Provider, addresses: Addresses) -> str:
    """Where a provider sends people back to: one address for each (RFC 9700 §4.4.2.2)."""
    return addresses.at(f"with/{provider.id}/callback")


def _basic(provider: Provider) -> str:
    import base64

    # RFC 6749 §2.3.1: both are form-encoded first, whatever they are made of.
    pair = f"{quote(provider.client_id, safe='')}:{quote(provider.secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


#: Errors by which a provider says that it cannot for now: RFC 6749 §4.1.2.1.
_DOWN = frozenset({"temporarily_unavailable", "server_error"})


def _failed(endpoint: str, status: int) -> Refused:
    kind = Unreachable if status >= 500 or status == 429 else Refused
    return kind(f"The {endpoint} endpoint answered {status}.")


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise Refused("The answer is not a JSON object.") from None
