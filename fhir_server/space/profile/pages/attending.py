"""Médecin traitant: who it is, another named by their number in the directory, or none any more."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.profile.pages.own import SCOPES
from fhir_server.space.record.pages import directory
from fhir_server.space.record.pages.asking import Asking, parameters
from fhir_server.space.record.pages.people import asking, named, patients
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

Tree = dict[str, Any]
DONE = frozenset({"named", "ended"})


async def show(guest: Guest[Surroundings]) -> Response:
    """Who attends the patient, and the form that names another."""
    asked = _asking(guest)
    return guest.nothing() if asked is None else await _page(guest, asked)


async def change(guest: Guest[Surroundings]) -> Response:
    """Name a doctor by their number, or say that there is none."""
    asked, act, typed = _asking(guest), guest.field("act", 20), guest.field("rpps", 30)
    if asked is None or act not in ("name", "end"):
        return guest.nothing()
    row: Tree = {"name": "withdrawn", "valueBoolean": True}
    if act == "name":
        found = await directory.by_rpps(asked, typed)
        if found is None:
            return await _page(guest, asked, "unknown" if directory.is_rpps(typed) else "rpps", status=400)
        row = {"name": "practitioner", "valueString": found.reference}
    try:
        await asked.operate(("Patient", str(asked.grant.patient), "$attending-doctor"), parameters([row]))
    except FhirError as error:
        return await _page(guest, asked, "", refused(error), error.status)
    return guest.to(
        f"/mon-profil/{guest.path('patient')}/medecin-traitant?done={'named' if act == 'name' else 'ended'}"
    )


def _asking(guest: Guest[Surroundings]) -> Asking | None:
    patient = guest.path("patient")
    return asking(guest, patients(guest.account, patient, SCOPES)) if patient in guest.account.patients else None


async def _page(
    guest: Guest[Surroundings], asked: Asking, error: str = "", refusals: list[Refusal] | None = None, status: int = 200
) -> Response:
    patient = guest.path("patient")
    tree = await asked.read("Patient", patient)
    if tree is None:
        return guest.nothing()
    references = [str(one.get("reference", "")) for one in tree.get("generalPractitioner", ())]
    known = await directory.named(asked, references)
    done = guest.query("done")
    values = {
        "patient": patient,
        "whom": (await named(guest, patient))[0],
        "own": guest.account.subject == f"Patient/{patient}",
        "doctors": [known[one] for one in references if one in known],
        "typed": guest.field("rpps", 30),
        "error": error,
        "refusals": refusals or [],
        "done": done if done in DONE else "",
    }
    return guest.page("profile/attending", values, status)
