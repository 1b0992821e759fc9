"""Professionnels: whom a patient blocked or authorised, who is of the care team, and how that is changed.

CSP R1111-47, L1110-12 and L1111-19: members of the care team are presumed to be authorised, others ask; whom the
patient blocks reads nothing, and may go on filing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError, Forbidden
from fhir_server.site.signed_in import Guest
from fhir_server.space.record.choices import Kind
from fhir_server.space.record.pages import directory
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.choosing import Made, choose, made
from fhir_server.space.record.pages.days import day
from fhir_server.space.record.pages.documents import record
from fhir_server.space.record.pages.people import of_patient
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.record.pages.sheets import sheet
from fhir_server.space.service import Surroundings

#: What a form of the page does → the choice that it makes.
ACTS: dict[str, tuple[Kind, bool]] = {
    "block": ("blocked", True),
    "unblock": ("blocked", False),
    "authorise": ("authorised", True),
    "end": ("authorised", False),
    "administer": ("administrator", True),
    "release": ("administrator", False),
}
#: Documents whose authors are offered to be blocked, the newest.
_LOOKED_AT = 100


async def show(guest: Guest[Surroundings]) -> Response:
    """The page of who may see the record, for who has one."""
    asking = of_patient(guest)
    return guest.nothing() if asking is None else await _page(guest, asking)


async def change(guest: Guest[Surroundings]) -> Response:
    """Block somebody, authorise them, or take that back."""
    asking, act = of_patient(guest), ACTS.get(guest.field("act"))
    if asking is None or act is None:
        return guest.nothing()
    reference, typed, until = guest.field("practitioner", 80), guest.field("rpps", 30), guest.field("until", 30)
    if not reference:
        found = await directory.by_rpps(asking, typed)
        if found is None:
            why = "unknown" if directory.is_rpps(typed) else "rpps"
            return await _page(guest, asking, {"rpps": why}, status=400)
        reference = found.reference
    last = day(until) if until else None
    if until and (last is None or last < datetime.now(ZoneInfo(guest.service.settings.default_timezone)).date()):
        return await _page(guest, asking, {"until": "day"}, status=400)
    try:
        await choose(asking, [act], reference, last.isoformat() if last else "")
    except FhirError as error:
        return await _page(guest, asking, {}, refused(error), error.status)
    return guest.to(f"/mon-dossier/{guest.path('patient')}/professionnels?done={guest.field('act')}")


async def _page(
    guest: Guest[Surroundings],
    asking: Asking,
    errors: dict[str, str] | None = None,
    refusals: Sequence[Refusal] = (),
    status: int = 200,
) -> Response:
    try:
        choices = [one for one in await made(asking) if one.practitioner and one.chosen]
        decides = True
    except Forbidden:
        choices, decides = [], False
    team = await _team(asking)
    others = await _authors(asking) if decides else []
    known = await directory.named(asking, [*(one.practitioner for one in choices), *team, *others])
    said = {one.practitioner for one in choices if one.kind == "blocked"}
    done = guest.query("done")
    values = {
        **await record(guest, guest.path("patient")),
        "decides": decides,
        "blocked": _of("blocked", choices, known),
        "authorised": _of("authorised", choices, known),
        "administrators": _of("administrator", choices, known),
        "team": [known[one] for one in team if one in known and one not in said],
        "others": [known[one] for one in others if one in known and one not in said],
        "typed": {"rpps": guest.field("rpps", 30), "until": guest.field("until", 30), "act": guest.field("act")},
        "errors": errors or {},
        "refusals": refusals,
        "done": done if done in ACTS else "",
    }
    return guest.page("record/professionals", values, status)


def _of(kind: str, choices: Sequence[Made], known: Any) -> list[tuple[Any, Made]]:
    return [(known[one.practitioner], one) for one in choices if one.kind == kind and one.practitioner in known]


async def _team(asking: Asking) -> list[str]:
    """Professionals of the patient's active care teams, by reference."""
    whose = [("patient", f"Patient/{asking.grant.patient}"), ("status", "active")]
    also = [("_include", "CareTeam:participant"), ("_count", "50")]
    found = await asking.find("CareTeam", [*whose, *also])
    references = [
        str(one.get("member", {}).get("reference", "")) for team in found.trees for one in team.get("participant", ())
    ]
    roles = {key: str(tree.get("practitioner", {}).get("reference", "")) for key, tree in found.included.items()}
    return [roles.get(one, "") if one.startswith("PractitionerRole/") else one for one in references if one]


async def _authors(asking: Asking) -> list[str]:
    """Professionals who filed the newest documents, by reference."""
    whose = [("patient", f"Patient/{asking.grant.patient}"), ("_sort", "-date"), ("_count", str(_LOOKED_AT))]
    found = await asking.find("DocumentReference", whose)
    return [author.reference for tree in found.trees for author in sheet(tree).authors]
