"""An example of software without a person at it: an establishment's system reads documents (SMART Backend Services).

https://hl7.org/fhir/smart-app-launch/backend-services.html. It needs nothing of this project and may be copied: the
standard library of Python, and `joserfc` to sign. Three steps: find the token endpoint, prove who one is with a signed
statement that is used once, ask with the token.

    python -m fhir_server.demo.backend --base http://127.0.0.1:8080/fhir --key var/demo-key.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from joserfc import jwt
from joserfc.jwk import ECKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "system/Patient.rs system/DocumentReference.rs"


def main(arguments: list[str] | None = None) -> int:
    """Read the newest documents of a patient of that name."""
    asked = _options().parse_args(arguments)
    try:
        server = _answer(f"{asked.base}/.well-known/smart-configuration")
        signed = assertion(asked.client, server["token_endpoint"], json.loads(asked.key.read_text()), _person(asked))
        if asked.assertion:
            _say(signed)
            return 0
        token = _token(server["token_endpoint"], signed, asked.scope)
        _report(asked.base, token, asked.name)
    except HTTPError as error:
        print(f"{error.code} {error.url}: {error.read().decode()}", file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def assertion(client: str, token_endpoint: str, key: dict[str, Any], person: dict[str, str]) -> str:
    """The signed statement of who asks, good once and for two minutes.

    Args:
        client: client id.
        token_endpoint: whom it is for.
        key: private key (JWK, P-384).
        person: the professional on whose behalf it is, and why; {} for the software alone.
    """
    private = ECKey.import_key(key)
    now = int(time.time())
    claims = {
        "iss": client,
        "sub": client,
        "aud": token_endpoint,
        "exp": now + 120,
        "iat": now,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode({"alg": "ES384", "kid": key["kid"]}, {**claims, **person}, private, algorithms=["ES384"])


def _token(endpoint: str, signed: str, scope: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    answer = _answer(endpoint, form)
    _say(f"Token for {answer['expires_in']} s: {answer['scope']}")
    return str(answer["access_token"])


def _report(base: str, token: str, name: str) -> None:
    def search(type: str, **parameters: str) -> list[dict[str, Any]]:
        bundle = _answer(f"{base}/{type}?{urlencode(parameters)}", token=token)
        return [entry["resource"] for entry in bundle.get("entry", ())]

    for patient in search("Patient", name=name, _count="5"):
        known = patient["name"][0]
        _say(f"{' '.join(known['given'])} {known['family']}, born {patient.get('birthDate')}: Patient/{patient['id']}")
        for one in search("DocumentReference", patient=patient["id"], status="current", _sort="-date", _count="3"):
            _say(f"  {one.get('date', '')[:10]}  {one['type']['coding'][0].get('display', '')}")


def _answer(address: str, form: dict[str, str] | None = None, token: str = "") -> dict[str, Any]:
    """The JSON at an address; `form` is posted."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"} if token else {}
    body = urlencode(form).encode() if form is not None else None
    # The address is the one that the operator gives.
    with urlopen(Request(address, body, headers), timeout=30) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
    return found


def _person(asked: argparse.Namespace) -> dict[str, str]:
    given = {"rpps": asked.rpps, "purpose_of_use": asked.purpose, "reason": asked.reason}
    return {name: value for name, value in given.items() if value}


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description="Reads documents as an establishment's software does.")
    options.add_argument("--base", default="http://127.0.0.1:8080/fhir", help="FHIR base")
    options.add_argument("--client", default="demo-etablissement", help="client id")
    options.add_argument("--key", type=Path, default=Path("var/demo-key.json"), help="file with its private key (JWK)")
    options.add_argument("--scope", default=SCOPE, help="scopes asked for")
    options.add_argument("--name", default="Dupont", help="name of the patients looked for")
    options.add_argument("--rpps", default="", help="RPPS of the professional who asks, when one does")
    options.add_argument("--purpose", default="", help="TREAT, ETREAT or BTG")
    options.add_argument("--reason", default="", help="why, in words; needed for BTG")
    options.add_argument("--assertion", action="store_true", help="print the signed statement alone, for curl")
    return options


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
