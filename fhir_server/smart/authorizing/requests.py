"""An app's authorization request, while the person signs in, chooses and decides.

Until somebody has signed in and chosen it is not kept, but carried by the browser: `sealed`.

https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-authorization-code, RFC 9700 §4.7: it belongs to the
browser that brought it, by a cookie, and ends with one decision.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from fhir_server.access.grant import Purpose
from fhir_server.smart import lifetimes
from fhir_server.smart.authorizing import sealed_requests
from fhir_server.smart.secret import digest, made
from fhir_server.store.protocol import Drop, Keep, Put, Records


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One request, already found right.

    Attributes:
        id: unguessable; travels in the pages' addresses.
        browser: digest of the browser's own cookie.
        client, redirect_uri, state, challenge, nonce, base: as asked; `base` is the audience.
        scope: asked and allowed to the client.
        prompt: of OpenID Connect, "" when not given.
        max_age: seconds since sign-in that are too many; None for any.
        created: seconds since 1970.
        patient: chosen, or given by the launch.
        account: who launched it; nobody else may go on.
        context: from the launch, for the token answer.
        purpose: of use, when the professional or the app says one; `reason` why, in words asked on a page, never a URL.
        asked: words of the patient's name looked for; kept here so that they are in no address.
    """

    id: str
    browser: str
    client: str
    redirect_uri: str
    state: str
    challenge: str
    base: str
    scope: tuple[str, ...]
    nonce: str | None = None
    prompt: str = ""
    max_age: int | None = None
    created: float = 0
    patient: str | None = None
    account: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    purpose: Purpose | None = None
    reason: str | None = None
    asked: str = ""

    @property
    def needs_patient(self) -> bool:
        """Whether a patient must be in context."""
        named = {"launch/patient", "launch/encounter"} & set(self.scope)
        return bool(named) or any(one.startswith("patient/") for one in self.scope)

    def settled(self, patients: Sequence[str]) -> AuthorizationRequest:
        """The request with the patient (id) of somebody who acts for one alone, and has no choice to make."""
        alone = self.needs_patient and self.patient is None and len(patients) == 1
        return replace(self, patient=patients[0]) if alone else self

    @property
    def needs_encounter(self) -> bool:
        """Whether an encounter is still to be chosen; an EHR launch brings its own, or none."""
        return "launch/encounter" in self.scope and self.account is None and "encounter" not in self.context


@dataclass(frozen=True, slots=True)
class Launch:
    """An EHR launch: what an app is opened on. https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch

    Attributes:
        client: the app opened; account: who opens it.
        patient: id of the patient in context.
        context: further parameters of the token answer (encounter, fhirContext, intent…).
        purpose, reason: of use, as said where it was opened.
    """

    client: str
    account: str
    patient: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    purpose: Purpose | None = None
    reason: str | None = None


class AuthorizationRequests:
    """Requests and launches in progress."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._key = b""

    async def begin(self, ask: AuthorizationRequest) -> AuthorizationRequest | None:
        """The request under the id it goes on by; None when it is too long.

        One with a launch is kept, since only somebody known here can have made the launch; any other is sealed.
        """
        if ask.account is None:
            return sealed_requests.seal(ask, await self._secret())
        await self.keep(ask)
        return ask

    async def keep(self, ask: AuthorizationRequest) -> None:
        """Keep a request, or what was chosen for it."""
        left = ask.created + lifetimes.ASK - time.time()
        if left > 0:
            await self._records.put("ask", digest(ask.id), msgspec.json.encode(ask), left)

    async def of(self, id: str, browser: str | None) -> AuthorizationRequest | None:
        """The request, for the browser that brought it."""
        return await self.read(id, browser, await self._records.get_each(self.places(id)))

    async def peek(self, id: str, browser: str | None) -> AuthorizationRequest | None:
        """The request as its app made it, without looking whether it has been decided: to go on by, not to decide."""
        found = sealed_requests.opened(id, await self._secret(), AuthorizationRequest)
        if found is None:
            return await self.of(id, browser)
        return found if browser and found.browser == digest(browser) else None

    @staticmethod
    def places(id: str) -> list[tuple[str, str]]:
        """The records that `read` must be given, for who reads others with them."""
        return [("ask", digest(id)), ("ask-over", digest(id))] if len(id) <= sealed_requests.LONGEST else []

    async def read(self, id: str, browser: str | None, records: Sequence[bytes | None]) -> AuthorizationRequest | None:
        """As `of`, given what is at `places`."""
        if not records:
            return None
        value, over = records
        if over is not None:
            return None
        if value is not None:
            found: AuthorizationRequest | None = msgspec.json.decode(value, type=AuthorizationRequest)
        else:
            found = sealed_requests.opened(id, await self._secret(), AuthorizationRequest)
        return found if found is not None and browser and found.browser == digest(browser) else None

    async def decide(self, ask: AuthorizationRequest, also: Sequence[Keep] = (), traces: Sequence[Put] = ()) -> bool:
        """End the request, and keep `also` and its `traces`; False, and none of it, when it was ended already.

        There is one decision each.
        """
        key = digest(ask.id)
        left = max(1.0, ask.created + lifetimes.ASK - time.time())
        return await self._records.apply([Keep("ask-over", key, b"", left, new=True), Drop("ask", key), *also], traces)

    async def _secret(self) -> bytes:
        """The key of sealed requests: of several workers one makes it, and all use it."""
        if not self._key:
            self._key = await self._records.get("key", "ask") or b""
        if not self._key:
            await self._records.add("key", "ask", secrets.token_bytes(32))
            self._key = await self._records.get("key", "ask") or b""
        return self._key

    async def choose(self, ask: AuthorizationRequest, patient: str) -> AuthorizationRequest:
        """The request with its patient chosen."""
        changed = replace(ask, patient=patient)
        await self.keep(changed)
        return changed

    async def meet(self, ask: AuthorizationRequest, encounter: str | None) -> AuthorizationRequest:
        """The request with its encounter (id) chosen; without one, it no longer asks for any."""
        if encounter is None:
            changed = replace(ask, scope=tuple(one for one in ask.scope if one != "launch/encounter"))
        else:
            changed = replace(ask, context={**ask.context, "encounter": encounter})
        await self.keep(changed)
        return changed

    async def look_for(self, ask: AuthorizationRequest, name: str) -> AuthorizationRequest:
        """The request with the words its patient is looked for by."""
        changed = replace(ask, asked=name)
        await self.keep(changed)
        return changed

    async def say_why(self, ask: AuthorizationRequest, purpose: Purpose, reason: str | None) -> AuthorizationRequest:
        """The request with its purpose of use, and the reason of one that needs it."""
        changed = replace(ask, purpose=purpose, reason=reason)
        await self.keep(changed)
        return changed

    async def launch(self, launch: Launch) -> str:
        """Keep a launch; its opaque, single-use `launch` parameter."""
        secret = made()
        await self._records.put("launch", digest(secret), msgspec.json.encode(launch), lifetimes.LAUNCH)
        return secret

    async def take_launch(self, secret: str) -> Launch | None:
        """The launch of that secret; None for one that is unknown, over, or was taken already."""
        value = await self._records.take("launch", digest(secret)) if len(secret) <= 200 else None
        return None if value is None else msgspec.json.decode(value, type=Launch)
