"""The desk of referencing: files as each duty sees them, and the steps it may take. CSP R1111-38, R1111-39.

One page for publisher, verifier, commission and administrator: `space.catalogue.steps.ROWS` says what each is offered,
`PARTS` what a step is taken with. A file that is not one's own looks absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import cast

from fastapi.responses import Response

from fhir_server.fhir.outcome import FhirError, Issue, NotFound
from fhir_server.site.signed_in import Guest
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.completeness import LONGEST
from fhir_server.space.catalogue.criteria import Criterion, criteria, questions
from fhir_server.space.catalogue.dossiers import STATUSES as TASK_STATUSES
from fhir_server.space.catalogue.dossiers import UNDER_WAY, Dossier, Opinion, Result, State, Verdict
from fhir_server.space.catalogue.opened import Apps
from fhir_server.space.catalogue.pages import desk_words as words
from fhir_server.space.catalogue.pages.words import STATUSES, category, done_with
from fhir_server.space.catalogue.referencing import RECONSENT, Referencing
from fhir_server.space.catalogue.step_input import Act, Actor
from fhir_server.space.catalogue.steps import STEPS, Row

#: Step → what it is taken with besides a reason. A commission returns a file without results.
PARTS: Mapping[tuple[str, str], str] = {
    ("verify", "verifier"): "results",
    ("return", "verifier"): "results",
    ("opine", "commission"): "opinion",
    ("sign", "administrator"): "convention",
}
#: Steps that have a page of their own.
ELSEWHERE = frozenset({"complete"})
#: States of a file that has not gone on.
BACK = frozenset({"incomplete", "abandoned", "refused", "dereferenced"})
#: States of a file after which its publisher may file a newer version of the app.
OVER = frozenset(state for state, (status, _) in TASK_STATUSES.items() if status not in UNDER_WAY)


def actor(guest: Guest[Apps]) -> Actor:
    """Who takes steps on these pages."""
    return Actor(guest.account.subject, frozenset(guest.account.duties), guest.account.organization)


def waits(rows: Sequence[Row], state: State) -> bool:
    """Whether a file that is under way waits for somebody who is offered these steps."""
    return TASK_STATUSES[state][0] in UNDER_WAY and any(row.step != "abandon" for row in rows)


async def show(guest: Guest[Apps]) -> Response:
    """The files that this person sees, those that wait for them first."""
    who, catalogue = actor(guest), guest.service.catalogue
    asked = guest.query("state")
    state = asked if asked in TASK_STATUSES else None
    found = await guest.service.referencing.files(who)
    waiting = [one for one in found if waits(Referencing.open_to(who, one), one.state)]
    shown = [one for one in found if state in (None, one.state)]
    own = await catalogue.of_publisher(who.organization) if who.organization else []
    busy = {one.app for one in found if one.state not in OVER}
    values = {
        "waiting": waiting,
        "files": shown,
        "publishers": await catalogue.publishers(one.proposed for one in found),
        "apps": [(app, app.id not in busy) for app in own] if "publisher" in who.duties else None,
        "statuses": STATUSES,
        "states": words.STATES,
        "state": state or "",
        "duties": [words.DUTIES[duty] for duty in guest.account.duties],
        "reports": await _reports(guest) if "administrator" in who.duties else None,
    }
    return guest.page("catalogue/desk", values)


async def show_file(guest: Guest[Apps]) -> Response:
    """One file, and the steps open to this person."""
    try:
        found = await guest.service.referencing.get(actor(guest), guest.path("file"))
    except NotFound:
        return guest.nothing()
    return await _page(guest, found)


async def take(guest: Guest[Apps]) -> Response:
    """Take the step of a file that was chosen, if it is open to this person."""
    who, step = actor(guest), guest.field("step", 30)
    try:
        found = await guest.service.referencing.get(who, guest.path("file"))
        row = next((one for one in Referencing.open_to(who, found) if one.step == step), None)
        if row is None:
            # Not of one's duties, or no more: the page says where the file stands.
            return await _page(guest, found, [_issue("", "overtaken")], 409 if step in STEPS else 400)
        act, issues = _act(guest, row, found)
        if issues:
            return await _page(guest, found, issues, 422)
        taken = await guest.service.referencing.step(who, found.id, step, act)
    except NotFound:
        return guest.nothing()
    except FhirError as refusal:
        return await _page(guest, found, refusal.issues, refusal.status)
    return guest.to(f"/referencement/{taken.id}?done={step}")


async def assessment(guest: Guest[Apps]) -> Response:
    """The impact assessment, to be saved: never shown inside these pages (OWASP ASVS 12.4)."""
    try:
        found, data = await guest.service.referencing.assessment(actor(guest), guest.path("file"))
    except NotFound:
        return guest.nothing()
    kind = str(found.get("contentType", "application/octet-stream"))
    suffix = "pdf" if kind == "application/pdf" else "odt"
    return Response(
        data,
        media_type=kind,
        headers={
            "Content-Disposition": f'attachment; filename="analyse-impact-{guest.path("file")}.{suffix}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "no-store",
        },
    )


async def _page(guest: Guest[Apps], found: Dossier, issues: Sequence[Issue] = (), status: int = 200) -> Response:
    who, app = actor(guest), await guest.service.catalogue.get(found.app)
    # A publisher is not told who among the staff took a step.
    told = {"publisher"} if who.duties == {"publisher"} else {one.duty for one in found.steps}
    names = await guest.service.referencing.names(found, told)
    rows = Referencing.open_to(who, found)
    # What goes on comes first, since Enter in a field sends the first button; what goes back or ends comes after.
    inline = sorted((row for row in rows if row.step not in ELSEWHERE), key=lambda row: row.target in BACK)
    done = guest.query("done")
    values = {
        "file": found,
        "app": found.proposed,
        "current": app,
        "publisher": names.get(found.proposed.publisher, found.proposed.publisher),
        "rows": inline,
        "elsewhere": [row for row in rows if row.step in ELSEWHERE],
        "parts": {PARTS[row.step, row.duty] for row in inline if (row.step, row.duty) in PARTS},
        "newer": "publisher" in who.duties and found.state in OVER and found.state != "superseded",
        "results": _results(found),
        "answers": [(one, found.answers.get(one.link, "")) for one in questions(found.proposed.exchanges)],
        "purposes": [(one, done_with(one)) for one in found.proposed.purposes],
        "categories": [category(code) for code in found.proposed.categories],
        "history": [(one, names.get(one.by, "") if one.duty in told else "") for one in reversed(found.steps)],
        "changes": _changes(found.proposed, app),
        "reconsent": RECONSENT.days,
        "wrong": words.told(issues),
        "given": guest.given,
        "longest": LONGEST,
        "done": done if done in STEPS or done == "file" else "",
        "words": words,
        "statuses": STATUSES,
    }
    return guest.page("catalogue/dossier", values, status)


def _results(found: Dossier) -> list[tuple[Criterion, Result | None]]:
    return [(one, found.results.get(one.code)) for one in criteria(found.proposed.exchanges)]


def _changes(proposed: App, current: App | None) -> list[str]:
    """Labels of the purposes that people have consented to and that the new version changes."""
    if current is None or current.status == "PRESERIE":
        return []
    earlier = {one.code: one.terms for one in current.purposes}
    return [one.label for one in proposed.purposes if earlier.get(one.code, one.terms) != one.terms]


def _act(guest: Guest[Apps], row: Row, found: Dossier) -> tuple[Act, list[Issue]]:
    """What the step is taken with, and what cannot be read of it."""
    part = PARTS.get((row.step, row.duty), "")
    reason = guest.field("reason", LONGEST + 1) if row.reasoned else ""
    version = guest.field("version", 9)
    expected = int(version) if version.isdecimal() else None
    if part == "results":
        return Act(reason, results=_given_results(guest, found), expected=expected), []
    if part == "opinion":
        opinion = guest.field("opinion", 20)
        known = cast(Opinion, opinion) if opinion in words.OPINIONS else None
        return Act(reason, opinion=known, expected=expected), []
    if part != "convention":
        return Act(reason, expected=expected), []
    days = {name: _day(guest.field(name, 20)) for name in ("start", "end", "reconsent_by")}
    issues = [_issue(name, "day") for name, day in days.items() if day is None and guest.field(name)]
    return Act(
        reason, start=days["start"], end=days["end"], reconsent_by=days["reconsent_by"], expected=expected
    ), issues


def _given_results(guest: Guest[Apps], found: Dossier) -> dict[str, Result]:
    results = {}
    for one in criteria(found.proposed.exchanges):
        verdict = guest.field(f"criterion.{one.code}", 20)
        if verdict in words.VERDICTS:
            comment = guest.field(f"criterion.{one.code}.comment", LONGEST + 1)
            results[one.code] = Result(cast(Verdict, verdict), comment)
    return results


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _issue(where: str, key: str) -> Issue:
    return Issue("error", "business-rule", words.WRONG[key][1], where, key)


async def _reports(guest: Guest[Apps]) -> int:
    from fhir_server.space.catalogue.pages.my_apps import reports

    return await reports(guest).waiting()
