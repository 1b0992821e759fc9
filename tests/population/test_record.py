"""The records of the invented people: who blocked whom, who looked, and in which proportions.

CSP R1111-43, R1111-47 to R1111-49; shares published for December 2023 (documents by sector), figures of 2023 (documents
that people opened).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.party import Named, Party
from fhir_server.access.touched import Touched
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.kinds import OVERRIDE
from fhir_server.audit.reading import from_audit_event
from fhir_server.fhir.json import parse, serialize
from fhir_server.population.generation import population
from fhir_server.space.record.choices import from_consent, to_consent
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator

Everyone = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def everyone() -> Everyone:
    found = defaultdict(list)
    for resource in population(700, 4):
        found[resource["resourceType"]].append(resource)
    return found


def share(part: int, whole: int) -> float:
    return part / whole


def test_labels_and_replacements_are_as_rare_as_they_are(everyone: Everyone) -> None:
    sheets = everyone["DocumentReference"]
    labels = Counter(code["coding"][0]["code"] for sheet in sheets for code in sheet["securityLabel"])
    assert 0.015 < share(labels["MASQUE_PS"], len(sheets)) < 0.05
    assert 0 < share(labels["INVISIBLE_PATIENT"], len(sheets)) < 0.02
    assert labels["INVISIBLE_REPRESENTANTS_LEGAUX"] > 0
    assert 0.02 < share(sum("relatesTo" in one for one in sheets), len(sheets)) < 0.06


def test_advance_directives_are_written_by_patients_alone(everyone: Everyone) -> None:
    directives = [one for one in everyone["DocumentReference"] if one["type"]["coding"][0]["code"] == "EXPPAT_3"]
    assert directives
    assert all(one["author"] == [{"reference": "#patient"}] for one in directives)


def test_choices_are_the_patient_s_own_under_the_id_they_have(everyone: Everyone) -> None:
    chosen = [found for one in everyone["Consent"] if (found := from_consent(one)) is not None]
    kinds = Counter(one.kind for one in chosen)
    assert kinds["authorised"] > kinds["blocked"] > 0 and kinds["emergency-sees-masked"]
    for one in chosen:
        assert one.performer == f"Patient/{one.patient}"
        assert (one.kind in ("blocked", "authorised")) == bool(one.professional)
    # Written as the server writes them.
    kept = [one for one in everyone["Consent"] if from_consent(one) is not None]
    assert [to_consent(one) for one in chosen] == kept


def test_a_trace_is_about_one_patient_whose_document_it_names(everyone: Everyone) -> None:
    whose = {one["id"]: one["subject"]["reference"] for one in everyone["DocumentReference"]}
    rows = [(from_audit_event(one), one) for one in everyone["AuditEvent"]]
    by_people = [row for row, _ in rows if row.requestor.startswith("Patient/")]
    by_professionals = [row for row, _ in rows if row.practitioners]
    assert len(by_people) > len(whose) / 200 and len(by_professionals) > len(whose) / 100
    for row, event in rows:
        named = next(one["what"]["reference"] for one in event["entity"])
        assert [f"Patient/{one}" for one in row.patients] == [whose[named.split("/")[1]]]
        if row.requestor.startswith("Patient/"):
            assert row.requestor == f"Patient/{row.patients[0]}"


def test_a_trace_is_written_as_the_server_writes_it(everyone: Everyone) -> None:
    for event in everyone["AuditEvent"]:
        row, (first, software) = from_audit_event(event), event["agent"]
        practitioner = bool(row.practitioners)
        profession = first["role"][0]["coding"][0] if practitioner else {}
        place = event["entity"][-1]
        made = exchange_event(
            Grant(
                subject=row.requestor if not practitioner else row.practitioners[0],
                client=software["who"]["identifier"]["value"],
                purpose=row.purpose,  # type: ignore[arg-type]
                reason=row.reason or None,
            ),
            touched(event["entity"][0]["what"]["reference"], f"Patient/{row.patients[0]}"),
            "read",
            "DocumentReference",
            200,
            "https://fhir-server.example/fhir",
            Party(
                named(first["who"], first["name"]),
                (profession["system"], profession["code"], profession["display"]),
                named(place["what"], place["name"]),
            )
            if practitioner
            else None,
        )
        said = {name: event[name] for name in event if name != "id"}
        assert {**made, "recorded": said["recorded"], "period": said["period"]} == said


def touched(reference: str, patient: str) -> Touched:
    found = Touched(True)
    found.objects[reference] = (patient,)
    found.patients[patient] = None
    return found


def named(reference: dict[str, Any], name: str) -> Named:
    identifier = reference["identifier"]
    return Named(reference["reference"], name, (identifier["system"], identifier["value"]))


def test_emergencies_say_why_and_are_found_as_such(everyone: Everyone) -> None:
    emergencies = [
        (from_audit_event(one), one) for one in everyone["AuditEvent"] if one["subtype"][0]["code"] == OVERRIDE.code
    ]
    assert emergencies and len(emergencies) < len(everyone["AuditEvent"]) / 5
    for row, _ in emergencies:
        assert row.purpose in ("BTG", "ETREAT") and row.reason and row.practitioners


@pytest.mark.parametrize("type", ["AuditEvent", "Consent"])
def test_they_are_right_by_r4_and_by_the_profiles_they_claim(everyone: Everyone, type: str) -> None:
    validator = Validator(Profiles())
    for resource in everyone[type][:150]:
        issues = validator.validate(parse(serialize(resource)))
        assert not [one for one in issues if one.severity in ("error", "fatal")], (resource["id"], issues)
