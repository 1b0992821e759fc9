"""What becomes of what others decided for oneself as a minor: shown, and what waits approved or let go.

Domain file §4 (consents to services are approved again). What is let go needs nothing: it permits nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.trees import referred
from fhir_server.audit.access_events import AccessEvent
from fhir_server.audit.kinds import AccessKind
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.acting import of_age_from
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.majority.fates import FATES
from fhir_server.space.names import name_of
from fhir_server.space.record import choosing
from fhir_server.space.record.choices import KINDS, OPENING, Choice
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import Id

_SCOPE = Scope("user", "*", frozenset("cruds"))
_DONE = ("approved", "refused")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An app that others let in, and its purposes that wait."""

    app: App
    purposes: Sequence[Purpose]


async def show(guest: Guest[Surroundings]) -> Response:
    """What continues, what waits, and what has ended."""
    done = guest.query("done")
    return await _page(guest, done if done in _DONE else "")


async def decide_app(guest: Guest[Surroundings]) -> Response:
    """Let an app in again for what others had accepted, or refuse it."""
    found = {one.app.id: one for one in await _apps(guest)}
    one, accepts = found.get(guest.path("app")), guest.field("act", 20) == "approve"
    if one is None:
        return guest.nothing()
    codes, subject = [purpose.code for purpose in one.purposes], guest.account.subject
    consents = _catalogue(guest).consents
    await consents.decide(_own(guest), one.app, codes if accepts else (), subject, codes)
    kind: AccessKind = "authorization-granted" if accepts else "authorization-refused"
    event = AccessEvent(kind, subject, one.app.client, _own(guest), why="majority")
    await guest.visit.authorization.audit.record(event, guest.visit.addresses.base)
    return guest.to(f"/majorite?done={_DONE[not accepts]}")


async def decide_choice(guest: Guest[Surroundings]) -> Response:
    """Choose again what others had chosen, or leave it."""
    kind, professional = guest.field("kind", 40), guest.field("practitioner", 80)
    waiting = {(one.kind, one.professional) for one in await _choices(guest, datetime.now(UTC))}
    if kind not in KINDS or (kind, professional) not in waiting:
        return guest.nothing()
    accepts = guest.field("act", 20) == "approve"
    parts: list[dict[str, Any]] = [{"name": "kind", "valueCode": kind}, {"name": "chosen", "valueBoolean": accepts}]
    if professional:
        parts.append({"name": "practitioner", "valueReference": {"reference": professional}})
    patient = _own(guest)
    grant = Grant((_SCOPE,), subject=guest.account.subject, patient=patient)
    asking = Asking(guest.service, grant, guest.visit.addresses.base)
    try:
        await asking.operate(("Patient", patient, "$record-choose"), parameters([{"name": "choice", "part": parts}]))
    except FhirError as error:
        # A professional who was blocked since, or is here no more.
        return await _page(guest, error="refused", status=error.status)
    return guest.to(f"/majorite?done={_DONE[not accepts]}")


def _own(guest: Guest[Surroundings]) -> str:
    return guest.account.subject.removeprefix("Patient/")


def _catalogue(guest: Guest[Surroundings]) -> Apps:
    found: Apps = guest.service.service("catalogue")
    return found


async def _apps(guest: Guest[Surroundings]) -> list[Waiting]:
    found = []
    for shared in await _catalogue(guest).consents.of(_own(guest)):
        lapsed = [one for one in shared.app.purposes if (made := shared.decisions.get(one.code)) and made.lapsed]
        if lapsed:
            found.append(Waiting(shared.app, lapsed))
    return found


async def _choices(guest: Guest[Surroundings], now: datetime) -> list[Choice]:
    """What representatives had opened, which is open no more, and of which the holder has said nothing since."""
    patient = _own(guest)
    theirs = [one for one in await choosing.of(guest.service.repository(), patient) if one.kind in OPENING]
    others = [one for one in theirs if one.performer.startswith(("Patient/", "RelatedPerson/"))]
    return [one for one in others if one.performer != f"Patient/{patient}" and not one.holds(now)]


async def _page(guest: Guest[Surroundings], done: str = "", error: str = "", status: int = 200) -> Response:
    own, now = guest.service.repository(), datetime.now(UTC)
    majority = of_age_from(await referred(own, guest.account.subject))
    choices = await _choices(guest, now) if majority is not None and majority <= now else []
    values = {
        "majority": majority,
        "grown": majority is not None and majority <= now,
        "fates": [(fate, [one for one in FATES if one.fate == fate]) for fate in ("continues", "waits", "ends")],
        "apps": await _apps(guest),
        "choices": choices,
        "names": await _names(guest, choices),
        "done": done,
        "error": error,
    }
    return guest.page("majority/own", values, status)


async def _names(guest: Guest[Surroundings], choices: Sequence[Choice]) -> dict[str, str]:
    ids = {one.professional.removeprefix("Practitioner/") for one in choices if one.professional}
    page = await guest.service.repository().find({"Practitioner": Id(tuple(sorted(ids)))}, count=max(len(ids), 1))
    return {f"Practitioner/{one.id}": name_of(parse(one.body), given=1) for one in page.versions}
