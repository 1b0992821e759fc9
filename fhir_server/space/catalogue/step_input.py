"""Who takes a step of a referencing, and with what: read from the caller, and checked before anything is written.

CSP R1111-38: every step is reasoned where somebody's rights hang on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.fhir.outcome import Forbidden, Invalid, Issue
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.completeness import LONGEST, unverified
from fhir_server.space.catalogue.criteria import criteria
from fhir_server.space.catalogue.dossiers import Dossier, Opinion, Result
from fhir_server.space.catalogue.impact_assessment import Attached
from fhir_server.space.catalogue.steps import Row


@dataclass(frozen=True, slots=True)
class Actor:
    """Who takes a step.

    Attributes:
        subject: "Person/1".
        duties: of "publisher", "verifier", "commission", "administrator".
        organization: a publisher's: "Organization/1".
        client: through which software, its client id; None on the server's own pages.
    """

    subject: str
    duties: frozenset[str]
    organization: str | None = None
    client: str | None = None

    @classmethod
    def of(cls, grant: Grant) -> Actor:
        """The caller.

        Raises:
            Forbidden: the caller is not a person with a duty (403).
        """
        if grant.subject is None or not grant.duties:
            raise Forbidden("Only staff of the catalogue take steps of a referencing.", key="other-duty")
        return cls(grant.subject, grant.duties, grant.organization, grant.client)


@dataclass(frozen=True, slots=True)
class Act:
    """What a step is taken with; what it has no use for is refused.

    Attributes:
        reason: in words; compulsory where `Row.reasoned`.
        results: of verification, by criterion: for "verify", and "return" by a verifier.
        opinion: of the commission: for "opine".
        start, end: of the convention: for "sign".
        reconsent_by: last day of consents to earlier purposes: for "sign"; today and `RECONSENT` when not given.
        proposed, answers, dpia: the file completed: for "complete"; None leaves what was filed.
        expected: version of the Task that was looked at; None for whatever is there.
    """

    reason: str = ""
    results: Mapping[str, Result] = field(default_factory=dict)
    opinion: Opinion | None = None
    start: date | None = None
    end: date | None = None
    reconsent_by: date | None = None
    proposed: App | None = None
    answers: Mapping[str, str] | None = None
    dpia: Attached | None = None
    expected: int | None = None


def require(row: Row, act: Act) -> None:
    """Refuse a step that lacks something, or has what it has no use for (422)."""
    issues = []
    if row.reasoned and not act.reason.strip():
        issues.append(_issue("reason", "The step needs a reason.", "missing"))
    if len(act.reason) > LONGEST:
        issues.append(_issue("reason", f"The reason is longer than {LONGEST} characters.", "too-long"))
    if row.step == "opine" and act.opinion is None:
        issues.append(_issue("opinion", "The opinion is favourable, reserved or unfavourable.", "missing"))
    if row.step == "sign":
        issues += _convention(act)
    issues += [
        _issue(name, f"The step {row.step} has no {name}.", "needless")
        for name, where in _USED.items()
        if getattr(act, name) and row.step not in where
    ]
    if issues:
        raise Invalid(issues=issues)


#: Part of an act → the steps that have a use for it.
_USED = {
    "results": ("verify", "return"),
    "opinion": ("opine",),
    "start": ("sign",),
    "end": ("sign",),
    "reconsent_by": ("sign",),
    "proposed": ("complete",),
    "answers": ("complete",),
    "dpia": ("complete",),
}


def _convention(act: Act) -> Iterator[Issue]:
    today = datetime.now(UTC).date()
    for name in ("start", "end"):
        if getattr(act, name) is None:
            yield _issue(name, "The convention has a first and a last day.", "missing")
    if act.start is not None and act.start > today:
        # What is signed is on line: an app is not on line before its convention has begun.
        yield _issue("start", "The convention has begun: it is signed on its first day, or later.", "not-begun")
    if act.end is not None and act.end < max(act.start or today, today):
        yield _issue("end", "The convention ends after it begins, and not in the past.", "past")
    if act.reconsent_by is not None and act.reconsent_by < today:
        yield _issue("reconsent_by", "The last day to consent anew is not in the past.", "past")


def content(before: Dossier, row: Row, act: Act) -> dict[str, Any]:
    """What the step changes of the file besides its state, as fields of `Dossier`.

    Raises:
        Invalid: the results of a verification are incomplete or wrong (422).
    """
    if row.step == "complete":
        given = {"proposed": act.proposed, "answers": act.answers}
        return {name: value for name, value in given.items() if value is not None}
    if row.step not in ("verify", "return") or row.duty != "verifier":
        return {}
    asked = criteria(before.proposed.exchanges)
    results = {**before.results, **act.results}
    issues = unverified(results, asked, passing=row.step == "verify")
    if issues:
        raise Invalid(issues=issues)
    return {"results": results}


def _issue(where: str, words: str, key: str) -> Issue:
    return Issue("error", "business-rule", words, where, key)
