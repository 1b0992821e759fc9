"""npm's SMART and FHIR clients, as apps on servers of their own, complete launches against the served server.

https://hl7.org/fhir/smart-app-launch/app-launch.html, https://github.com/smart-on-fhir/client-js,
https://github.com/Vermonster/fhir-kit-client
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.clients.conftest import weight
from tests.clients.install import WHY_NOT, modules
from tests.clients.walking import Person
from tests.server.process import Served

pytestmark = pytest.mark.skipif(modules() is None, reason=WHY_NOT)
SCRIPTS = Path(__file__).parent / "js"
SCOPES = "openid fhirUser profile launch launch/patient offline_access patient/*.cruds user/*.rs"
ASKED = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.cruds"
SECRET = "a-secret-of-the-confidential-app"
WEIGHTS = ["w1", "w2", "w3", "w4", "w5"]


@contextmanager
def running(script: str, configuration: dict[str, Any]) -> Iterator[str]:
    """The address of an app while it runs."""
    environment = {**os.environ, "NODE_PATH": str(modules() / "node_modules")}  # type: ignore[operator]
    command = ["node", str(SCRIPTS / script), json.dumps(configuration)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def told(app: str, start: str, person: Person) -> dict[str, Any]:
    """What the app says once the person it sent to the server is back."""
    with httpx.Client(timeout=240) as http:
        sent = http.get(start)
        assert sent.is_redirect, sent.text
        back = person.go(sent.headers["location"])
        assert back.startswith(f"{app}/callback?"), back
        answer = http.get(back)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def a_weight() -> dict[str, Any]:
    return {name: value for name, value in weight("x", "p1", 73.1, 22).items() if name != "id"}


@pytest.mark.parametrize("script", ["fhirclient_app.cjs", "fhir_kit_app.mjs"])
@pytest.mark.parametrize("secret", ["", SECRET], ids=["public", "confidential"])
def test_an_app_launches_standalone_reads_searches_writes_and_refreshes(
    served: Served, script: str, secret: str
) -> None:
    id = f"{script.partition('.')[0]}-{'confidential' if secret else 'public'}"
    configuration = {"clientId": id, "scope": ASKED, "iss": served.base, "weight": a_weight()}
    with running(script, configuration | ({"clientSecret": secret} if secret else {})) as app:
        served.register(id, f"{app}/callback", SCOPES, secret)
        with Person(served.root, "nathalie") as person:
            said = told(app, f"{app}/launch", person)
    assert (said["patient"], said["weights"][:5], said["refreshed"], said["other"]) == ("p1", WEIGHTS, True, 404)
    assert said["created"] not in WEIGHTS


@pytest.mark.parametrize("script", ["fhirclient_app.cjs", "fhir_kit_app.mjs"])
def test_an_app_is_launched_from_the_record_on_the_patient_at_hand(served: Served, script: str) -> None:
    id = f"{script.partition('.')[0]}-ehr"
    with running(script, {"clientId": id, "scope": "openid fhirUser launch patient/*.rs", "iss": served.base}) as app:
        served.register(id, f"{app}/callback", SCOPES, launch_uri=f"{app}/launch")
        with Person(served.root, "docteur") as person:
            said = told(app, person.open(id, "p1"), person)
    assert (said["patient"], said["weights"][:5], said["other"]) == ("p1", WEIGHTS, 404)
    assert script != "fhirclient_app.cjs" or (said["user"], said["banner"]) == ("Practitioner", False)


def test_an_app_proves_who_it_is_with_its_key(served: Served) -> None:
    key = ECKey.generate_key("P-384")
    named = {"kid": "app-1", "use": "sig", "alg": "ES384"}
    private = {**key.as_dict(private=True), **named, "key_ops": ["sign"]}
    configuration = {
        "clientId": "js-key",
        "scope": "launch/patient openid fhirUser patient/*.rs",
        "iss": served.base,
        "clientPrivateJwk": private,
    }
    with running("fhirclient_app.cjs", configuration) as app:
        jwks = {"keys": [{**key.as_dict(private=False), **named}]}
        served.register("js-key", f"{app}/callback", SCOPES, kind="confidential-asymmetric", jwks=jwks)
        with Person(served.root, "nathalie") as person:
            said = told(app, f"{app}/launch", person)
    assert (said["patient"], said["user"], said["other"]) == ("p1", "Patient", 404)
