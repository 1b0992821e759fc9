"""Spaces of which nothing is written: whether their holder is told is read of the Patient. CSP R1111-28.

https://hl7.org/fhir/R4/patient-definitions.html#Patient.active, #Patient.deceased[x].
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.moving import Asked, Found
from fhir_server.space.accounts.states import ASKED
from fhir_server.store.protocol import Version


@pytest.mark.parametrize(
    ("patient", "may"),
    [
        ({"active": False}, {"inform", "reopen", "die"}),
        ({"active": True}, {"close", "suspend", "die"}),
        ({}, {"close", "suspend", "die"}),
        # Who died is told of no space, which would open after a while.
        ({"active": False, "deceasedBoolean": True}, {"correct-death"}),
        ({"active": False, "deceasedDateTime": "2020"}, {"correct-death"}),
    ],
)
def test_what_the_operator_may_have_happen_where_nothing_is_written(patient: dict[str, Any], may: set[str]) -> None:
    body = json.dumps({"resourceType": "Patient", "id": "p", **patient}).encode()
    space = Found(Version("Patient", "p", 1, 0, "PUT", body, b""), None)
    assert set(space.may("operator")) == may
    for event in ASKED:
        asked = Asked(event, "operator", datetime(2026, 6, 1, tzinfo=UTC), reason="said")
        with contextlib.nullcontext() if event in may else pytest.raises(Invalid):
            moving.moved(space, asked)
