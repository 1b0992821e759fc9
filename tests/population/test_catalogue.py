"""The invented catalogue follows our own profiles and is what the server itself reads.

https://fhir-server.example/StructureDefinition/ens-app, https://fhir-server.example/StructureDefinition/ens-consent-purpose
"""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any, get_args

import pytest

from fhir_server.access import scopes
from fhir_server.fhir.json import parse, serialize
from fhir_server.population.generation import population
from fhir_server.space.catalogue import apps, consent_resource, dossiers
from fhir_server.space.catalogue.completeness import lacking, unverified
from fhir_server.space.catalogue.criteria import criteria
from fhir_server.space.catalogue.dossiers import Dossier
from fhir_server.space.catalogue.steps import rows
from fhir_server.space.record import choices
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator


@pytest.fixture(scope="module")
def everything() -> list[dict[str, Any]]:
    return [
        r
        for r in population(120, 1)
        if r["resourceType"] in ("Device", "Consent", "Person", "Organization", "Task", "Binary")
    ]


def of(everything: list[dict[str, Any]], type: str) -> list[dict[str, Any]]:
    found = [r for r in everything if r["resourceType"] == type]
    assert found
    return found


@pytest.mark.parametrize("type", ["Device", "Consent", "Person", "Organization", "Task"])
def test_each_resource_conforms_to_the_profile_it_claims(everything: list[dict[str, Any]], type: str) -> None:
    validator = Validator(Profiles())
    for resource in of(everything, type):
        issues = validator.validate(parse(serialize(resource)))
        assert not [one for one in issues if one.severity in ("error", "fatal")], (resource["id"], issues)


def test_a_device_is_read_as_the_app_it_was_written_from(everything: list[dict[str, Any]]) -> None:
    for device in of(everything, "Device"):
        app = apps.from_device(device)
        assert apps.to_device(app, device) == device and apps.is_app(device)
        assert app.client and app.publisher.startswith("Organization/") and (app.purposes or not app.exchanges)


def test_every_purpose_expands_to_scopes_that_this_server_reads(everything: list[dict[str, Any]]) -> None:
    for device in of(everything, "Device"):
        app = apps.from_device(device)
        for purpose in app.purposes:
            assert purpose.justification and purpose.retention and purpose.scopes
            levels = {found.level for one in purpose.scopes if (found := scopes.read(one)) is not None}
            assert len([one for one in purpose.scopes if scopes.read(one)]) == len(purpose.scopes)
            assert app.audience == "professional" or levels == {"patient"}


def test_a_consent_is_to_a_purpose_that_its_app_has(everything: list[dict[str, Any]]) -> None:
    known = {device["id"]: apps.from_device(device) for device in of(everything, "Device")}
    permits = set()
    for consent in of(everything, "Consent"):
        if choices.from_consent(consent) is not None:
            continue  # One of the record, to no app.
        device, purpose, decision = consent_resource.from_consent(consent)
        found = known[device].purpose(purpose)
        patient = consent["patient"]["reference"].removeprefix("Patient/")
        assert found is not None and decision.terms == found.terms
        assert consent["id"] == consent_resource.consent_id(patient, device, purpose)
        permits.add(consent["status"])
    assert permits == {"active", "rejected", "inactive"}


def test_no_two_apps_of_two_populations_share_a_client_id() -> None:
    one, other = (
        {apps.from_device(r).client for r in population(0, seed) if r["resourceType"] == "Device"} for seed in (1, 2)
    )
    assert one and not one & other


def files(everything: list[dict[str, Any]]) -> list[Dossier]:
    return [
        dossiers.from_task(one) for one in of(everything, "Task") if one["code"]["coding"][0]["code"] == "referencing"
    ]


def test_files_stand_in_every_state_that_somebody_works_on(everything: list[dict[str, Any]]) -> None:
    states = {one.state for one in files(everything)}
    assert states == set(get_args(dossiers.State)) - {"superseded"}


def test_each_file_took_steps_that_the_workflow_has_by_staff_of_the_duty(everything: list[dict[str, Any]]) -> None:
    people = {f"Person/{one['id']}": one for one in of(everything, "Person")}
    for dossier in files(everything):
        first, *others = dossier.steps
        assert (first.step, first.after) == ("file", "filed")
        for before, taken in pairwise(dossier.steps):
            assert taken.before == before.after and taken.at > before.at
        for taken in others:
            [way] = [one for one in rows(taken.step) if taken.before in one.sources and one.duty == taken.duty]
            assert way.target == taken.after and bool(taken.reason) >= way.reasoned
        for taken in dossier.steps:
            own = people[taken.by].get("managingOrganization", {}).get("reference")
            assert own == (dossier.publisher if taken.duty == "publisher" else None)


def test_the_app_of_a_file_has_the_status_that_its_state_gives(everything: list[dict[str, Any]]) -> None:
    known = {device["id"]: apps.from_device(device) for device in of(everything, "Device")}
    status = {"signed": "EN_LIGNE", "suspended": "SUSPENDUE", "offline": "HORS_LIGNE", "dereferenced": "DEREFERENCEE"}
    for dossier in files(everything):
        assert known[dossier.app].publisher == dossier.publisher
        if dossier.state in status:
            assert known[dossier.app].status == status[dossier.state]
            assert known[dossier.app].version == dossier.proposed.version
    assert {one.app for one in files(everything)} == known.keys()


def test_a_file_lacks_nothing_that_filing_it_would_ask_for(everything: list[dict[str, Any]]) -> None:
    for dossier in files(everything):
        assert lacking(dossier, None) == []
        if "verify" in {one.step for one in dossier.steps}:
            assert unverified(dossier.results, criteria(dossier.proposed.exchanges), passing=True) == []


def test_an_assessment_is_a_pdf_judged_by_its_file(everything: list[dict[str, Any]]) -> None:
    kept = {f"Binary/{one['id']}": one for one in of(everything, "Binary")}
    for dossier in files(everything):
        assert bool(dossier.dpia) is dossier.proposed.exchanges
        if dossier.dpia:
            binary = kept[dossier.dpia["url"]]
            data = base64.b64decode(binary["data"])
            assert binary["securityContext"]["reference"] == f"Task/{dossier.id}"
            assert data.startswith(b"%PDF-") and data.endswith(b"%%EOF\n") and len(data) == dossier.dpia["size"]
            assert data[int(data.rsplit(b"startxref\n", 1)[1].split()[0]) :].startswith(b"xref\n0 6\n")
