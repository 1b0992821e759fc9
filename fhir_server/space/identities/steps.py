"""What was done to somebody's identity, step by step: a Basic each, of the commit that does it. R4 basic.html.

Référentiel INS and RNIV: each act on an identity is dated, has a reason and somebody who answers for it. The person
reads the steps of their own; a step that concerned another person does not say whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.fhir.json import parse, serialize
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.accounts.life import CODES, OWN
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Filter, Refers, Token, both
from fhir_server.store.protocol import Put

Event = Literal[
    "ins-attributed",
    "ins-replaced",
    "ins-corrected",
    "ins-withdrawn",
    "traits-corrected",
    "merged",
    "unmerged",
    "moved-away",
    "moved-here",
]
EVENTS: tuple[Event, ...] = get_args(Event)
CODE = "identity-step"
STEP = Token("code", spelling(CODE, CODES), CODES)
_URL = f"{OWN}/StructureDefinition/ens-identity-step"
#: Steps of one person that are looked at.
MOST = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One act.

    Attributes:
        patient: id of whose identity or record.
        event: what was done.
        at: when; aware, UTC.
        reason: in words, of who did it.
        by: "Person/1"; "" for the operator's software.
    """

    patient: str
    event: Event
    at: datetime
    reason: str
    by: str = ""


def performer(grant: Grant) -> str:
    """Who answers for what a caller does to an identity: the operator's staff by name, its software without."""
    return grant.subject or ""


async def put(own: Repository, step: Step) -> Put:
    """The write of a step; `own` is the server's own sight."""
    tree = to_basic(step, own.new_id("Basic"))
    return await own.put("Basic", tree["id"], tree, serialize(tree), None)


def to_basic(step: Step, id: str) -> dict[str, Any]:
    """The Basic of it."""
    said: list[dict[str, Any]] = [
        {"url": "event", "valueCode": step.event},
        {"url": "at", "valueDateTime": step.at.astimezone(UTC).isoformat(timespec="seconds")},
        {"url": "reason", "valueString": step.reason},
    ]
    if step.by:
        said.append({"url": "performer", "valueReference": {"reference": step.by}})
    return {
        "resourceType": "Basic",
        "id": id,
        "extension": [{"url": _URL, "extension": said}],
        "code": {"coding": [{"system": CODES, "code": CODE, "display": "Étape de la vie d'une identité"}]},
        "subject": {"reference": f"Patient/{step.patient}"},
        "created": step.at.astimezone(PARIS).date().isoformat(),
    }


def from_basic(tree: Mapping[str, Any]) -> Step | None:
    """The step that a Basic is; None where it is about something else."""
    extension = next((one for one in tree.get("extension", ()) if one.get("url") == _URL), None)
    if extension is None:
        return None
    said = {str(one.get("url")): one for one in extension.get("extension", ())}
    event = said.get("event", {}).get("valueCode")
    if event not in EVENTS:
        return None
    return Step(
        patient=str(tree.get("subject", {}).get("reference", "")).removeprefix("Patient/"),
        event=cast(Event, event),
        at=(begins(str(said.get("at", {}).get("valueDateTime", "")), PARIS) or UNSAID).astimezone(UTC),
        reason=str(said.get("reason", {}).get("valueString", "")),
        by=str(said.get("performer", {}).get("valueReference", {}).get("reference", "")),
    )


def of(patient: str) -> Filter:
    """The steps of somebody (id), for Basics."""
    return both(STEP, Refers("patient", f"Patient/{patient}"))


async def history(own: Repository, patient: str) -> list[Step]:
    """The steps of somebody (id), the newest first."""
    page = await own.find({"Basic": of(patient)}, count=MOST)
    found = [from_basic(parse(one.body)) for one in page.versions]
    return sorted((one for one in found if one is not None), key=lambda one: one.at, reverse=True)
