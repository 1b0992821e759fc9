"""Who gets a token, and what it then reads: kind of client, grant, scope, status of the app, consent, caller.

CSP R1111-38 and R1111-39; https://hl7.org/fhir/smart-app-launch/client-authentication.html. One letter for each thing
that is then possible, or a sign for how it ends before:

    r  reads the patient's documents        w  adds a measure        -  the app is told access_denied
    ?  the person would have to be asked    x  the client is not known: nobody is asked anything
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.smart import lifetimes
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.secret import digest
from fhir_server.space.catalogue import clients as clients_catalogue
from fhir_server.space.catalogue import token_rights as clients_rights
from fhir_server.space.catalogue.apps import App as Referenced
from fhir_server.space.catalogue.apps import Purpose
from fhir_server.space.catalogue.opening import of
from tests.server.closed import BEARER, TOKEN, Space, serving
from tests.server.people import a_care_team
from tests.site.catalogue import CARNET, READ, WRITE, a_patient
from tests.smart.browser import CALLBACK, App, Browser, a_person, answered

SPECIAL = ("openid", "fhirUser", "launch/patient", "offline_access")
SCOPE = "openid launch/patient patient/DocumentReference.rs patient/Observation.c"
REAL = "urn:oid:1.2.250.1.213.1.4.8"
#: Caller → subject, patients they act for.
CALLERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "patient": ("Patient/p1", ()),
    "parent": ("RelatedPerson/mother", ("p1",)),
    "caregiver": ("RelatedPerson/neighbour", ("p1",)),
    "doctor": ("Practitioner/d1", ()),
    "real patient": ("Patient/real", ()),
}
CONSENTS = ("none", "partial", "all", "outdated")
#: Status → for each of `CONSENTS`, what each of `CALLERS` gets, in their order. A patient's app gives doctors nothing.
APPS: dict[Any, tuple[tuple[str, ...], ...]] = {
    "EN_LIGNE": (
        ("-", "-", "-", "-", "-"),
        ("r", "r", "r", "-", "r"),
        ("rw", "rw", "rw", "-", "rw"),
        ("?", "?", "?", "-", "?"),
    ),
    # Invented people alone.
    "PRESERIE": (
        ("-", "-", "-", "-", "-"),
        ("r", "r", "r", "-", "-"),
        ("rw", "rw", "rw", "-", "-"),
        ("?", "?", "?", "-", "-"),
    ),
    **{status: (("x",) * 5,) * 4 for status in ("HORS_LIGNE", "SUSPENDUE", "DEREFERENCEE")},
}


@dataclass
class World:
    """A server with an app, its client of some kind, and a signed-in browser for each caller."""

    space: Space
    browsers: dict[str, Browser]

    async def register(self, app: Referenced, kind: Any, **changes: Any) -> App:
        """The app and its client, under an id of their own."""
        id = f"{app.id}-{kind}-{len(await self.space.clients.list())}"
        await of(self.space.house.services).catalogue.save(replace(app, id=id, client=id))
        jwks = {"keys": [{**self.space.key("ES384").as_dict(private=False), "kid": "k1"}]}
        known: dict[str, Any] = {
            "public": {},
            "confidential-symmetric": {"secret_hash": digest("word")},
            "confidential-asymmetric": {"jwks": jwks},
        }[kind]
        client = Client(id, "Carnet", kind, redirect_uris=(CALLBACK,), scopes=SPECIAL, device=id, **known, **changes)
        assert await self.space.clients.add(client)
        return App(id)

    async def change(self, app: App, **changes: Any) -> None:
        found = await of(self.space.house.services).catalogue.get(app.id)
        assert found is not None
        await of(self.space.house.services).catalogue.save(replace(found, **changes))

    async def proven(self, app: App, kind: str, form: dict[str, str]) -> httpx.Response:
        """The token endpoint's answer to the client, as one of its kind proves who it is."""
        if kind == "confidential-symmetric":
            return await self.space.http.post(TOKEN, data=form, auth=(app.id, "word"))
        if kind == "confidential-asymmetric":
            form = {**form, "client_assertion_type": BEARER, "client_assertion": self.space.assertion(app.id)}
        return await self.space.http.post(TOKEN, data=form)

    async def asked(self, app: App, caller: str, consent: str, scope: str = SCOPE) -> httpx.Response:
        """What comes of a request, answered by the caller so that the consent is as said."""
        browser = self.browsers[caller]
        page = await browser.open(app.request(scope))
        if page.is_redirect or page.status_code == 400:
            return page
        if "/auth/patient?ask=" in page.text:
            page = await browser.submit(page, patient="p1")
            if page.is_redirect:
                return page
        if "purpose-ordonnances" not in page.text:
            return await browser.submit(page, decision="deny" if consent == "none" else "allow")
        if consent == "none":
            return await browser.submit(page, decision="deny")
        write = "no" if consent == "partial" else "yes"
        answer = await browser.submit(
            page, decision="allow", **{"purpose-ordonnances": "yes", "purpose-tension": write},
            **({"special-offline_access": "yes"} if "offline_access" in scope else {}),
        )  # fmt: skip
        if consent != "outdated":
            return answer
        await self.change(app, purposes=(replace(READ, retention="Dix ans"), WRITE))
        return await browser.open(app.request(scope, prompt="none"))

    async def letters(self, token: str, patient: str = "p1") -> str:
        """What the token lets do."""
        measure = {
            "resourceType": "Observation", "status": "final", "subject": {"reference": f"Patient/{patient}"},
            "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        }  # fmt: skip
        read = await self.space.fhir("GET", f"DocumentReference/d-{patient}", token)
        found = await self.space.fhir("GET", "DocumentReference", token)
        written = await self.space.fhir("POST", "Observation", token, json=measure)
        ids = [entry["resource"]["id"] for entry in found.json().get("entry", ())] if found.status_code == 200 else []
        # What is read is what is found: this patient's alone.
        assert ids == ([f"d-{patient}"] if read.status_code == 200 else [])
        assert read.status_code in (200, 401, 403) and written.status_code in (201, 401, 403)
        return ("r" if read.status_code == 200 else "") + ("w" if written.status_code == 201 else "")

    async def outcome(self, app: App, kind: str, answer: httpx.Response, patient: str) -> str:
        if answer.status_code == 400:
            return "x"
        back = answered(answer)
        if "error" in back:
            return {"access_denied": "-", "consent_required": "?"}[back["error"]]
        exchange = app.exchange(back["code"], **({} if kind == "public" else {"client_id": None}))
        body = (await self.proven(app, kind, exchange)).json()
        assert body["patient"] == patient
        return await self.letters(body["access_token"], patient)


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    async with serving(tmp_path) as space:
        await a_patient(space)
        real = {"resourceType": "Patient", "id": "real", "identifier": [{"system": REAL, "value": "2690549588157"}]}
        await space.put(real)
        for id in ("p1", "real"):
            document = {"resourceType": "DocumentReference", "id": f"d-{id}", "status": "current"}
            await space.put({**document, "subject": {"reference": f"Patient/{id}"}})
            await space.put(a_care_team(id, "Practitioner/d1"))
        browsers = {}
        for caller, (subject, wards) in CALLERS.items():
            await a_person(space, caller, subject, wards=wards)
            browsers[caller] = Browser(space)
            await browsers[caller].sign_in(await browsers[caller].http.get("/auth/sign-in"), caller)
        yield World(space, browsers)


#: Kind → the statuses it is tried with: all for one, since how a client proves who it is decides nothing else.
TRIED: dict[str, tuple[Any, ...]] = {
    "public": tuple(APPS),
    "confidential-symmetric": ("EN_LIGNE", "SUSPENDUE"),
    "confidential-asymmetric": ("EN_LIGNE", "DEREFERENCEE"),
}


@pytest.mark.parametrize("kind", TRIED)
async def test_a_code_gives_what_status_consent_and_caller_allow(world: World, kind: str) -> None:
    found: dict[tuple[str, str, str], str] = {}
    expected: dict[tuple[str, str, str], str] = {}
    for status in TRIED[kind]:
        for consent, row in zip(CONSENTS, APPS[status], strict=True):
            for caller, letters in zip(CALLERS, row, strict=True):
                app = await world.register(replace(CARNET, status=status), kind)
                answer = await world.asked(app, caller, consent)
                patient = "real" if caller == "real patient" else "p1"
                found[status, consent, caller] = await world.outcome(app, kind, answer, patient)
                expected[status, consent, caller] = letters
    assert found == expected


_TODAY = datetime.now(UTC).date()
_CHANGED = (replace(READ, retention="Dix ans"), WRITE)
#: What becomes of an app that reads and writes, its purpose withdrawn → what a refresh then gives.
REFRESHED: list[tuple[dict[str, Any], str | None, str]] = [
    ({}, None, "rw"),
    ({}, "ordonnances", "w"),
    ({}, "tension", "r"),
    ({}, "every", "invalid_grant"),
    ({"purposes": _CHANGED, "reconsent_by": _TODAY + timedelta(days=1)}, None, "rw"),
    ({"purposes": _CHANGED, "reconsent_by": _TODAY - timedelta(days=1)}, None, "w"),
    ({"purposes": (READ,)}, None, "r"),
    ({"purposes": ()}, None, "invalid_grant"),
    ({"exchanges": False}, None, "invalid_grant"),
    ({"convention_end": _TODAY}, None, "rw"),
    ({"convention_end": _TODAY - timedelta(days=1)}, None, "invalid_client"),
    ({"status": "HORS_LIGNE"}, None, "invalid_client"),
    ({"status": "SUSPENDUE"}, None, "invalid_client"),
    ({"status": "DEREFERENCEE"}, None, "invalid_client"),
    ({"status": "PRESERIE"}, None, "rw"),
    ({"audience": "professional"}, None, "invalid_grant"),
]


@pytest.mark.parametrize("kind", ["public", "confidential-asymmetric"])
async def test_a_refresh_gives_what_is_left(world: World, kind: str) -> None:
    found = []
    for changes, withdrawn, _ in REFRESHED:
        app = await world.register(CARNET, kind)
        code = answered(await world.asked(app, "patient", "all", f"{SCOPE} offline_access"))["code"]
        named = {} if kind == "public" else {"client_id": None}
        body = (await world.proven(app, kind, app.exchange(code, **named))).json()
        await world.change(app, **changes)
        if withdrawn is not None:
            known = await of(world.space.house.services).catalogue.get(app.id)
            assert known is not None
            purpose = None if withdrawn == "every" else withdrawn
            await of(world.space.house.services).consents.withdraw("p1", known, purpose, "Patient/p1")
        form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"]}
        form |= {"client_id": app.id} if kind == "public" else {}
        answer = (await world.proven(app, kind, form)).json()
        found.append(answer["error"] if "error" in answer else await world.letters(answer["access_token"]))
    assert found == [expected for _, _, expected in REFRESHED]


#: What ends with a day and is announced by nobody → what a token used before and after gives.
ENDS: list[tuple[dict[str, Any], str]] = [
    ({"convention_end": _TODAY}, ""),
    ({"convention_end": _TODAY + timedelta(days=1)}, "rw"),
    ({"purposes": _CHANGED, "reconsent_by": _TODAY}, "w"),
]


@pytest.mark.parametrize(("changes", "left"), ENDS, ids=["convention", "a longer one", "consent"])
async def test_a_token_in_use_ends_with_the_day(
    world: World, changes: dict[str, Any], left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifetimes, "ACCESS", 2 * 86_400)
    app = await world.register(CARNET, "public")
    code = answered(await world.asked(app, "patient", "all"))["code"]
    token = (await world.proven(app, "public", app.exchange(code))).json()["access_token"]
    await world.change(app, **changes)
    assert await world.letters(token) == "rw"
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(days=1)

    for module in (clients_catalogue, clients_rights):
        monkeypatch.setattr(module, "datetime", Tomorrow)
    assert await world.letters(token) == left


_SYSTEM = Purpose("agenda", "Lire les agendas", ("read",), (), "Coordonner.", "Un an", ("system/DocumentReference.rs",))
SERVICE = replace(CARNET, id="service", audience="professional", purposes=(_SYSTEM,))
#: Status, scope asked → scope granted, or the error.
SERVICES: list[tuple[Any, str, str]] = [
    ("EN_LIGNE", "system/DocumentReference.rs", "system/DocumentReference.rs"),
    ("EN_LIGNE", "system/*.cruds", "system/DocumentReference.rs"),
    ("EN_LIGNE", "system/*.read system/Patient.rs", "system/DocumentReference.rs"),
    ("EN_LIGNE", "system/Patient.rs", "invalid_scope"),
    ("EN_LIGNE", "patient/DocumentReference.rs", "invalid_scope"),
    ("EN_LIGNE", "user/DocumentReference.rs openid", "invalid_scope"),
    ("EN_LIGNE", "", "invalid_scope"),
    # No patient is in context, so that none is known to be invented.
    ("PRESERIE", "system/DocumentReference.rs", "invalid_scope"),
    ("HORS_LIGNE", "system/DocumentReference.rs", "invalid_client"),
    ("SUSPENDUE", "system/DocumentReference.rs", "invalid_client"),
    ("DEREFERENCEE", "system/DocumentReference.rs", "invalid_client"),
]


async def test_a_backend_service_gets_what_its_purposes_and_status_allow(world: World) -> None:
    kind = "confidential-asymmetric"
    found = []
    for status, scope, _ in SERVICES:
        app = await world.register(replace(SERVICE, status=status), kind, grants=("client_credentials",))
        answer = (await world.proven(app, kind, {"grant_type": "client_credentials", "scope": scope})).json()
        found.append(answer.get("error") or answer["scope"])
        if "access_token" in answer:
            token = answer["access_token"]
            assert (await world.space.fhir("GET", "DocumentReference/d-p1", token)).status_code == 200
            assert (await world.space.fhir("GET", "Patient/p1", token)).status_code == 403
    assert found == [expected for _, _, expected in SERVICES]


#: Kind of client, grant types it has, grant it tries → the error; a grant is for who has it and can prove it.
GRANTS: list[tuple[str, tuple[str, ...], str, str]] = [
    ("public", ("authorization_code",), "client_credentials", "invalid_client"),
    ("confidential-symmetric", ("authorization_code", "client_credentials"), "client_credentials", "invalid_client"),
    ("confidential-asymmetric", ("authorization_code",), "client_credentials", "unauthorized_client"),
    ("confidential-asymmetric", ("client_credentials",), "authorization_code", "unauthorized_client"),
    ("confidential-asymmetric", ("client_credentials",), "refresh_token", "unauthorized_client"),
    ("public", ("authorization_code",), "refresh_token", "unauthorized_client"),
]


async def test_a_grant_is_for_clients_that_have_it_and_can_prove_it(world: World) -> None:
    found = []
    for kind, grants, tried, _ in GRANTS:
        app = await world.register(CARNET, kind, grants=grants)
        form = {
            "grant_type": tried,
            "code": "a",
            "refresh_token": "a",
            "scope": "system/*.rs",
            "redirect_uri": CALLBACK,
        }
        form |= {"client_id": app.id} if kind == "public" else {}
        found.append((await world.proven(app, kind, form)).json()["error"])
    assert found == [expected for _, _, _, expected in GRANTS]


_DESK = Purpose("lire", "Lire le dossier", ("read",), (), "Soigner.", "Un an", ("patient/DocumentReference.rs",))
TOOL = replace(CARNET, id="tool", audience="professional", purposes=(_DESK,))
#: Status of a tool for professionals → what a doctor, and a patient, get of it on an invented patient.
TOOLS: list[tuple[Any, str, str]] = [
    ("EN_LIGNE", "r", "-"),
    ("PRESERIE", "r", "-"),
    ("HORS_LIGNE", "x", "x"),
    ("SUSPENDUE", "x", "x"),
    ("DEREFERENCEE", "x", "x"),
]


async def test_a_tool_for_professionals_asks_no_patient_and_is_for_nobody_else(world: World) -> None:
    found = []
    for status, _, _ in TOOLS:
        outcomes = []
        for caller in ("doctor", "patient"):
            app = await world.register(replace(TOOL, status=status), "public")
            answer = await world.asked(app, caller, "all", "launch/patient patient/DocumentReference.rs")
            outcomes.append(await world.outcome(app, "public", answer, "p1"))
        found.append((status, *outcomes))
    assert found == TOOLS
