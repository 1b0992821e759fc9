"""The invented catalogue follows our own profiles and is what the server itself reads.

https://fhir-server.example/StructureDefinition/ens-app, https://fhir-server.example/StructureDefinition/ens-consent-purpose
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.access import scopes
from fhir_server.fhir.json import parse, serialize
from fhir_server.space.catalogue import apps, decisions
from fhir_server.space.population.generation import population
from fhir_server.validation.profiles import Profiles
from fhir_server.validation.validator import Validator


@pytest.fixture(scope="module")
def everything() -> list[dict[str, Any]]:
    return [r for r in population(120, 1) if r["resourceType"] in ("Device", "Consent", "Person", "Organization")]


def of(everything: list[dict[str, Any]], type: str) -> list[dict[str, Any]]:
    found = [r for r in everything if r["resourceType"] == type]
    assert found
    return found


@pytest.mark.parametrize("type", ["Device", "Consent", "Person"])
def test_each_resource_conforms_to_the_profile_it_claims(everything: list[dict[str, Any]], type: str) -> None:
    validator = Validator(Profiles())
    for resource in of(everything, type):
        issues = validator.validate(parse(serialize(resource)))
        assert not [one for one in issues if one.severity in ("error", "fatal")], (resource["id"], issues)


def test_a_device_is_read_as_the_app_it_was_written_from(everything: list[dict[str, Any]]) -> None:
    for device in of(everything, "Device"):
        app = apps.read(device)
        assert apps.written(app, device) == device and apps.is_app(device)
        assert app.client and app.publisher.startswith("Organization/") and (app.purposes or not app.exchanges)


def test_every_purpose_expands_to_scopes_that_this_server_reads(everything: list[dict[str, Any]]) -> None:
    for device in of(everything, "Device"):
        app = apps.read(device)
        for purpose in app.purposes:
            assert purpose.justification and purpose.retention and purpose.scopes
            levels = {found.level for one in purpose.scopes if (found := scopes.read(one)) is not None}
            assert len([one for one in purpose.scopes if scopes.read(one)]) == len(purpose.scopes)
            assert app.audience == "professional" or levels == {"patient"}


def test_a_consent_is_to_a_purpose_that_its_app_has(everything: list[dict[str, Any]]) -> None:
    known = {device["id"]: apps.read(device) for device in of(everything, "Device")}
    permits = set()
    for consent in of(everything, "Consent"):
        device, purpose, decision = decisions.read(consent)
        found = known[device].purpose(purpose)
        patient = consent["patient"]["reference"].removeprefix("Patient/")
        assert found is not None and decision.terms == found.terms
        assert consent["id"] == decisions.consent_id(patient, device, purpose)
        permits.add(consent["status"])
    assert permits == {"active", "rejected", "inactive"}


def test_no_two_apps_of_two_populations_share_a_client_id() -> None:
    one, other = (
        {apps.read(r).client for r in population(0, seed) if r["resourceType"] == "Device"} for seed in (1, 2)
    )
    assert one and not one & other
