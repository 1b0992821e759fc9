"""Choices of the record end by the clock alone: nothing is written, and no job is waited for. CSP R1111-46, L1111-17."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_server.app import House, opened
from fhir_server.settings import Settings
from fhir_server.space import acting
from tests.server.people import kept
from tests.space.record.callers import ALL, Caller, document, grant
from tests.space.record.gated import HEALTH, chosen, practitioner

LAST = "2031-05-14T10:30:00+02:00"
#: Instants of a clock that goes on, and whether the choice, whose last instant is `LAST`, is in force.
CLOCK = [
    ("2031-05-01T00:00:00+02:00", True),
    ("2031-05-14T10:30:00+02:00", True),
    ("2031-05-14T10:31:00+02:00", False),
    ("2031-06-14T10:31:00+02:00", False),
]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened(Settings(data=tmp_path)) as found:
        await kept(found, {"resourceType": "Patient", "id": "a"}, practitioner("d", (HEALTH, "10")), document("d1"))
        yield found


#: Purpose of use, choices, whether the document is seen while the first is in force, and after it.
ENDS: list[tuple[Any, list[dict[str, Any]], bool, bool]] = [
    (None, [chosen("authorised", "Practitioner/d", end=LAST)], True, False),
    (None, [chosen("blocked", "Practitioner/d", end=LAST), chosen("authorised", "Practitioner/d")], False, True),
    ("BTG", [chosen("btg-refused", end=LAST)], False, True),
    ("ETREAT", [chosen("regulation-refused", end=LAST)], False, True),
]


@pytest.mark.parametrize(("purpose", "choices", "during", "after"), ENDS)
@pytest.mark.parametrize("patient", ["a", None])
async def test_a_choice_ends_by_the_clock(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    purpose: Any,
    choices: list[dict[str, Any]],
    during: bool,
    after: bool,
    patient: str | None,
) -> None:
    await kept(house, *({**one, "id": f"c{n}"} for n, one in enumerate(choices)))
    if purpose is not None and patient is None:
        # An emergency is of the patient in context: nobody's without one, whatever was chosen.
        during = after = False
    doctor = Caller(house, grant("Practitioner/d", ALL, patient=patient, purpose=purpose, reason="Coma"))
    for at, in_force in CLOCK:
        now = datetime.fromisoformat(at).timestamp()
        monkeypatch.setattr(acting, "time", SimpleNamespace(time=lambda now=now: now))
        assert await doctor.sees("DocumentReference", "d1") == (during if in_force else after), at
