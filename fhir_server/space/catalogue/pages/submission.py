"""Where a publisher files an app, a new version of one, or completes a file that was returned. CSP R1111-38.

The form is long: what was typed and the assessment that was sent stay when something is wrong, or a purpose is added.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError, Issue, NotFound
from fhir_server.site.signed_in import Guest
from fhir_server.site.visit import Form
from fhir_server.smart.secret import made
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.completeness import LONGEST, MOST_PURPOSES, categories
from fhir_server.space.catalogue.criteria import questions
from fhir_server.space.catalogue.dossiers import Dossier
from fhir_server.space.catalogue.impact_assessment import LARGEST, Attached
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.pages import data_words, dossier_form, dossier_words
from fhir_server.space.catalogue.pages import desk_words as words
from fhir_server.space.catalogue.pages.desk import actor
from fhir_server.space.catalogue.pages.words import category
from fhir_server.space.catalogue.step_input import Act

#: How long an assessment that was sent waits for the rest of its form, in seconds.
DRAFT = 3600
_NEW = App("", "", "", "", "", "PRESERIE")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a form is about.

    Attributes:
        base: the app as it is, or as it was filed.
        given: the form as it stands.
        action: the address it is sent to.
        dossier: to be completed; None for a new one.
        issues: what is wrong with it.
    """

    base: App
    given: Form
    action: str
    dossier: Dossier | None = None
    issues: Sequence[Issue] = ()


async def show_new(guest: Guest[Apps]) -> Response:
    """An empty form for the file of a new app."""
    return await _page(
        guest, Sheet(_NEW, dossier_form.with_one_more({"app.exchanges": ["yes"]}), "/referencement/nouveau")
    )


async def file_new(guest: Guest[Apps]) -> Response:
    """A new app filed."""
    return await _sent(guest, Sheet(_NEW, guest.given, "/referencement/nouveau"), _file)


async def show_version(guest: Guest[Apps]) -> Response:
    """The form of a new version, as the app is."""
    base = await _own(guest)
    if base is None:
        return guest.nothing()
    earlier = await guest.service.referencing.files(actor(guest), app=base.id)
    given = dossier_form.fields(base, earlier[0].answers if earlier else {})
    return await _page(guest, Sheet(base, given, f"/referencement/nouveau/{base.id}"))


async def file_version(guest: Guest[Apps]) -> Response:
    """A new version filed."""
    base = await _own(guest)
    if base is None:
        return guest.nothing()
    return await _sent(guest, Sheet(base, guest.given, f"/referencement/nouveau/{base.id}"), _file)


async def show_completing(guest: Guest[Apps]) -> Response:
    """The form of a file that was returned, as it was filed."""
    found = await _returned(guest)
    if found is None:
        return guest.nothing()
    given = dossier_form.fields(found.proposed, found.answers)
    return await _page(guest, Sheet(found.proposed, given, f"/referencement/{found.id}/completer", found))


async def complete(guest: Guest[Apps]) -> Response:
    """The file, filed again."""
    found = await _returned(guest)
    if found is None:
        return guest.nothing()
    sheet = Sheet(found.proposed, guest.given, f"/referencement/{found.id}/completer", found)
    return await _sent(guest, sheet, _complete)


async def _own(guest: Guest[Apps]) -> App | None:
    app = await guest.service.catalogue.get(guest.path("app"))
    return app if app is not None and app.publisher == guest.account.organization else None


async def _returned(guest: Guest[Apps]) -> Dossier | None:
    try:
        found = await guest.service.referencing.get(actor(guest), guest.path("file"))
    except NotFound:
        return None
    mine = found.publisher == guest.account.organization
    return found if mine and found.state == "incomplete" else None


async def _file(guest: Guest[Apps], sheet: Sheet, filed: dossier_form.Filed, dpia: Attached | None) -> Dossier:
    return await guest.service.referencing.file(
        actor(guest), filed.app, filed.answers, dpia if filed.app.exchanges else None
    )


