"""What is loaded in parts is what was written together: an appointment whose slot stood in the part before is taken.

https://hl7.org/fhir/R4/slot.html#resource: a slot is busy because an event fills it; an export says each on its own line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_server.cli.main import app
from fhir_server.fhir.json import serialize
from fhir_server.loading.sources import PART_LINES

Tree = dict[str, Any]


def at(number: int, minute: int) -> str:
    return f"2027-03-{1 + number // 20:02d}T{number % 20:02d}:{minute:02d}:00+01:00"


def the_slot(number: int, status: str) -> Tree:
    return {
        "resourceType": "Slot",
        "id": f"s{number}",
        "schedule": {"reference": "Schedule/doctor"},
        "status": status,
        "start": at(number, 0),
        "end": at(number, 20),
    }


def the_appointment(number: int, slot: int) -> Tree:
    return {
        "resourceType": "Appointment",
        "id": f"a{number}",
        "status": "booked",
        "slot": [{"reference": f"Slot/s{slot}"}],
        "start": at(slot, 0),
        "end": at(slot, 20),
        "participant": [
            {"actor": {"reference": "Patient/p"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/doctor"}, "status": "accepted"},
        ],
    }


def agenda() -> list[Tree]:
    return [
        {"resourceType": "Patient", "id": "p"},
        {"resourceType": "Practitioner", "id": "doctor"},
        {"resourceType": "Schedule", "id": "doctor", "actor": [{"reference": "Practitioner/doctor"}]},
    ]


def apart(first: list[Tree], *then: Tree) -> list[Tree]:
    """`first`, filled up to a whole part whose last are these, and `then` in the part after it."""
    rest = [{"resourceType": "Basic", "id": f"b{n}", "code": {"text": "x"}} for n in range(PART_LINES - len(first))]
    return [*first[:3], *rest, *first[3:], *then]


#: What is exported → what of it is refused.
CASES: dict[str, tuple[list[Tree], list[str]]] = {
    "a slot that says it is filled": (apart([*agenda(), the_slot(1, "busy")], the_appointment(1, 1)), []),
    "a slot that is free": (apart([*agenda(), the_slot(1, "free")], the_appointment(1, 1)), []),
    "a slot filled twice": (
        apart([*agenda(), the_slot(1, "busy")], the_appointment(1, 1), the_appointment(2, 1)),
        ["Appointment.slot"],
    ),
    "a free slot filled twice": (
        apart([*agenda(), the_slot(1, "free")], the_appointment(1, 1), the_appointment(2, 1)),
        ["Appointment.slot"],
    ),
    "a slot that is blocked": (
        apart([*agenda(), the_slot(1, "busy-unavailable")], the_appointment(1, 1)),
        ["Appointment.slot"],
    ),
    "no slot": (apart(agenda(), the_appointment(1, 1)), ["Appointment.slot"]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_was_written_together_comes_in_parts(tmp_path: Path, case: str) -> None:
    resources, refused = CASES[case]
    file = tmp_path / "x.ndjson"
    file.write_bytes(b"\n".join(map(serialize, resources)))
    found = CliRunner().invoke(app, ["load", str(file), "--data", str(tmp_path / "data"), "--processes", "1"])
    told = [line for line in found.output.splitlines() if "Appointment.slot" in line]
    assert len(told) == len(refused), found.output
    assert (f"{len(resources) - len(refused)} resources written" in found.output) or refused, found.output
