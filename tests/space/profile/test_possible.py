"""What cannot be true of a measure is refused to the patient's side, whatever software sends it; others answer for theirs.

https://hl7.org/fhir/R4/observation-vitalsigns.html, https://hl7.org/fhir/R4/http.html#Status-Codes (422).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from fhir_server.app import House
from tests.space.record.callers import Caller, Tree
from tests.space.record.writers import CALLERS, writing

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
#: Born on 1 January 2015 (`writers.RESOURCES`).
DAY = "2024-01-10"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with writing(tmp_path_factory.mktemp("possible")) as found:
        yield found


def quantity(value: float, unit: str) -> Tree:
    return {"valueQuantity": {"value": value, "code": unit, "system": "http://unitsofmeasure.org"}}


def of(code: str, value: Tree, at: str = DAY) -> Tree:
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    return {"resourceType": "Observation", "status": "final", "code": coded, "subject": {"reference": "Patient/a"},
            "effectiveDateTime": at, **value}  # fmt: skip


def pressure(systolic: float, diastolic: float) -> Tree:
    parts = (("8480-6", systolic), ("8462-4", diastolic))
    return {"component": [{"code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                           **quantity(value, "mm[Hg]")} for code, value in parts]}  # fmt: skip


V, E = "Observation.valueQuantity.value", "Observation.effectiveDateTime"
#: What is sent → the element that is refused; "" for what is kept.
SENT: dict[str, tuple[Tree, str]] = {
    "a weight": (of("29463-7", quantity(71.5, "kg")), ""),
    "a weight in grams": (of("29463-7", quantity(3900, "g")), ""),
    "a weight in pounds": (of("29463-7", quantity(150, "[lb_av]")), ""),
    "4000 kg": (of("29463-7", quantity(4000, "kg")), V),
    "nothing": (of("29463-7", quantity(0, "kg")), V),
    "less than nothing": (of("29463-7", quantity(-3, "kg")), V),
    "a height in metres": (of("8302-2", quantity(1.3, "m")), ""),
    "metres as centimetres": (of("8302-2", quantity(1.3, "cm")), V),
    "a length, lying": (of("8306-3", quantity(900, "cm")), V),
    "a unit that is not known": (of("29463-7", quantity(4000, "[stone_av]")), ""),
    "another code": (of("2339-0", quantity(4000, "mg/dL")), ""),
    "a pressure": (of("85354-9", pressure(120, 80)), ""),
    "a diastolic of 800": (of("85354-9", pressure(120, 800)), "Observation.component[1].valueQuantity.value"),
    "a day to come": (of("29463-7", quantity(40, "kg"), LATER), E),
    "a year to come": (of("29463-7", quantity(40, "kg"), "2999"), E),
    "this year": (of("29463-7", quantity(40, "kg"), f"{datetime.now(UTC):%Y}"), ""),
    "before the birth": (of("29463-7", quantity(40, "kg"), "2014-12-30"), E),
    "before the birth, a year": (of("29463-7", quantity(40, "kg"), "2014"), E),
    "the year of birth": (of("29463-7", quantity(40, "kg"), "2015"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("caller", ["patient", "representative", "caregiver", "author", "software"])
async def test_what_cannot_be_true_is_refused_to_the_patient_s_side(house: House, caller: str, name: str) -> None:
    tree, element = SENT[name]
    answer: Any = await Caller(house, CALLERS[caller])("POST", "Observation", tree)
    if element and caller not in ("author", "software"):
        assert answer.status == 422 and answer.expressions == [element], answer.json
    else:
        assert answer.status == 201, answer.json
