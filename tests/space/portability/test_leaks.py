"""What must not be in an archive, and who is given none: GDPR art. 15(4), CSP L1111-7, R1111-47; TRE_A07.

https://hl7.org/fhir/R4/binary.html#security.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fhir_server.access.grant import Scope
from tests.server.closed import Space
from tests.space.notices.space import a_patient
from tests.space.portability.exporting import GRANTS, a_text, all_of, ask, people, resources, taken
from tests.space.record.callers import Caller, document

#: Who takes whose → labels of documents that are in it, and that are not: TRE_A07, of whom each hides from.
LEAKS: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("a", "a"): ({"N", "R", "MASQUE_PS"}, {"INVISIBLE_PATIENT"}),
    ("m", "m"): ({"N", "INVISIBLE_REPRESENTANTS_LEGAUX"}, {"INVISIBLE_PATIENT"}),
    ("r", "m"): ({"N"}, {"INVISIBLE_REPRESENTANTS_LEGAUX", "INVISIBLE_PATIENT"}),
}


@pytest.mark.parametrize("who", LEAKS)
async def test_nothing_is_in_it_that_its_reader_may_not_see(space: Space, who: tuple[str, str]) -> None:
    """Not its title, its content, its id, nor what others' records or a trace of them would tell."""
    await people(space)
    person, patient = who
    shown, hidden = LEAKS[who]
    for label in shown | hidden:
        words = await a_text(space, f"x-{label.replace('_', '-')}", label, patient)
        assert words
    await a_text(space, "elses", patient="b")
    ids = [f"x-{label.replace('_', '-')}" for label in sorted(shown | hidden)]
    await space.put(
        {
            "resourceType": "List",
            "id": "lot",
            "status": "current",
            "mode": "working",
            "subject": {"reference": f"Patient/{patient}"},
            "entry": [{"item": {"reference": f"DocumentReference/{id}"}} for id in ids],
        }
    )
    # Somebody opened each of them: the log of accesses names what may be seen alone.
    for id in ids:
        await space.put(
            {
                "resourceType": "AuditEvent",
                "id": f"t-{id}",
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
                "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
                "action": "R",
                "recorded": "2026-11-01T09:00:00Z",
                "outcome": "0",
                "agent": [{"requestor": True, "who": {"reference": "Practitioner/d1"}}],
                "source": {"observer": {"display": "x"}},
                "entity": [
                    {"what": {"reference": f"DocumentReference/{id}"}},
                    {"what": {"reference": f"Patient/{patient}"}},
                ],
            }
        )
    archive = await taken(space, person, patient)
    whole = all_of(archive).decode()
    for label in shown:
        assert f"content-of-x-{label.replace('_', '-')}" in whole, label
        assert f"title-of-x-{label.replace('_', '-')}" in whole, label
    for label in (*hidden, "elses"):
        id = "elses" if label == "elses" else f"x-{label.replace('_', '-')}"
        for form in (f"content-of-{id}", f"title-of-{id}", f"DocumentReference/{id}", f'"{id}"', f"b-{id}"):
            assert form not in whole, form
    assert "BETA" not in whole and "Patient/b" not in whole
    assert "t-x-N" in archive.read("TRACES/TRACES.ndjson").decode()


async def test_a_document_that_names_another_s_content_brings_none_of_it(space: Space) -> None:
    """Whatever a resource says, what it names is read as its reader may: R4 binary.html#security."""
    await people(space)
    words = await a_text(space, "elses", patient="b")
    await space.put(document("mine", content=[{"attachment": {"contentType": "text/plain", "url": "Binary/b-elses"}}]))
    archive = await taken(space, "a", "a")
    assert words not in all_of(archive).decode()
    assert [one["id"] for one in resources(archive, "DocumentReference")] == ["mine"]


#: Who asks, of whom → status; what is not theirs is not there.
REFUSED: dict[tuple[str, str], int] = {
    ("c", "a"): 403,
    ("a", "b"): 404,
    ("a", "absent"): 404,
    ("r", "a"): 404,
    ("doctor", "a"): 403,
}


@pytest.mark.parametrize("who", REFUSED)
@pytest.mark.parametrize("operation", ["record", "status", "archive"])
async def test_others_may_not_ask(space: Space, who: tuple[str, str], operation: str) -> None:
    await people(space)
    await taken(space, "a", "a")
    answer = await ask(space, *who, operation)
    assert answer.status == REFUSED[who]
    assert answer.json["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "changes",
    [{"referenced": True}, {"scopes": (Scope("user", "DocumentReference", frozenset("rs")),)}],
    ids=["an app of the catalogue", "a token for documents alone"],
)
async def test_software_takes_no_more_than_it_may_read(space: Space, changes: Any) -> None:
    await people(space)
    caller = Caller(space.house, replace(GRANTS["a"], **changes))
    assert (await caller("POST", "Patient/a/$export-record")).status == 403


async def test_of_a_space_that_is_not_in_use_its_holder_takes_what_they_still_read(space: Space) -> None:
    """CSP R1111-36: what is closed is an archive, which nobody consults until the space is opened again."""
    await people(space)
    words = await a_text(space, "d1")
    await space.put(a_patient("a", active=False))
    archive = await taken(space, "a", "a")
    assert words not in all_of(archive).decode()
    assert [one["id"] for one in resources(archive, "Patient")] == ["a"]
    await space.put(a_patient("a", active=True))
    assert words in all_of(await taken(space, "a", "a")).decode()
