"""One kind of entries of a profile: what is there, whose it is, and forms to add, change, end and delete one's own.

Each is written as any software of the person would write it; what a professional wrote is shown, and theirs to change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from fastapi.responses import Response

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.space.profile.assertions import is_none
from fhir_server.space.profile.narrative import line
from fhir_server.space.profile.sharing import edited
from fhir_server.space.profile.writing import making
from fhir_server.space.profile.writing.fields import LONGEST, WRONG, Life, number, read
from fhir_server.space.profile.writing.kinds import KINDS, Kind
from fhir_server.space.profile.writing.measuring import VITALS, wrong
from fhir_server.space.profile.writing.placing import kind_of
from fhir_server.space.record.clinical_writers import is_patients, writer
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.people import asking, named, patients
from fhir_server.space.record.pages.refusals import Refusal, refused
from fhir_server.space.service import Surroundings

Tree = dict[str, Any]
#: Entries of a kind that are shown, the newest.
SHOWN = 100
DONE = frozenset({"added", "changed", "ended", "deleted"})
URIS = "urn:ietf:rfc:3986"


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as a page shows it.

    Attributes:
        id: of the resource.
        words: it in one line.
        own: whether it is the patient's side's, and theirs to change.
        writer: which of that side wrote it; "" where that is not known.
        over: whether it is over.
        note: what is said beside.
    """

    id: str
    words: str
    own: bool
    writer: str
    over: bool
    note: str


async def show(guest: Guest[Surroundings]) -> Response:
    """What there is of a kind, and the form to add to it."""
    here = _here(guest)
    return guest.nothing() if here is None else await _list(guest, *here, {})


async def add(guest: Guest[Surroundings]) -> Response:
    """An entry, kept; or the form again, with what is wrong at each field. The same form sent twice makes one."""
    here = _here(guest)
    if here is None:
        return guest.nothing()
    asked, name = here
    given, errors = await form(guest, asked, name)
    if errors:
        return await _list(guest, asked, name, given, errors, status=400)
    form_number = _number(guest)
    tree = making.made(name, given, author(guest, asked))
    tree["identifier"] = [{"system": URIS, "value": f"urn:uuid:{form_number}"}]
    try:
        await asked.create(tree, unless=f"identifier={URIS}|urn:uuid:{form_number}")
    except FhirError as error:
        return await _list(guest, asked, name, given, refusals=refused(error), status=error.status)
    await edited(guest.service.records, guest.path("patient"), datetime.now(UTC))
    return guest.to(f"/mon-profil/{guest.path('patient')}/{name}?done=added")


async def edit(guest: Guest[Surroundings]) -> Response:
    """The form of one entry of one's own."""
    found = await _entry(guest)
    if found is None:
        return guest.nothing()
    asked, name, tree = found
    return await _form(guest, asked, name, tree, making.typed(name, tree))


async def change(guest: Guest[Surroundings]) -> Response:
    """An entry changed, ended or deleted: the version that the form showed."""
    found = await _entry(guest)
    if found is None:
        return guest.nothing()
    asked, name, tree = found
    act = guest.field("act", 20)
    after, given, done = None, making.typed(name, tree), "deleted"
    if act == "end" and KINDS[name].ended[0]:
        after, done = making.ended(name, tree, _today(guest).isoformat()), "ended"
    elif act != "delete":
        given, errors = await form(guest, asked, name)
        if errors:
            return await _form(guest, asked, name, tree, given, errors, status=400)
        after, done = making.made(name, given, author(guest, asked), tree), "changed"
    version = guest.field("version", 64) or tree["meta"]["versionId"]
    try:
        if after is None:
            await asked.delete(tree["resourceType"], tree["id"])
        else:
            await asked.update({**after, "meta": {**after["meta"], "versionId": version}})
    except FhirError as error:
        return await _form(guest, asked, name, tree, given, refusals=refused(error), status=error.status)
    await edited(guest.service.records, guest.path("patient"), datetime.now(UTC))
    return guest.to(f"/mon-profil/{guest.path('patient')}/{name}?done={done}")


