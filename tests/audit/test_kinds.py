"""Each kind of AuditEvent says what it always said: https://hl7.org/fhir/R4/auditevent.html.

`events.json` has what is written of each; `earlier-events.json`, of the same, what was until 2026-11-29: an emergency had
two subtypes then, and nothing a period. Who reads events of years ago finds the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.party import Named, Party
from fhir_server.access.touched import Touched
from fhir_server.audit.access_events import AccessEvent, access_event
from fhir_server.audit.exchanges import MOST_OBJECTS, exchange_events
from fhir_server.audit.reading import from_audit_event
from fhir_server.fhir import models
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.dossiers import Dossier, Taken
from fhir_server.space.catalogue.step_events import step_event
from fhir_server.validation.validator import validate

Events = Mapping[str, list[dict[str, Any]]]
WRITTEN: Events = json.loads((Path(__file__).parent / "events.json").read_text("utf-8"))
EARLIER: Events = json.loads((Path(__file__).parent / "earlier-events.json").read_text("utf-8"))
BASE = "https://fhir.example/fhir"
AT = datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC)
GRANTS = {
    "open": OPEN,
    "patient": Grant(subject="Patient/1", client="app", patient="1"),
    "doctor": Grant(subject="Practitioner/1", role="PractitionerRole/1", client="tool", purpose="TREAT"),
    "emergency": Grant(subject="Practitioner/1", client="tool", purpose="BTG", reason="Coma"),
    "staff": Grant(subject="Person/1"),
    "software": Grant(client="tool"),
}
TOUCHED: Mapping[str, dict[str, tuple[str, ...]]] = {
    "nothing": {},
    "one": {"Patient/1/_history/1": ("Patient/1",)},
    "two patients": {
        "Patient/1/_history/1": ("Patient/1",),
        "Observation/a/_history/2": ("Patient/2",),
        "Organization/o/_history/1": (),
    },
}
FULL: Mapping[str, Any] = {
    "subject": "Practitioner/1",
    "client": "app",
    "patient": "1",
    "scopes": ("openid", "patient/*.rs"),
    "role": "PractitionerRole/1",
    "purpose": "BTG",
    "reason": "Coma",
    "address": "192.0.2.1",
    "failed": True,
    "why": "Wrong.",
}
#: What is known of a decision, by the last word of its name.
KNOWN: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "full": FULL,
    "software": {"client": "app", "address": "192.0.2.1"},
    "staff": {"subject": "Person/1", "purpose": "TREAT"},
    "address": {"address": "192.0.2.1", "failed": True},
}
APP = App("a1", "c", "n", "Organization/1", "1", "PRESERIE")


def touched(objects: Mapping[str, tuple[str, ...]]) -> Touched:
    found = Touched(noting=True)
    found.objects = dict(objects)
    found.patients = {patient: None for patients in objects.values() for patient in patients}
    return found


def made(name: str) -> list[dict[str, Any]]:
    """The events of the exchange, decision or step that a name of `events.json` tells of."""
    kind, _, said = name.partition(": ")
    if kind == "exchange":
        grant, _, rest = said.partition(" ")
        what, code, type, status = rest.rsplit(" ", 3)
        asked = None if type == "None" else type
        return list(exchange_events(GRANTS[grant], touched(TOUCHED[what]), code, asked, int(status), BASE))
    first, last = said.split(" ")
    if kind == "access":
        return [access_event(AccessEvent(first, **KNOWN[last]), BASE)]  # type: ignore[arg-type]
    reason = "Incomplet." if first == "refuse" else ""
    file = Dossier("t1", "a1", "Organization/1", "filed", APP, {}, {}, version=2)
    return [
        step_event(
            None if last == "None" else last, file, Taken(first, AT, "Person/1", "verifier", "", "filed", reason)
        )
    ]


@pytest.mark.parametrize("name", WRITTEN)
def test_an_event_of_a_kind_says_what_it_always_said(name: str) -> None:
    events = made(name)
    assert all(event["period"] == {"start": event["recorded"]} for event in events)
    said = [{key: value for key, value in event.items() if key not in ("recorded", "period")} for event in events]
    assert said == WRITTEN[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_an_earlier_event_is_read_as_one_of_today(name: str) -> None:
    assert list(map(from_audit_event, EARLIER[name])) == list(map(from_audit_event, WRITTEN[name]))
    for event in EARLIER[name]:
        found = extract("AuditEvent", event, Registry(), BASE)
        emergency = any(word.value == "110127" and word.param == "subtype" for word in found.words)
        assert emergency == ("emergency" in name)


@pytest.mark.parametrize("name", WRITTEN)
def test_an_event_is_a_valid_resource_to_two_readers(name: str) -> None:
    for event in made(name):
        assert not [issue for issue in validate(event) if issue.severity in ("error", "fatal")]
        assert not models.problems(event)


RPPS = ("urn:oid:1.2.250.1.71.4.2.1", "899700000012")
FINESS = ("urn:oid:1.2.250.1.71.4.2.2", "1990000001")
MEDECIN = ("https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante", "10", "Médecin")
DOCTOR = Party(
    Named("Practitioner/1", "Anne DEMO", RPPS), MEDECIN, Named("Organization/1", "Maison de santé du Port", FINESS)
)


def test_a_professional_is_named_with_identifier_profession_software_and_organization() -> None:
    grant = GRANTS["doctor"]
    [event] = exchange_events(grant, touched(TOUCHED["one"]), "read", "Patient", 200, BASE, DOCTOR)
    person, software = event["agent"]
    assert person["who"] == {
        "reference": "Practitioner/1",
        "identifier": {"system": RPPS[0], "value": RPPS[1]},
    }
    assert (person["name"], person["requestor"]) == ("Anne DEMO", True)
    system, code, display = MEDECIN
    coding = {"system": system, "code": code, "display": display}
    assert person["role"] == [{"coding": [coding], "text": "PractitionerRole/1"}]
    assert software == {"who": {"identifier": {"value": "tool"}}, "requestor": False}
    organization = event["entity"][-1]
    assert organization["what"]["identifier"]["value"] == FINESS[1] and organization["type"]["code"] == "3"
    assert not models.problems(event) and from_audit_event(event).software == "tool"


def test_what_is_done_in_an_emergency_is_told_beside_its_one_subtype() -> None:
    for purpose in ("BTG", "ETREAT"):
        grant = replace(GRANTS["emergency"], purpose=purpose)
        [event] = exchange_events(grant, touched(TOUCHED["one"]), "search-type", "Patient", 200, BASE)
        assert [coding["code"] for coding in event["subtype"]] == ["110127"]
        assert {"type": "interaction", "valueString": "search-type"} in event["entity"][-1]["detail"]


def test_an_event_is_recorded_to_the_millisecond_in_utc() -> None:
    [event] = made("step: file app")
    assert event["recorded"] == "2026-03-01T12:00:00.123Z"
    [event] = made("access: sign-in plain")
    assert (
        event["recorded"].endswith("Z") and abs(datetime.now(UTC) - datetime.fromisoformat(event["recorded"])).days == 0
    )


def test_an_event_of_a_long_page_names_as_many_objects_as_are_allowed_and_the_patient() -> None:
    many = touched({f"Observation/{n}/_history/1": ("Patient/1",) for n in range(MOST_OBJECTS + 5)})
    [event] = exchange_events(OPEN, many, "search-type", "Observation", 200, BASE)
    *objects, patient = event["entity"]
    assert len(objects) == MOST_OBJECTS and patient["what"] == {"reference": "Patient/1"}
