"""The one way in which an identity changes: judged at the version that is then replaced, its step of the same commit.

Référentiel INS: one INS is one person's. Of whom another has or had the number nothing is told but that two records may
be of one person, which `Patient/$merge` settles; that nobody takes it meanwhile is a guard of the commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Invalid, NotFound
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import is_refused
from fhir_server.space.identities import steps
from fhir_server.space.identities.identity import How, changed, numbers
from fhir_server.space.identities.steps import Event, Step
from fhir_server.space.national_identity import with_ins
from fhir_server.store.protocol import Guard, Stale

_ATTEMPTS = 20
_EVENTS: dict[How, Event] = {
    "attributed": "ins-attributed",
    "replaced": "ins-replaced",
    "corrected": "ins-corrected",
    "withdrawn": "ins-withdrawn",
    "traits": "traits-corrected",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change that is asked for: what the identity shall be, of which kind the change is, and why."""

    said: dict[str, Any]
    how: How
    reason: str
    by: str


async def change(context: Context, patient: str, wanted: Wanted, now: datetime) -> dict[str, Any]:
    """Have somebody's (id) identity change; the Patient as it is then.

    Args:
        context: of the caller, as whom it is traced.
        patient: id.
        wanted: what is asked for.
        now: when it is made; aware.

    Raises:
        NotFound: there is no such Patient (404).
        Invalid: it cannot be, naming the element (422).
        Conflict: another person has this INS, or others kept changing this one (409).
    """
    repository, own = context.repository, context.repository.as_server()
    for _ in range(_ATTEMPTS):
        before = await own.current("Patient", patient)
        if before is None or before.deleted:
            raise NotFound("There is no such Patient.")
        tree = parse(before.body)
        if is_merged(tree):
            raise Invalid("This record was made one with another, whose identity it is.", "Patient.link")
        at = now.astimezone(UTC).isoformat(timespec="seconds")
        after = changed(tree, wanted.said, wanted.how, at)
        await require_valid(context, after)
        guards = await _unshared(own, patient, wanted.said)
        step = await steps.put(own, Step(patient, _EVENTS[wanted.how], now, wanted.reason, wanted.by))
        put = await own.put("Patient", patient, after, serialize(after), before)
        try:
            await repository.transact([put, step], guards)
        except Stale:
            continue
        return after
    raise Conflict("Others keep changing the same person; try again.", headers={"Retry-After": "1"})


async def require_valid(context: Context, tree: dict[str, Any]) -> None:
    """Refuse a resource that is none of R4's, or not of the profiles it claims.

    Raises:
        Invalid: with each issue (422).
    """
    found = await context.pipeline.issues(context, tree)
    if is_refused(found):
        raise Invalid(issues=found)


def is_merged(tree: dict[str, Any]) -> bool:
    """Whether a Patient was made one with another: R4 Patient.link, replaced-by."""
    return any(one.get("type") == "replaced-by" for one in tree.get("link", ()))


async def _unshared(own: Repository, patient: str, said: dict[str, Any]) -> list[Guard]:
    """That nobody else has, or had, the INS that is said, and nobody does until the commit."""
    wanted = numbers(said)
    if not wanted:
        return []
    where = with_ins(str(wanted[0]["value"]))
    page = await own.find({"Patient": where}, count=2, want="head")
    ids = frozenset(one.id for one in page.versions)
    if ids - {patient}:
        words = "Another record here has this INS: two records of one person are made one by Patient/$merge."
        raise Conflict(words, "Patient.identifier.value", code="duplicate", key="identity-taken")
    return [Guard("Patient", where, ids)]