def author(guest: Guest[Surroundings], asked: Asking) -> making.Author:
    """Who writes, of whom, and when that is."""
    return making.Author(f"Patient/{asked.grant.patient}", guest.account.subject, instant(time.time_ns() // 1_000_000))


async def form(guest: Guest[Surroundings], asked: Asking, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """What the form says, each field as it is kept, as it was typed where it is wrong; and field → a key of `WRONG`."""
    patient = await asked.read("Patient", str(asked.grant.patient)) or {}
    life = Life(str(patient.get("birthDate") or ""), _today(guest))
    given, errors = {}, {}
    for field in KINDS[name].fields:
        typed = guest.field(field.name, LONGEST[field.shape] + 1)
        kept, why = read(field, typed, life)
        given[field.name] = typed if why else kept
        errors[field.name] = why
    for field_name, why in _together(name, given).items():
        errors[field_name] = errors.get(field_name) or why
    return given, {field_name: why for field_name, why in errors.items() if why}


def _together(name: str, given: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with fields by one another: field → a key of `WRONG`."""
    if name == "vaccinations" and not given.get("vaccine") and not given.get("what"):
        return {"what": "empty"}
    since, until = given.get("since", ""), given.get("until", "")
    if since and until and until[: len(since)] < since[: len(until)]:
        return {"until": "order"}
    if name == "mesures" and given.get("measure") in VITALS:
        values = [number(given[one]) if given.get(one) else None for one in ("value", "second")]
        if len(VITALS[given["measure"]].bounds) == 2 and values[0] is not None and values[1] is None:
            return {"second": "empty"}
        return {"value": "range"} if values[0] is not None and wrong(given["measure"], tuple(values)) else {}
    return {}


def _here(guest: Guest[Surroundings]) -> tuple[Asking, str] | None:
    """What a page of the address asks, and its kind; None where there is none, or it is nobody's whom they act for."""
    patient, name = guest.path("patient"), guest.path("kind")
    if patient not in guest.account.patients or name not in KINDS:
        return None
    from fhir_server.space.profile.pages.own import SCOPES

    return asking(guest, patients(guest.account, patient, SCOPES)), name


async def _entry(guest: Guest[Surroundings]) -> tuple[Asking, str, Tree] | None:
    here = _here(guest)
    if here is None:
        return None
    asked, name = here
    pairs = [("_id", guest.path("entry")), ("patient", f"Patient/{asked.grant.patient}"), *KINDS[name].search]
    tree = next(iter((await asked.find(KINDS[name].type, pairs)).trees), None)
    return (asked, name, tree) if tree is not None and is_patients(tree, asked.base) else None


async def _found(asked: Asking, name: str, language: str) -> tuple[list[Shown], bool]:
    """The entries of a kind, what is over last, and whether there are more than are shown."""
    kind = KINDS[name]
    pairs = [("patient", f"Patient/{asked.grant.patient}"), *kind.search, ("_sort", "-_lastUpdated")]
    found = await asked.find(kind.type, [*pairs, ("_count", str(SHOWN))])
    rows = [_shown(tree, asked.base, language) for tree in found.trees if kind_of(tree) == name and not is_none(tree)]
    return sorted(rows, key=lambda one: one.over), bool(found.next)


def _shown(tree: Tree, base: str, language: str) -> Shown:
    note = next((str(one.get("text", "")) for one in tree.get("note", ())), "")
    own = is_patients(tree, base)
    over = making.is_over(tree) and tree["resourceType"] != "Condition"
    return Shown(tree["id"], line(tree, {}, language), own, writer(tree), over, note)


async def _list(
    guest: Guest[Surroundings],
    asked: Asking,
    name: str,
    given: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    refusals: list[Refusal] | None = None,
    status: int = 200,
) -> Response:
    entries, more = await _found(asked, name, guest.visit.language)
    done = guest.query("done")
    values = {
        **await _values(guest, name, given, errors, refusals),
        "entries": entries,
        "more": more,
        "shown": SHOWN,
        "number": _number(guest),
        "done": done if done in DONE else "",
    }
    return guest.page("profile/entries", values, status)


async def _form(
    guest: Guest[Surroundings],
    asked: Asking,
    name: str,
    tree: Tree,
    given: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    refusals: list[Refusal] | None = None,
    status: int = 200,
) -> Response:
    values = {
        **await _values(guest, name, given, errors, refusals),
        "one": _shown(tree, asked.base, guest.visit.language),
        "version": tree["meta"]["versionId"],
    }
    return guest.page("profile/entry", values, status)


async def _values(
    guest: Guest[Surroundings],
    name: str,
    given: Mapping[str, str],
    errors: Mapping[str, str] | None,
    refusals: list[Refusal] | None,
) -> dict[str, Any]:
    kind: Kind = KINDS[name]
    patient = guest.path("patient")
    return {
        "patient": patient,
        "whom": (await named(guest, patient))[0],
        "own": guest.account.subject == f"Patient/{patient}",
        "kind": kind,
        "name": name,
        "given": given,
        "errors": errors or {},
        "wrongs": WRONG,
        "refusals": refusals or [],
        "longest": LONGEST,
    }


def _today(guest: Guest[Surroundings]) -> date:
    return datetime.now(ZoneInfo(guest.service.settings.default_timezone)).date()


def _number(guest: Guest[Surroundings]) -> str:
    try:
        return str(UUID(guest.field("number", 36)))
    except ValueError:
        return str(uuid4())
