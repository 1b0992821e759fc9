"""Mes applications: what each app may do for one patient, its last exchanges, and how to take it back or report it.

Below them, what professionals opened of the record.

CSP R1111-39 and R1111-43: a consent is withdrawn as easily as it was given; every access can be seen by the patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from fhir_server.access.grant import Grant, Scope
from fhir_server.fhir.json import parse
from fhir_server.site.signed_in import Guest
from fhir_server.site.visit import Entrance
from fhir_server.smart.secret import digest
from fhir_server.space.accesses import recent as accesses
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App, Purpose
from fhir_server.space.catalogue.consent_resource import Decision
from fhir_server.space.catalogue.consents import Shared
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.pages.words import STATUSES, Done, done_with
from fhir_server.space.catalogue.reports import LONGEST, SHORTEST, Reports

if TYPE_CHECKING:
    from fhir_server.smart.people.accounts import Account

#: Exchanges shown of each app.
LAST = 5
#: What was just done → shown after the redirection; anything else in the address is ignored.
DONE = ("withdrawn", "reported")
#: Kind of record: that a report was sent, and for how many seconds the same words are no other.
_REPORTED, _ONCE = "reported", 86_400
_TRACES = (Scope("user", "AuditEvent", frozenset("rs")),)


@dataclass(frozen=True, slots=True)
class Line:
    """One purpose of an app, as decided.

    Attributes:
        purpose: as referenced now, or as it was called when it is no more.
        done: what it means.
        decision: the patient's; None when never asked.
        current: whether the decision is on the purpose as it is now.
    """

    purpose: Purpose
    done: Done
    decision: Decision | None
    current: bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """One exchange of an app with the record: when, and what in a code of R4's interactions."""

    when: str
    interaction: str
    types: tuple[str, ...]


async def show(guest: Guest[Apps]) -> Response:
    """For whom; or at once the apps of the one patient there is."""
    patients = guest.account.patients
    if len(patients) == 1:
        return guest.to(f"/mes-applications/{patients[0]}")
    found = await guest.entrance.patients(guest.account, "")
    return guest.page("catalogue/for-whom", {"patients": [(id, label) for id, label in found if id in patients]})


async def show_patient(guest: Guest[Apps]) -> Response:
    """The apps of one patient."""
    patient = guest.path("patient")
    if patient not in guest.account.patients:
        return guest.nothing()
    shared = await guest.service.consents.of(patient)
    publishers = await guest.service.catalogue.publishers(one.app for one in shared)
    exchanged = await exchanges(guest.entrance, guest.account, patient, [one.app for one in shared])
    done = guest.query("done")
    values = {
        "patient": patient,
        "whom": await guest.entrance.name_of(guest.account, patient),
        "own": guest.account.subject == f"Patient/{patient}",
        "apps": [_told(one, publishers[one.app.publisher], last) for one, last in zip(shared, exchanged, strict=True)],
        "accesses": await accesses.recent(guest.entrance, guest.account, patient),
        "statuses": STATUSES,
        "done": done if done in DONE else "",
    }
    return guest.page("catalogue/my-apps", values)


async def withdraw(guest: Guest[Apps]) -> Response:
    """One purpose of an app taken back, or all."""
    from fhir_server.audit.access_events import AccessEvent
    from fhir_server.space.catalogue.withdrawal import withdraw as ended

    found = await _shared(guest)
    if found is None:
        return guest.nothing()
    patient, app = found
    authorization = guest.visit.authorization
    purpose = guest.field("purpose") or None
    await ended(authorization.records, guest.service.consents, patient, app, purpose, guest.account.subject)
    event = AccessEvent("revocation", guest.account.subject, app.client, patient, why=purpose or "")
    await authorization.audit.record(event, guest.visit.addresses.base)
    return guest.to(f"/mes-applications/{patient}?done=withdrawn")


