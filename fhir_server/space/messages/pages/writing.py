"""A professional writes first to the patient whose record they have open."""

from __future__ import annotations

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.messages.model import LONGEST_SUBJECT, LONGEST_TEXT, communication
from fhir_server.space.messages.pages.correspondents import correspondent
from fhir_server.space.messages.pages.inbox import about
from fhir_server.space.messages.pages.refusals import refused
from fhir_server.space.messages.pages.thread import parts
from fhir_server.space.record.pages import files
from fhir_server.space.record.pages.openings import found
from fhir_server.space.record.pages.people import named
from fhir_server.space.record.pages.refusals import Refusal
from fhir_server.space.service import Surroundings


async def show(guest: Guest[Surroundings]) -> Response:
    """The form; nobody is written to whose record is not open: an address alone opens nothing."""
    if await found(guest) is None:
        return guest.to("/patients")
    return await _page(guest)


async def send(guest: Guest[Surroundings]) -> Response:
    """The first message of a conversation."""
    here = correspondent(guest)
    if here is None or await found(guest) is None:
        return guest.nothing()
    topic, payload = guest.field("topic", LONGEST_SUBJECT + 1), parts(guest)
    wrong = {"topic": "topic"} if not 1 <= len(topic) <= LONGEST_SUBJECT else {}
    if isinstance(payload, str):
        return await _page(guest, {**wrong, "text" if payload in ("text", "long") else "file": payload}, status=400)
    if wrong:
        return await _page(guest, wrong, status=400)
    patient = f"Patient/{guest.path('patient')}"
    try:
        made = await here.asking.create(communication(patient, here.name, [patient], topic, payload))
    except FhirError as error:
        return await _page(guest, {}, refused(error), error.status)
    return guest.to(f"{here.path}/{made['id']}?done=sent")


async def _page(
    guest: Guest[Surroundings],
    errors: dict[str, str] | None = None,
    refusals: tuple[Refusal, ...] = (),
    status: int = 200,
) -> Response:
    here = correspondent(guest)
    assert here is not None
    values = {
        **await about(guest, here),
        "patient": guest.path("patient"),
        "whom": (await named(guest, guest.path("patient")))[0],
        "errors": errors or {},
        "refusals": refusals,
        "topic": guest.field("topic", LONGEST_SUBJECT),
        "typed": guest.field("text", LONGEST_TEXT),
        "accept": files.ACCEPT,
    }
    return guest.page("messages/writing", values, status)
