"""Invented people whom the simulated providers know, and a browser that signs in with them."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.server.closed import Space, serving
from tests.smart.browser import Browser

INS_DEMO = "urn:oid:1.2.250.1.213.1.4.11"
FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition"
RPPS = "10003456789"


def a_patient(id: str = "p1", ins: str = "2850599100004", **changes: Any) -> dict[str, Any]:
    """A patient with a qualified INS: Angéla Claire LE GOFF-DEMO, born in Rennes."""
    return {
        "resourceType": "Patient",
        "id": id,
        "active": True,
        "extension": [
            {
                "url": f"{FR_CORE}/fr-core-identity-reliability",
                "extension": [{"url": "identityStatus", "valueCoding": {"code": "VALI"}}],
            },
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                "valueAddress": {
                    "extension": [{"url": f"{FR_CORE}/fr-core-address-insee-code", "valueCoding": {"code": "35238"}}]
                },
            },
        ],
        "identifier": [{"use": "official", "system": INS_DEMO, "value": ins}],
        "name": [
            {
                "use": "official",
                "family": "LE GOFF-DEMO",
                "given": ["Angéla"],
                "extension": [
                    {"url": f"{FR_CORE}/fr-core-patient-birth-list-given-name", "valueString": "Angéla Claire"}
                ],
            }
        ],
        "gender": "female",
        "birthDate": "1985-05-17",
        **changes,
    }


def a_related(id: str, ward: str, ins: str | None = None, **changes: Any) -> dict[str, Any]:
    """The same person as somebody who acts for `ward`."""
    return {
        "resourceType": "RelatedPerson",
        "id": id,
        "active": True,
        "identifier": [{"system": INS_DEMO, "value": ins}] if ins else [],
        "patient": {"reference": f"Patient/{ward}"},
        "name": [{"use": "official", "family": "LE GOFF-DEMO", "given": ["Angéla"]}],
        "gender": "female",
        "birthDate": "1985-05-17",
        **changes,
    }


def a_doctor(id: str = "d1", rpps: str = RPPS, **changes: Any) -> dict[str, Any]:
    """A professional with an RPPS."""
    return {
        "resourceType": "Practitioner",
        "id": id,
        "active": True,
        "identifier": [
            {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{rpps}"},
            {"system": "https://rpps.esante.gouv.fr", "value": rpps},
        ],
        "name": [{"use": "official", "family": "DEMO-MARTIN", "given": ["Claire"]}],
        "gender": "female",
        **changes,
    }


def an_exercise(id: str, doctor: str = "d1", **changes: Any) -> dict[str, Any]:
    """Where a professional works."""
    return {
        "resourceType": "PractitionerRole",
        "id": id,
        "active": True,
        "practitioner": {"reference": f"Practitioner/{doctor}"},
        "code": [{"coding": [{"code": id, "display": f"Exercice {id}"}]}],
        **changes,
    }


@asynccontextmanager
async def simulating(folder: Path, **settings: Any) -> AsyncIterator[Space]:
    """A server with its simulators."""
    async with serving(folder, simulators=True, **settings) as space:
        yield space


def links(page: httpx.Response) -> dict[str, str]:
    """Provider id → the address of its link on a sign-in page."""
    found = re.findall(r'href="([^"]*/auth/with/([a-z]+)\?[^"]*)"', page.text)
    return {provider: html.unescape(address) for address, provider in found}


async def sent(browser: Browser, page: httpx.Response, provider: str) -> httpx.Response:
    """The redirection to the provider, not followed."""
    return await browser.http.get(links(page)[provider])


async def chosen(browser: Browser, page: httpx.Response, person: str, **fields: str) -> httpx.Response:
    """The redirection that brings the person back from the simulator, not followed."""
    action = html.unescape(re.findall(r'<form method="post" action="([^"]+)"', page.text)[-1])
    return await browser.http.post(action, data={"person": person, **fields})


async def with_provider(
    browser: Browser, page: httpx.Response, provider: str, person: str, **fields: str
) -> httpx.Response:
    """What a sign-in page leads to when the person is chosen at the provider's."""
    there = await sent(browser, page, provider)
    choice = await browser.http.get(there.headers["location"])
    back = await chosen(browser, choice, person, **fields)
    return await browser._followed(back)