async def show_report(guest: Guest[Apps]) -> Response:
    """Where an app is reported."""
    found = await _shared(guest, guest.path("app"))
    return guest.nothing() if found is None else await _report_page(guest, *found)


async def report(guest: Guest[Apps]) -> Response:
    """The report kept for those who work on the catalogue."""
    found = await _shared(guest, guest.path("app"))
    if found is None:
        return guest.nothing()
    patient, app = found
    text, records = guest.field("text", LONGEST + 1), guest.visit.authorization.records
    # The same words of the same person are one report, however often the button was pressed.
    claim = (_REPORTED, digest("\n".join((guest.account.subject, app.id, text))))
    if await records.add(*claim, b"", _ONCE):
        try:
            await reports(guest).file(app, guest.account.subject, text)
        except ValueError:
            await records.take(*claim)
            return await _report_page(guest, patient, app, guest.field("text", LONGEST), "length", 400)
    return guest.to(f"/mes-applications/{patient}?done=reported")


def reports(guest: Guest[Apps]) -> Reports:
    """Reports, as filed where this person is."""
    entrance = guest.entrance
    return Reports(guest.service.catalogue, guest.visit.addresses.base, entrance.authorization.settings.audit != "off")


async def _shared(guest: Guest[Apps], id: str = "") -> tuple[str, App] | None:
    """The patient and the app spoken of; None when the person may not act for them, or there is no such app."""
    patient = guest.path("patient")
    app = await guest.service.catalogue.get(id or guest.field("app"))
    if patient not in guest.account.patients or app is None:
        return None
    known = await guest.service.consents.decided(patient, app)
    return (patient, app) if known else None


async def _report_page(
    guest: Guest[Apps], patient: str, app: App, text: str = "", error: str = "", status: int = 200
) -> Response:
    limits = {"shortest": SHORTEST, "longest": LONGEST}
    return guest.page(
        "catalogue/report", {"patient": patient, "app": app, "text": text, "error": error, **limits}, status
    )


def _told(shared: Shared, publisher: str, last: Sequence[Exchange]) -> dict[str, Any]:
    app = shared.app
    lines = [_line(one, shared.decisions) for one in app.purposes]
    gone = [code for code in shared.decisions if app.purpose(code) is None and shared.decisions[code].permit]
    lines += [_line(Purpose(code, code, ()), shared.decisions) for code in gone]
    return {
        "app": app,
        "publisher": publisher,
        "lines": lines,
        "active": shared.active,
        "changed": [one for one in lines if one.decision and one.decision.permit and not one.current],
        "exchanges": last,
    }


def _line(purpose: Purpose, decisions: Mapping[str, Decision]) -> Line:
    decision = decisions.get(purpose.code)
    return Line(purpose, done_with(purpose), decision, rights.current(purpose, decisions))


async def exchanges(
    entrance: Entrance, account: Account, patient: str, apps: Sequence[App]
) -> Sequence[Sequence[Exchange]]:
    """The last exchanges of each app on a patient, newest first, from the traces this person may see; same order."""
    from fhir_server.search.asking.query import condition

    grant = Grant(_TRACES, subject=account.subject, wards=frozenset(account.wards))
    place = entrance.authorization.verifier.place(entrance.pages.settings.base_url)
    about = ("patient", f"Patient/{patient}")
    asked = [condition("AuditEvent", [about, ("agent:identifier", f"|{app.client}")], place) for app in apps]
    seen = await entrance.repository(grant)
    pages = await seen.find_each([{"AuditEvent": where} for where in asked], count=LAST)
    return [[_exchange(parse(version.body)) for version in page.versions] for page in pages]


def _exchange(tree: Mapping[str, Any]) -> Exchange:
    named = (one.get("what", {}).get("reference", "").partition("/")[0] for one in tree.get("entity", ()))
    types = tuple(dict.fromkeys(type for type in named if type))
    code = next((one.get("code", "") for one in tree.get("subtype", ())), "")
    return Exchange(str(tree.get("recorded", "")), code, types)