async def _complete(guest: Guest[Apps], sheet: Sheet, filed: dossier_form.Filed, dpia: Attached | None) -> Dossier:
    act = Act(proposed=filed.app, answers=filed.answers, dpia=dpia if filed.app.exchanges else None)
    assert sheet.dossier is not None
    return await guest.service.referencing.step(actor(guest), sheet.dossier.id, "complete", act)


Filing = Callable[[Guest[Apps], Sheet, dossier_form.Filed, Attached | None], Awaitable[Dossier]]


async def _sent(guest: Guest[Apps], sheet: Sheet, file: Filing) -> Response:
    """The form sent: one purpose more or less of it, or filed."""
    dpia, what = await _assessment(guest), guest.field("do", 20)
    if what == "add" or what.startswith("remove-"):
        number = what.removeprefix("remove-")
        gone = int(number) if number.isdecimal() else -1
        given = dossier_form.with_one_more(sheet.given) if what == "add" else dossier_form.without(sheet.given, gone)
        return await _page(guest, Sheet(sheet.base, given, sheet.action, sheet.dossier), dpia)
    try:
        done = await file(guest, sheet, dossier_form.read(sheet.given, sheet.base), dpia)
    except NotFound:
        return guest.nothing()
    except FhirError as refusal:
        wrong = Sheet(sheet.base, sheet.given, sheet.action, sheet.dossier, refusal.issues)
        return await _page(guest, wrong, dpia, refusal.status)
    return guest.to(f"/referencement/{done.id}?done={'complete' if sheet.dossier else 'file'}")


async def _page(guest: Guest[Apps], sheet: Sheet, dpia: Attached | None = None, status: int = 200) -> Response:
    given, dossier = sheet.given, sheet.dossier
    wrong = words.told(sheet.issues)
    if "client" in {issue.key for issue in sheet.issues}:
        wrong = {"app.client": words.WRONG["client"]}
    kept = await _keep(guest, dpia)
    filed = dossier.dpia if dossier is not None else None
    returned = next((one for one in reversed(dossier.steps) if one.step == "return"), None) if dossier else None
    values: dict[str, Any] = {
        "given": given,
        "action": sheet.action,
        "app": sheet.base,
        "file": dossier,
        "returned": returned,
        "unmet": [(code, one) for code, one in dossier.results.items() if one.verdict == "not-met"] if dossier else [],
        "numbers": dossier_form.numbers(given),
        "most": MOST_PURPOSES,
        "questions": questions(True),
        "categories": [(code, category(code)) for code in categories()],
        "documents": data_words.documents(),
        "measures": data_words.measures(),
        "labels": dossier_words.LABELS,
        "wrong": wrong,
        "summary": [(name, dossier_words.label(name), said) for name, said in wrong.items()],
        "kept": kept,
        "attached": dpia.title if dpia is not None and kept else str((filed or {}).get("title", "")),
        "longest": LONGEST,
        "megabytes": LARGEST // 1024 // 1024,
    }
    return guest.page("catalogue/file", values, status)


async def _assessment(guest: Guest[Apps]) -> Attached | None:
    """What was sent now, or with the same form before; None without either."""
    name, data = guest.file("dpia")
    if data:
        return Attached(name or "Analyse d’impact", data)
    key = guest.field("kept", 100)
    found = await guest.visit.authorization.records.get("assessment", f"{guest.account.id} {key}") if key else None
    if found is None:
        return None
    title, kept = msgspec.msgpack.decode(found, type=tuple[str, bytes])
    return Attached(title, kept)


async def _keep(guest: Guest[Apps], dpia: Attached | None) -> str:
    """The word by which the form finds what was sent with it; "" for what will be refused anyhow."""
    if dpia is None or dpia.kind is None or len(dpia.data) > LARGEST:
        return ""
    word = guest.field("kept", 100) if not guest.files.get("dpia") else ""
    word = word or made()
    value = msgspec.msgpack.encode((dpia.title, dpia.data))
    await guest.visit.authorization.records.put("assessment", f"{guest.account.id} {word}", value, DRAFT)
    return word
