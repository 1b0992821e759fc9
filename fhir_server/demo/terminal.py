"""A token for a terminal: somebody of the demonstration signs in as in a browser, and allows what is asked.

The whole of https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-standalone-launch, PKCE included, at the
endpoints that every app has, page by page. Nothing here knows the store: it opens what a login and its password open.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from lxml import html

from fhir_server.demo.software import TERMINAL, TERMINAL_REDIRECT
from fhir_server.settings import is_loopback

#: More pages than any person is led through.
_PAGES = 12


class Refused(Exception):
    """No token is given; its text says why."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, and what for.

    Attributes:
        login, password: of the account.
        scope: asked for, parted by spaces; all of it is allowed.
        patient: whom it is about, where that is to be chosen: an id, a name, an INS; "" for the first shown.
        role: in which exercise, likewise.
        purpose: of use: TREAT, ETREAT or BTG; "" where none is said.
        reason: why, in words; breaking the glass (BTG) needs one.
    """

    login: str
    password: str = field(repr=False)
    scope: str
    patient: str = ""
    role: str = ""
    purpose: str = ""
    reason: str = ""


def token(base: str, person: Person, transport: httpx.BaseTransport | None = None) -> dict[str, Any]:
    """The token endpoint's answer: `access_token`, `scope`, `expires_in`, `patient`.

    Args:
        base: FHIR base, on this machine.
        person: who asks.
        transport: how it is reached; None for the network.

    Raises:
        Refused: the address is another machine's, or the server refuses.
        httpx.HTTPError: nobody answers.
    """
    _own(base, base)
    # No proxy of the environment is told the password.
    with httpx.Client(timeout=60, trust_env=False, transport=transport, headers={"Accept-Language": "en"}) as http:
        found = http.get(f"{base}/.well-known/smart-configuration")
        if found.status_code != httpx.codes.OK:
            raise Refused(f"{base} says nothing of how one signs in ({found.status_code}): is it a closed server?")
        server = found.json()
        verifier = secrets.token_urlsafe(48)
        code = _Walk(http, base, person).code(server["authorization_endpoint"], _challenge(verifier))
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": TERMINAL_REDIRECT}
        answer = http.post(
            _own(base, server["token_endpoint"]), data={**form, "client_id": TERMINAL, "code_verifier": verifier}
        )
        said: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.OK:
        raise Refused(f"{said.get('error')}: {said.get('error_description', '')}")
    return said


def _challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _own(base: str, address: str) -> str:
    """An address of the server at `base`, on this machine: the password is told to no other."""
    asked, own = urlsplit(address), urlsplit(base)
    if (asked.scheme, asked.netloc) != (own.scheme, own.netloc) or not is_loopback(own.hostname or ""):
        raise Refused(f"{asked.scheme}://{asked.netloc} is not the demonstration of this machine.")
    return address


@dataclass(frozen=True, slots=True)
class _Walk:
    """From page to page, until the answer to the app.

    Attributes:
        http: with the cookies of this browser.
        base: FHIR base.
        person: who is at it.
    """

    http: httpx.Client
    base: str
    person: Person

    def code(self, endpoint: str, challenge: str) -> str:
        """The authorization code that the pages lead to."""
        state = secrets.token_urlsafe(16)
        asked = {
            "response_type": "code",
            "client_id": TERMINAL,
            "redirect_uri": TERMINAL_REDIRECT,
            "scope": self.person.scope,
            "state": state,
            "aud": self.base,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"purpose_of_use": self.person.purpose} if self.person.purpose else {}),
        }
        answer = self.http.get(_own(self.base, endpoint), params=asked)
        seen: list[str] = []
        for _ in range(_PAGES):
            if answer.is_redirect:
                location = urljoin(str(answer.url), answer.headers["location"])
                if location.startswith(f"{TERMINAL_REDIRECT}?"):
                    return _answered(location, state)
                answer = self.http.get(_own(self.base, location))
            else:
                answer = self._sent(answer, seen)
        raise Refused("The pages lead nowhere.")

    def _sent(self, page: httpx.Response, seen: list[str]) -> httpx.Response:
        """The page's form filled in and sent; `seen` are the pages so far."""
        shown: Any = html.fromstring(page.text)
        for form in shown.forms:
            address = urljoin(str(page.url), form.action or "")
            path = urlsplit(address).path
            given = _FILLED[path](self.person, form) if path in _FILLED else None
            if given is None:
                continue
            if path in seen:
                break
            seen.append(path)
            hidden = {one.name: one.value for one in form.inputs if getattr(one, "type", "") == "hidden"}
            # Forms are taken from pages of the server alone, which browsers show by this header.
            origin = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(self.base))}
            return self.http.post(_own(self.base, address), data={**hidden, **given}, headers=origin)
        raise Refused(_told(shown))


def _answered(location: str, state: str) -> str:
    """The code in the answer to the app; RFC 6749 §4.1.2."""
    given = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    if given.get("state") != state or "code" not in given:
        raise Refused(f"{given.get('error', 'no code')}: {given.get('error_description', '')}")
    return given["code"]


def _signing_in(person: Person, form: Any) -> Mapping[str, Any]:
    return {"login": person.login, "password": person.password}


def _role(person: Person, form: Any) -> Mapping[str, Any] | None:
    return _chosen(form, "role", person.role)


def _patient(person: Person, form: Any) -> Mapping[str, Any] | None:
    return _chosen(form, "patient", person.patient)


def _looking_for(person: Person, form: Any) -> Mapping[str, Any] | None:
    # Once something was looked for, the next form of the page shows whom was found.
    return {"name": person.patient} if person.patient and not form.fields.get("name") else None


def _why(person: Person, form: Any) -> Mapping[str, Any]:
    return {"purpose": person.purpose, "reason": person.reason}


def _allowing(person: Person, form: Any) -> Mapping[str, Any]:
    return {"decision": "allow", "scope": form.xpath('.//input[@type="checkbox" and @name="scope"]/@value')}


#: Path that a form is sent to → what is filled in; None where there is nothing to choose.
_FILLED: dict[str, Callable[[Person, Any], Mapping[str, Any] | None]] = {
    "/auth/sign-in": _signing_in,
    "/auth/role": _role,
    "/auth/find": _looking_for,
    "/auth/patient": _patient,
    "/auth/purpose": _why,
    "/auth/consent": _allowing,
}


def _chosen(form: Any, name: str, wanted: str) -> Mapping[str, Any] | None:
    """The first button of that name whose value or words are those wanted."""
    words = wanted.casefold().split()
    buttons = form.xpath(f'.//button[@name="{name}"]')
    for button in buttons:
        shown = button.text_content().casefold()
        if wanted in (button.get("value"), button.get("value").rpartition("/")[2]) or all(
            word in shown for word in words
        ):
            return {name: button.get("value")}
    # Found by what is not shown, an INS say: there is one, and it is the one.
    return {name: buttons[0].get("value")} if len(buttons) == 1 and wanted.isdigit() else None


def _told(page: Any) -> str:
    """What the page tells a person, and what there is to choose from."""
    found = page.xpath('//*[@role="alert"] | //main//h1 | //button[@name="role" or @name="patient"]')
    said = [" ".join(one.text_content().split()) for one in found]
    return " – ".join(said) or "The page has no form that is known."
