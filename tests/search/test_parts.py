"""What is indexed part by part is what is indexed whole: of every kind of AuditEvent that this server makes.

https://hl7.org/fhir/R4/auditevent.html, https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.touched import Touched
from fhir_server.audit.access_events import AccessEvent, access_event
from fhir_server.audit.exchanges import exchange_event
from fhir_server.audit.kinds import ACCESS
from fhir_server.fhir.definitions import SearchParameter
from fhir_server.search.indexing.extract import extract
from fhir_server.search.indexing.parts import by_parts
from fhir_server.search.parameters.registry import Registry

BASE = "https://own.example/fhir"
DOCTOR = Grant(subject="Practitioner/d", role="PractitionerRole/r", client="practice", purpose="BTG", reason="Chute")
GRANTS = (OPEN, DOCTOR, Grant(subject="Patient/1", client="app", patient="1", purpose="PATRQT"), Grant(client="lab"))
#: References → patients of each: nothing, a Patient, documents of one, things of several patients and of none.
TOUCHED: tuple[dict[str, tuple[str, ...]], ...] = (
    {},
    {"Patient/1/_history/3": ("Patient/1",)},
    {f"DocumentReference/{n}/_history/{n + 1}": ("Patient/1",) for n in range(3)},
    {"DocumentReference/0/_history/0": ("Patient/0",), "Group/a.b-C/_history/12": (), "Other/0/_history/0": ()},
    {"Observation/é/_history/1": ("Patient/1",), "Group/2/_history/1": ("Patient/1", "Patient/2"), "Device/3": ()},
)


def events() -> Iterator[dict[str, Any]]:
    for grant in GRANTS:
        for interaction, status in (("read", 200), ("search-type", 403), ("create", 500), ("$everything", 200)):
            for objects in TOUCHED:
                touched = Touched(True)
                touched.objects = dict(objects)
                touched.patients = {patient: None for patients in objects.values() for patient in patients}
                yield exchange_event(grant, touched, interaction, "Observation", status, BASE)
    for kind in ACCESS:
        event = AccessEvent(kind, subject="Patient/1", client="app", patient="1", scopes=("openid", "patient/*.rs"))
        yield access_event(event, BASE)
        yield access_event(
            replace(event, failed=True, why="Non.", address="192.0.2.1", purpose="BTG", reason="A"), BASE
        )


def alike(tree: dict[str, Any], registry: Registry, base: str = BASE) -> bool:
    whole, parts = extract("AuditEvent", tree, registry, base), by_parts("AuditEvent", tree, registry, base)
    assert len(set(parts.words)) == len(parts.words)
    assert sorted(parts.content.split()) == sorted(set(parts.content.split()))
    return (
        set(parts.words) == set(whole.words)
        and set(parts.spans) == set(whole.spans)
        and parts.narrative == whole.narrative
        and set(parts.content.split()) == set(whole.content.split())
    )


def test_every_event_is_indexed_alike_the_first_time_and_again() -> None:
    registry = Registry()
    for tree in [*events(), *events()]:
        assert alike(tree, registry), tree
        assert alike(tree, registry, "https://other.example/fhir"), tree


@pytest.mark.parametrize("member", ["contained", "extension", "text"])
def test_what_cannot_be_divided_is_read_whole(member: str) -> None:
    values = {
        "contained": [{"resourceType": "Patient", "id": "p", "name": [{"family": "Demo"}]}],
        "extension": [{"url": "https://own.example/x", "valueAttachment": {"url": "Binary/1", "title": "Note"}}],
        "text": {"status": "generated", "div": "<div>Une trace</div>"},
    }
    registry = Registry()
    for tree in events():
        assert alike({**tree, member: values[member]}, registry)


def test_parameters_that_were_added_are_indexed_too() -> None:
    registry = Registry()
    tree = next(events())
    assert alike(tree, registry)
    expression = "AuditEvent.entity.count().toString() + AuditEvent.agent.count().toString()"
    registry.activate(
        SearchParameter("https://own.example/p", "counted", "string", ("AuditEvent",), expression=expression)
    )
    found = by_parts("AuditEvent", tree, registry, BASE)
    assert [word.value for word in found.words if word.param == "counted"] == ["11"]
    assert alike(tree, registry)
