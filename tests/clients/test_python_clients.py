"""Python's SMART and FHIR clients complete launches against the served server, and read, search, write and refresh.

https://hl7.org/fhir/smart-app-launch/app-launch.html, https://github.com/smart-on-fhir/client-py,
https://github.com/beda-software/fhir-py
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

from tests.clients.conftest import weight
from tests.clients.walking import Person
from tests.server.process import Served

CALLBACK = "http://127.0.0.1:9/callback"
SCOPES = "openid fhirUser profile launch launch/patient offline_access patient/*.cruds user/*.rs"


@pytest.mark.parametrize("secret", ["", "a-secret-of-the-confidential-app"], ids=["public", "confidential"])
def test_fhirclient_launches_standalone_reads_searches_writes_and_refreshes(served: Served, secret: str) -> None:
    id = f"py-{'confidential' if secret else 'public'}"
    served.register(id, CALLBACK, SCOPES, secret)
    asked = {
        "app_id": id,
        "api_base": served.base,
        "redirect_uri": CALLBACK,
        "scope": "openid fhirUser offline_access patient/*.cruds",
    }
    smart = FHIRClient(settings={**asked, **({"app_secret": secret} if secret else {})})
    with Person(served.root, "nathalie") as person:
        smart.handle_callback(person.go(smart.authorize_url))
        assert person.seen == ["sign-in", "consent"]
    assert smart.ready and smart.patient_id == "p1"
    assert smart.patient is not None and smart.patient.name[0].family == "DEMO"
    search = Observation.where({"code": "http://loinc.org|29463-7", "_sort": "date", "_count": "2"})
    assert [one.id for one in search.perform_resources_iter(smart.server)][:5] == ["w1", "w2", "w3", "w4", "w5"]
    written = Observation({**weight("x", "p1", 71.5, 20), "id": None}).create(smart.server)
    assert written["valueQuantity"]["value"] == 71.5
    with pytest.raises(FHIRNotFoundException):
        Patient.read("p2", smart.server)
    before = smart.server.auth.access_token
    smart.reauthorize()
    assert smart.server.auth.access_token != before
    assert Patient.read("p1", smart.server).id == "p1"


def test_fhirclient_is_launched_from_the_record_on_the_patient_at_hand(served: Served) -> None:
    served.register("py-ehr", CALLBACK, SCOPES, launch_uri="http://127.0.0.1:9/launch")
    with Person(served.root, "docteur") as person:
        opened = urlsplit(person.open("py-ehr", "p2"))
        given = dict(parse_qsl(opened.query))
        assert opened.path == "/launch"
        smart = FHIRClient(
            settings={
                "app_id": "py-ehr",
                "api_base": given["iss"],
                "redirect_uri": CALLBACK,
                "scope": "patient/*.rs",
                "launch_token": given["launch"],
            }
        )
        smart.handle_callback(person.go(smart.authorize_url))
    assert smart.launch_context is not None and smart.launch_context["need_patient_banner"] is False
    assert smart.patient is not None and smart.patient.name[0].family == "TEST"


def test_fhirclient_without_a_token_is_told_to_get_one(served: Served) -> None:
    smart = FHIRClient(settings={"app_id": "py-none", "api_base": served.base})
    with pytest.raises(FHIRUnauthorizedException):
        Patient.read("p1", smart.server)


def _tokens(served: Served, id: str, scope: str) -> dict[str, Any]:
    """A launch by hand, for a library that leaves authorization to its user."""
    verifier = secrets.token_urlsafe(48)
    known = httpx.get(f"{served.base}/.well-known/smart-configuration").json()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": id,
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": "s",
        "aud": served.base,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    with Person(served.root, "nathalie") as person:
        back = parse_qs(urlsplit(person.go(f"{known['authorization_endpoint']}?{urlencode(asked)}")).query)
    form = {
        "grant_type": "authorization_code",
        "code": back["code"][0],
        "redirect_uri": CALLBACK,
        "client_id": id,
        "code_verifier": verifier,
    }
    return dict(httpx.post(known["token_endpoint"], data=form).json())


def test_fhirpy_reads_searches_pages_writes_and_deletes_with_the_token_of_a_launch(served: Served) -> None:
    served.register("fhirpy", CALLBACK, SCOPES)
    tokens = _tokens(served, "fhirpy", "launch/patient offline_access patient/*.cruds")
    client = SyncFHIRClient(served.base, authorization=f"Bearer {tokens['access_token']}")
    assert client.reference("Patient", tokens["patient"]).to_resource()["name"][0]["family"] == "DEMO"
    weights = client.resources("Observation").search(code="29463-7").sort("date").limit(2)
    assert {one["subject"]["reference"] for one in weights.fetch_all()} == {"Patient/p1"}
    assert weights.search(date__lt="2026-05-03").count() == 2
    new = {name: value for name, value in weight("x", "p1", 72.5, 21).items() if name not in ("id", "resourceType")}
    mine = client.resource("Observation", **new)
    mine.save()
    mine["valueQuantity"]["value"] = 72.4
    mine.save()
    assert mine["meta"]["versionId"] == "2"
    assert client.resources("Observation").search(_id=mine.id).get()["valueQuantity"]["value"] == 72.4
    # What it calls a conditional create puts the criteria into the URL of a POST, where R4 has nobody read them.
    with pytest.raises(OperationOutcome, match="If-None-Exist"):
        client.resources("Observation").search(_id=mine.id).get_or_create(client.resource("Observation", **new))
    mine.delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Observation", mine.id).to_resource()
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", "p2").to_resource()
    with pytest.raises(OperationOutcome):
        client.resource("Observation", status="final").save()


async def test_fhirpy_async_goes_on_with_a_refreshed_token(served: Served) -> None:
    await asyncio.to_thread(served.register, "fhirpy-async", CALLBACK, SCOPES)
    tokens = await asyncio.to_thread(_tokens, served, "fhirpy-async", "launch/patient offline_access patient/*.rs")
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": "fhirpy-async"}
    async with httpx.AsyncClient() as http:
        fresh = (await http.post(f"{served.root}/auth/token", data=form)).json()
    client = AsyncFHIRClient(served.base, authorization=f"Bearer {fresh['access_token']}")
    found = await client.resources("Observation").search(patient="p1").include("Observation", "subject").fetch_raw()
    assert {entry.resource.resource_type for entry in found.entry} == {"Observation", "Patient"}
