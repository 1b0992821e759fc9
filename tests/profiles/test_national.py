"""The national profiles and ours: a valid resource of each, and for each rule one change that breaks it and no other.

PDSm https://interop.esante.gouv.fr/ig/fhir/pdsm, FR Core https://hl7.fr/ig/fhir/core, IHE MHD
https://profiles.ihe.net/ITI/MHD, care team …/ig/fhir/cds, measures …/ig/fhir/mesures, agenda …/ig/fhir/gap
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles.conformance import tried
from fhir_server.validation.profiles.registry import Profiles, check
from fhir_server.validation.shipped import resources, shipped, supported
from fhir_server.validation.validator import Validator, validate
from tests.profiles import resources as r
from tests.profiles.judging import ASIDE, JUDGE, Rule, errors, said, valid
from tests.profiles.resources import changed, concept, nos, reliability

VALID = valid(r)


@pytest.mark.parametrize("name", VALID)
def test_a_valid_resource_of_each_profile_passes_without_a_word(name: str):
    assert said(VALID[name]) == []


D, P, L, B, C = "DocumentReference", "Patient", "List", "Bundle", "Communication"
OTHER = concept("http://example.org/codes", "x")
NIA = {"use": "temp", "system": "urn:oid:1.2.250.1.213.1.4.9", "value": "269054958815780"}
HOLDER = {"reference": "Patient/2"}
RULES: list[Rule] = [
    # PDSm comprehensive
    (
        r.DOCUMENT,
        "modifierExtension",
        [{"url": "http://x", "valueBoolean": True}],
        "cardinality-max",
        f"{D}.modifierExtension",
    ),
    (r.DOCUMENT, "masterIdentifier", None, "cardinality-min", f"{D}.masterIdentifier"),
    (r.DOCUMENT, "masterIdentifier.value", "1.2.3", "pdsm-unique-id", f"{D}.masterIdentifier"),
    (r.DOCUMENT, "docStatus", "final", "cardinality-max", f"{D}.docStatus"),
    (r.DOCUMENT, "type", None, "cardinality-min", f"{D}.type"),
    (r.DOCUMENT, "type", OTHER, "pdsm-type", f"{D}.type"),
    (r.DOCUMENT, "category", None, "cardinality-min", f"{D}.category"),
    (r.DOCUMENT, "category.0", OTHER, "pdsm-category", f"{D}.category[0]"),
    (r.DOCUMENT, "category.1", concept(nos("TRE_A03-ClasseDocument"), "11"), "cardinality-max", f"{D}.category"),
    (r.DOCUMENT, "subject", None, "cardinality-min", f"{D}.subject"),
    (r.DOCUMENT, "subject", {"reference": "Group/1"}, "reference-target", f"{D}.subject.reference"),
    (r.DOCUMENT, "date", None, "cardinality-min", f"{D}.date"),
    (r.DOCUMENT, "author.1", {"reference": "Practitioner/1"}, "reference-aggregation", f"{D}.author[1].reference"),
    (
        r.DOCUMENT,
        "authenticator",
        {"reference": "Practitioner/1"},
        "reference-aggregation",
        f"{D}.authenticator.reference",
    ),
    (r.DOCUMENT, "custodian", None, "cardinality-min", f"{D}.custodian"),
    (r.DOCUMENT, "securityLabel", None, "cardinality-min", f"{D}.securityLabel"),
    (r.DOCUMENT, "content.1", r.DOCUMENT["content"][0], "cardinality-max", f"{D}.content"),
    *[
        (r.DOCUMENT, f"content.0.attachment.{name}", None, "cardinality-min", f"{D}.content[0].attachment.{name}")
        for name in ("contentType", "language", "url", "size", "hash", "title", "creation")
    ],
    (r.DOCUMENT, "content.0.attachment.data", "YWJj", "cardinality-max", f"{D}.content[0].attachment.data"),
    (r.DOCUMENT, "content.0.attachment.hash", "YWJj", "pdsm-hash", f"{D}.content[0].attachment.hash"),
    (r.DOCUMENT, "content.0.format", None, "cardinality-min", f"{D}.content[0].format"),
    (r.DOCUMENT, "content.0.format.system", "http://example.org/codes", "pdsm-format", f"{D}.content[0].format"),
    (r.DOCUMENT, "context.period", None, "cardinality-min", f"{D}.context.period"),
    (r.DOCUMENT, "context.period", {"end": "2024"}, "cardinality-min", f"{D}.context.period.start"),
    (r.DOCUMENT, "context.facilityType", None, "cardinality-min", f"{D}.context.facilityType"),
    (r.DOCUMENT, "context.facilityType", OTHER, "pdsm-facility", f"{D}.context.facilityType"),
    (r.DOCUMENT, "context.practiceSetting", OTHER, "pdsm-practice", f"{D}.context.practiceSetting"),
    (
        r.DOCUMENT,
        "context.related",
        [{"identifier": {"type": concept("urn:ietf:rfc:3986", "x"), "value": "1"}}],
        "pdsm-reference-id",
        f"{D}.context.related[0].identifier.type",
    ),
    (
        r.DOCUMENT,
        "context.related",
        [{"identifier": {"type": concept("urn:ietf:rfc:3986", "urn:ihe:iti:xds:2013:order")}}],
        "cardinality-min",
        f"{D}.context.related[0].identifier.value",
    ),
    # PDSm simplified
    (r.SIMPLE, "status", "superseded", "fixed-value", f"{D}.status"),
    (r.SIMPLE, "custodian", None, "cardinality-min", f"{D}.custodian"),
    (r.SIMPLE, "author", None, "cardinality-min", f"{D}.author"),
    (r.SIMPLE, "content.0.attachment.url", "http://example.org/1", "cardinality-max", f"{D}.content[0].attachment.url"),
    (r.SIMPLE, "content.0.attachment.title", None, "cardinality-min", f"{D}.content[0].attachment.title"),
    (r.SIMPLE, "content.0.attachment.contentType", None, "cardinality-min", f"{D}.content[0].attachment.contentType"),
    # Lists
    (r.SUBMISSION, "extension.1.url", "http://example.org/other", "cardinality-min", f"{L}.extension"),
    (r.SUBMISSION, "extension.0.valueCodeableConcept", OTHER, "pdsm-designation", f"{L}.extension[0]"),
    (r.SUBMISSION, "status", "retired", "pattern-value", f"{L}.status"),
    (r.SUBMISSION, "mode", "snapshot", "pattern-value", f"{L}.mode"),
    (r.SUBMISSION, "code", concept(r.LIST_TYPES, "folder"), "pattern-value", f"{L}.code"),
    (r.SUBMISSION, "orderedBy", {"text": "x"}, "cardinality-max", f"{L}.orderedBy"),
    (r.FOLDER, "title", None, "cardinality-min", f"{L}.title"),
    (r.FOLDER, "entry", None, "cardinality-min", f"{L}.entry"),
    (r.FOLDER, "source", {"reference": "Device/1"}, "cardinality-max", f"{L}.source"),
    # The lot
    (r.LOT, "type", "batch", "pattern-value", f"{B}.type"),
    (r.LOT, "entry.0.request.method", "PUT", "pdsm-bundle-method", f"{B}.entry[0].request.method"),
    (r.LOT, "entry.2", r.entry({"resourceType": "Basic", "code": {"text": "x"}}), "pdsm-bundle-closed", B),
    (r.LOT, "entry.1.resource.custodian", None, "cardinality-min", f"{B}.entry[1].resource.custodian"),
    # FR Core
    (r.PATIENT, "gender", None, "cardinality-min", f"{P}.gender"),
    (r.PATIENT, "gender", "other", "fr-core-ins-gender", P),
    (r.PATIENT, "birthDate", None, "cardinality-min", f"{P}.birthDate"),
    (r.PATIENT, "name.0.family", None, "cardinality-min", f"{P}.name[0].family"),
    (r.PATIENT, "name.1", r.PATIENT["name"][0], "cardinality-max", f"{P}.name"),
    (r.PATIENT, "identifier.0.use", "temp", "fr-core-ins-use", f"{P}.identifier[0].use"),
    (
        r.PATIENT,
        "identifier.0.type",
        concept(r.CORE + "fr-core-cs-v2-0203", "INS-NIR"),
        "pattern-value",
        f"{P}.identifier[0].type",
    ),
    (r.PATIENT, "identifier.0.value", "2690549588157", "fr-core-ins-value", f"{P}.identifier[0].value"),
    (r.PATIENT, "identifier.1", NIA, "fr-core-2", P),
    (r.PATIENT, "extension.0", reliability("AUTRE"), "fr-core-identity-status", f"{P}.extension[0].extension[0].value"),
    (r.PATIENT, "extension.0", reliability("VALI", "DOUT"), "fr-core-identity-1", f"{P}.extension[0]"),
    (r.PRACTITIONER, "identifier.0.value", "9970021", "fr-core-rpps", "Practitioner.identifier[0].value"),
    (r.PRACTITIONER, "identifier.1", r.PRACTITIONER["identifier"][0], "cardinality-max", "Practitioner.identifier"),
    (r.ORGANIZATION, "identifier.0.value", "9750000001", "fr-core-idnatst", "Organization.identifier[0].value"),
    (r.ORGANIZATION, "identifier.1.value", "75", "fr-core-finess", "Organization.identifier[1].value"),
    (r.ORGANIZATION, "identifier.2.value", "75", "fr-core-organization-sirene", "Organization"),
    (r.PROCHE, "identifier", None, "cardinality-min", "RelatedPerson.identifier"),
    (r.SCHEDULE, "serviceType", [{"text": "x"}], "cardinality-max", "Schedule.serviceType"),
    (
        r.SCHEDULE,
        "extension.0.extension.1.valueCoding.code",
        "x",
        "fr-core-availability-type",
        "Schedule.extension[0].extension[1].value",
    ),
    (r.SCHEDULE, "extension.0.extension.0.url", "other", "cardinality-min", "Schedule.extension[0].extension"),
    (r.APPOINTMENT, "specialty.0", OTHER, "fr-core-appointment-specialty", "Appointment.specialty[0]"),
    # Care team
    (r.TEAM, "name", None, "cardinality-min", "CareTeam.name"),
    (r.TEAM, "period.start", "2024", "", ""),
    (r.TEAM, "participant.0.member", None, "cardinality-min", "CareTeam.participant[0].member"),
    # Ours
    (r.MESSAGE, "sender", HOLDER, "ens-message-close", C),
    (r.MESSAGE, "payload", None, "cardinality-min", f"{C}.payload"),
    (r.MESSAGE, "category", None, "cardinality-min", f"{C}.category"),
    (r.MESSAGE, "topic.text", "x" * 201, "ens-message-topic", C),
    (r.MESSAGE, "payload.0.contentString", "x" * 20_001, "ens-message-text", C),
    (r.MESSAGE, "status", "in-progress", "ens-message-status", C),
    (r.MESSAGE, "inResponseTo", [{"reference": "Communication/1"}], "ens-message-thread", C),
    (r.MESSAGE, "identifier", [{"system": "urn:x", "value": "1"}], "ens-message-identifier", C),
    (changed(r.MESSAGE, "extension"), "sender", HOLDER, "ens-message-people", C),
    (r.APP, "extension.0.valueCode", "x", "ens-app-status", "Device.extension[0]"),
    (r.APP, "owner", None, "cardinality-min", "Device.owner"),
    (r.APP, "patient", {"reference": "Patient/1"}, "cardinality-max", "Device.patient"),
    (
        r.APP,
        "extension.1.extension.1.valueCode",
        "delete",
        "ens-purpose-action",
        "Device.extension[1].extension[1].value",
    ),
    (r.APP_VERSION, "version", None, "cardinality-min", "DeviceDefinition.version"),
    (r.CONSENT, "provision.type", "deny", "fixed-value", "Consent.provision.type"),
    (r.CONSENT, "provision.actor.0.reference", {"reference": "Patient/1"}, "ens-consent-app", "Consent"),
    (r.OPPOSITION, "provision.type", "permit", "fixed-value", "Consent.provision.type"),
    (r.CLOSURE, "provision.period", None, "cardinality-min", "Consent.provision.period"),
]


@pytest.mark.parametrize(("tree", "path", "value", "key", "at"), RULES)
def test_one_change_breaks_one_rule(tree: dict[str, Any], path: str, value: Any, key: str, at: str):
    found = errors(changed(tree, path, value))
    assert (key, at) in found if key else found == set()


def test_a_matricule_may_name_a_department_of_corsica():
    assert said(changed(r.PATIENT, "identifier.0.value", "119092A00400181")) == []


def test_an_identity_that_is_validated_has_an_ins():
    """FR Core fr-core-1."""
    tree = changed(r.PATIENT, "identifier.0", {"system": "http://example.org/ipp", "value": "1"})
    assert {key for key, _ in errors(tree)} == {"fr-core-1", "fr-core-2"}
    assert errors(changed(tree, "extension.0", reliability("PROV"))) == set()


def test_a_document_whose_class_is_not_its_type_s_is_taken_with_a_warning():
    tree = changed(r.DOCUMENT, "category.0", concept(nos("TRE_A03-ClasseDocument"), "11"))
    assert errors(tree) == set()
    assert "pdsm-type-class" in {i.key for i in JUDGE.validate(tree) if i.severity == "warning"}


def test_every_profile_that_comes_with_the_server_is_a_valid_one():
    profiles = Profiles()
    found = list(resources("StructureDefinition"))
    for definition in found:
        check(definition, profiles)
        tried(definition, profiles)
        assert shipped(definition["url"]) == definition
    wrong = {
        (tree["url"], i.key)
        for tree in resources("StructureDefinition", "CodeSystem", "ValueSet")
        for i in validate(tree)
        if (i.key, i.profile) not in ASIDE
    }
    assert len(found) > 40
    assert wrong == set()


def test_the_profiles_of_each_type_are_listed():
    assert r.PDSM + "pdsm-simplified-publish" in supported()["DocumentReference"]
    assert "Extension" not in supported()


#: Level of the profile → what a document without custodian is.
@pytest.mark.parametrize(
    ("table", "client", "severity"),
    [
        ({}, "", "error"),
        ({"*": "lenient"}, "", "warning"),
        ({"*": "off"}, "", None),
        ({r.PDSM + "pdsm-comprehensive-document-reference": "lenient"}, "", "warning"),
        ({r.PDSM + "pdsm-simplified-publish": "lenient"}, "", "error"),
        ({"*@gateway": "lenient"}, "gateway", "warning"),
        ({"*@gateway": "lenient"}, "other", "error"),
        ({"*": "off", "*@gateway": "strict"}, "gateway", "error"),
    ],
)
def test_a_profile_is_held_to_as_strictly_as_its_level_says(table: Any, client: str, severity: str | None):
    judge = Validator(Profiles(), levels=Levels(table)).for_client(client)
    tree = changed(r.DOCUMENT, "custodian")
    found = [i.severity for i in judge.validate(tree) if i.key == "cardinality-min"]
    assert found == ([severity] if severity else [])


def test_lenient_is_said_rule_by_rule():
    judge = Validator(Profiles(), levels=Levels({"*": "lenient"}))
    assert ("cardinality-min", "DocumentReference.date") in errors(changed(r.DOCUMENT, "date"), judge)


def _rpps(first: str) -> str:
    """A number of eleven digits with its key by Luhn."""
    doubled = [int(d) * 2 if n % 2 else int(d) for n, d in enumerate(first + "0")]
    return first + str(-sum(d // 10 + d % 10 for d in doubled) % 10)


@pytest.mark.parametrize("first", ["9970021889", "1234567890", "0000000000", "9999999999", "1010101010"])
def test_the_key_of_an_rpps_is_that_of_luhn(first: str):
    right = _rpps(first)
    for last in "0123456789":
        tree = changed(r.PRACTITIONER, "identifier.0.value", first + last)
        keys = {issue.key for issue in Validator(Profiles()).validate(tree)}
        assert ("fr-core-rpps-luhn" in keys) == (first + last != right)


def test_no_shipped_invariant_asks_for_what_other_engines_read_otherwise():
    # `$index` inside `iif` is not that of the iteration around it in HL7's own engine.
    for definition in resources("StructureDefinition"):
        for element in definition["differential"]["element"]:
            for constraint in element.get("constraint", ()):
                assert "$index" not in constraint["expression"], (definition["url"], constraint["key"])
