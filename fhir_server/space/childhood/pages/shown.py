"""Carnet de santé: the notebook of a child, read and printed; parents and professionals note weight, height and head.

Two sides look at it: who acts for the child (`/carnet`), and a professional who has the record open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.site.signed_in import Guest
from fhir_server.space.acting import is_of_age, minute
from fhir_server.space.childhood import growth
from fhir_server.space.childhood.notebook import Notebook, notebook
from fhir_server.space.childhood.pages.adding import Sent, keep
from fhir_server.space.childhood.pages.charts import PERIODS, charts, period
from fhir_server.space.childhood.printing import printed
from fhir_server.space.profile.pages.own import SCOPES
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.measures import told
from fhir_server.space.record.pages.openings import Opening, found
from fhir_server.space.record.pages.people import asking, named, parted, patients
from fhir_server.space.record.pages.practice import before
from fhir_server.space.service import Surroundings

#: Type → the letters of `cruds` that a professional's page needs beside those of the record's.
_MORE = {"AllergyIntolerance": "rs", "Appointment": "rs", "Immunization": "rs", "Observation": "crs"}


async def choose(guest: Guest[Surroundings]) -> Response:
    """Of whom there is a notebook: the children whom the person acts for, and themself where they are one."""
    known = await guest.entrance.patients(guest.account, "")
    rows = [(id, *parted(label)) for id, label in known if id in guest.account.patients]
    rows = [row for row in rows if not is_of_age({"birthDate": row[2]}, minute())]
    return guest.page("childhood/children", {"people": rows})


async def show(guest: Guest[Surroundings]) -> Response:
    """The notebook of one child; 404 of whom there is none."""
    asked = _own(guest)
    one = None if asked is None else await notebook(asked)
    return guest.nothing() if one is None else await _page(guest, one)


async def add(guest: Guest[Surroundings]) -> Response:
    """Measures that somebody who acts for the child took."""
    asked = _own(guest)
    one = None if asked is None else await notebook(asked)
    if asked is None or one is None:
        return guest.nothing()
    sent = await keep(guest, asked, one, {"reference": guest.account.subject})
    if sent.status:
        return await _page(guest, one, sent)
    return guest.to(f"/carnet/{guest.path('patient')}?done=added")


async def prints(guest: Guest[Surroundings]) -> Response:
    """The notebook as a PDF, to print or to keep."""
    asked = _own(guest)
    one = None if asked is None else await notebook(asked)
    return guest.nothing() if one is None else await _pdf(guest, one)


async def practice(guest: Guest[Surroundings]) -> Response:
    """The notebook before a professional."""
    here = await found(guest, _MORE)
    one = None if here is None else await notebook(here[1])
    return guest.nothing() if here is None or one is None else await _page(guest, one, opening=here[0])


async def practice_add(guest: Guest[Surroundings]) -> Response:
    """Measures that a professional took."""
    here = await found(guest, _MORE)
    one = None if here is None else await notebook(here[1])
    if here is None or one is None:
        return guest.nothing()
    by = {"reference": guest.account.subject, "display": guest.account.name}
    sent = await keep(guest, here[1], one, by)
    if sent.status:
        return await _page(guest, one, sent, here[0])
    return guest.to(f"/patients/{here[0].patient}/carnet?done=added")


async def practice_prints(guest: Guest[Surroundings]) -> Response:
    """The notebook as a PDF, for a professional."""
    here = await found(guest, _MORE)
    one = None if here is None else await notebook(here[1])
    return guest.nothing() if one is None else await _pdf(guest, one)


def _own(guest: Guest[Surroundings]) -> Asking | None:
    patient = guest.path("patient")
    return asking(guest, patients(guest.account, patient, SCOPES)) if patient in guest.account.patients else None


async def _pdf(guest: Guest[Surroundings], one: Notebook) -> Response:
    name, _ = await named(guest, guest.path("patient"))
    headers = {"Content-Disposition": 'attachment; filename="carnet.pdf"', "Cache-Control": "private, no-store"}
    return guest.visit.known(Response(await printed(one, name), 200, headers, "application/pdf"))


async def _page(
    guest: Guest[Surroundings], one: Notebook, sent: Sent | None = None, opening: Opening | None = None
) -> Response:
    patient = guest.path("patient")
    zone = ZoneInfo(guest.service.settings.default_timezone)
    chosen = period(one, guest.query("courbe"))
    head: Mapping[str, Any] = {} if opening is None else await before(guest, opening)
    path = f"/carnet/{patient}" if opening is None else f"/patients/{patient}/carnet"
    values = {
        **head,
        "patient": patient,
        "whom": (await named(guest, patient))[0],
        "own": guest.account.subject == f"Patient/{patient}",
        "opening": opening,
        "path": path,
        "record": f"/mon-dossier/{patient}" if opening is None else f"/patients/{patient}",
        "one": one,
        "charts": charts(one, chosen, zone),
        "chosen": chosen,
        "periods": PERIODS,
        "percentiles": growth.DRAWN,
        "source": growth.references(),
        "told": told,
        "typed": sent.typed if sent else {},
        "errors": sent.errors if sent else {},
        "refusals": sent.refusals if sent else (),
        "number": guest.field("number", 36) or str(uuid4()),
        "done": "added" if guest.query("done") == "added" else "",
    }
    return guest.page("childhood/notebook", values, sent.status if sent else 200)
