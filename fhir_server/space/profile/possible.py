"""Refuse what cannot be true of a measure that the patient's side writes: impossible values, and days beyond a life.

A weight of 4000 kg is one in grams, a height of 1.75 cm one in metres: in a chart either hides all others. Judged are
the vital signs that people take of themselves, in units that are known here; software of professionals and laboratories
answers for what it sends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.access.record_owner import owner
from fhir_server.access.trees import referred
from fhir_server.fhir.dates import DAY, begins, ends
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.profile.writing.measuring import ALIKE, UNITS, VITALS, Bounds
from fhir_server.space.record.clinical_writers import PATIENTS_SIDE
from fhir_server.space.record.pages.measured import MEASURES
from fhir_server.space.record.writers import caller_of

Tree = Mapping[str, Any]
VALUE = "This is no possible value of the measure in its unit."
FUTURE = "A measure is not of a day to come."
BIRTH = "A measure is not of a day before its patient's birth."


async def judge(context: Context, change: Change) -> None:
    """Refuse an impossible measure of the patient's side.

    Raises:
        Invalid: naming the element (422).
    """
    tree = change.tree
    code = "" if tree is None or change.as_server else _code(tree)
    if tree is None or not code:
        return
    patient = owner("Observation", tree, context.base).patient
    caller = await caller_of(context.repository, patient, named=False)
    if caller.kind not in PATIENTS_SIDE:
        return
    for bounds, quantity, where in _values(tree, code):
        value, share = quantity.get("value"), UNITS[bounds.code].get(str(quantity.get("code") or quantity.get("unit")))
        if value is not None and share is not None and not bounds.has(Decimal(str(value)) * share):
            raise _refused(VALUE, f"{where}.valueQuantity.value")
    await _judge_day(context, tree, patient)


async def _judge_day(context: Context, tree: Tree, patient: str | None) -> None:
    name = "effectiveDateTime" if "effectiveDateTime" in tree else "effectivePeriod"
    said = tree.get("effectiveDateTime") or (tree.get("effectivePeriod") or {}).get("start")
    zone = ZoneInfo(context.settings.default_timezone)
    first, last = begins(said, zone), ends(said, zone)
    if first is None or last is None or patient is None:
        return
    # A day more than the clock's, for clocks of other zones.
    if first.timestamp() * 1_000_000 > time.time() * 1_000_000 + DAY:
        raise _refused(FUTURE, f"Observation.{name}")
    born = (await referred(context.repository.as_server(), patient)).get("birthDate")
    birth = begins(born, zone)
    if birth is not None and last < birth:
        raise _refused(BIRTH, f"Observation.{name}")


def _code(tree: Tree) -> str:
    """The measure of `VITALS` that an Observation is; "" of none."""
    codings = (tree.get("code") or {}).get("coding", ())
    return next((ALIKE[one["code"]] for one in codings if isinstance(one, dict) and one.get("code") in ALIKE), "")


def _values(tree: Tree, code: str) -> Iterator[tuple[Bounds, Tree, str]]:
    """Each bounded value of a measure: within which bounds, the quantity, and where it stands."""
    bounds = VITALS[code].bounds
    if not MEASURES[code].parts:
        yield bounds[0], tree.get("valueQuantity") or {}, "Observation"
        return
    places = {part: one for (part, _), one in zip(MEASURES[code].parts, bounds, strict=True)}
    for n, component in enumerate(tree.get("component", ())):
        codings = (component.get("code") or {}).get("coding", ())
        found = next((places[one["code"]] for one in codings if one.get("code") in places), None)
        if found is not None:
            yield found, component.get("valueQuantity") or {}, f"Observation.component[{n}]"


def _refused(words: str, element: str) -> Invalid:
    return Invalid(words, element, code="business-rule", key="measure-possible")
