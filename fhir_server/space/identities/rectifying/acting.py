"""The one way in which a request is made and answered: who may, judged at the version that is then replaced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from fhir_server.access.repository import Repository
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Invalid, NotFound
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.accounts.life import CODES
from fhir_server.space.identities.rectifying.request import (
    DUE,
    MOVES,
    OPEN,
    STATE,
    Event,
    Request,
    Role,
    from_basic,
    to_basic,
)
from fhir_server.store.filters import Filter, Refers, Token, both, either
from fhir_server.store.protocol import Guard, Sort, Stale, Version

#: Requests of one person that wait for an answer at once; of one person, and of all, that are shown.
MOST_OPEN, SHOWN = 20, 200
_ATTEMPTS = 20
_KIND = Token("code", spelling("rectification", CODES), CODES)
_WAITING = both(_KIND, either([Token(STATE, one) for one in sorted(OPEN)]))


def _of(patient: str) -> Filter:
    return Refers("patient", f"Patient/{patient}")


async def of(own: Repository, patient: str) -> list[Request]:
    """The requests of somebody (id), the newest first."""
    page = await own.find({"Basic": both(_KIND, _of(patient))}, count=SHOWN)
    found = [from_basic(parse(one.body)) for one in page.versions]
    return sorted((one for one in found if one is not None), key=lambda one: one.asked, reverse=True)


async def waiting(own: Repository) -> list[Request]:
    """The requests that wait for an answer, those due first before the others."""
    page = await own.find({"Basic": _WAITING}, sort=(Sort(DUE, "span"),), count=SHOWN)
    found = [from_basic(parse(one.body)) for one in page.versions]
    return [one for one in found if one is not None]


async def ask(repository: Repository, one: Request) -> Request:
    """Keep a new request, under an id of its own.

    Raises:
        Invalid: too many wait for an answer (422).
        Conflict: others kept asking for the same person (409).
    """
    own = repository.as_server()
    where = both(_WAITING, _of(one.patient))
    for _ in range(_ATTEMPTS):
        page = await own.find({"Basic": where}, count=MOST_OPEN + 1, want="head")
        if len(page.versions) >= MOST_OPEN:
            raise Invalid(f"{MOST_OPEN} requests wait for an answer: they come first.", code="business-rule")
        made = replace(one, id=own.new_id("Basic"))
        tree = to_basic(made)
        put = await own.put("Basic", made.id, tree, serialize(tree), None)
        try:
            await repository.transact([put], [Guard("Basic", where, frozenset(v.id for v in page.versions))])
        except Stale:
            continue
        return made
    raise Conflict("Others keep asking for the same; try again.", headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class Act:
    """What happens to a request: by whom in which role, when, and what the operator says."""

    event: Event
    role: Role
    at: datetime
    answer: str = ""
    by: str = ""


async def move(repository: Repository, patient: str, id: str, act: Act) -> Request:
    """Have something happen to a request (id) of somebody (id).

    Raises:
        NotFound: there is no such request of theirs (404).
        Invalid: it cannot happen any more, or not by them, or says nothing (422).
        Conflict: others kept changing the same (409).
    """
    own = repository.as_server()
    for _ in range(_ATTEMPTS):
        version, before = await _found(own, patient, id)
        after = moved(before, act)
        tree = to_basic(after)
        try:
            await repository.transact([await own.put("Basic", id, tree, serialize(tree), version)])
        except Stale:
            continue
        return after
    raise Conflict("Others keep changing the same request; try again.", headers={"Retry-After": "1"})


def moved(before: Request, act: Act) -> Request:
    """What a request is after something happened to it.

    Raises:
        Invalid: it cannot, or not by them, or an answer is missing (422).
    """
    may = MOVES.get((act.event, before.state))
    if may is None or may[0] != act.role:
        raise _refused(f"This cannot happen to a request that is {before.state}, or not by you.", "event")
    if act.event == "extend" and before.late(act.at):
        # Art. 12.3: of an extension the person is told within one month of receipt.
        raise _refused("More time is taken within the first month.", "event")
    if act.role == "operator" and not act.answer:
        raise _refused("An answer says what was done, or why not, or why it takes longer.", "answer")
    after = replace(before, state=may[1], at=act.at)
    return replace(after, answer=act.answer, answerer=act.by) if act.role == "operator" else after


async def _found(own: Repository, patient: str, id: str) -> tuple[Version, Request]:
    version = await own.current("Basic", id) if id else None
    one = from_basic(parse(version.body)) if version is not None and not version.deleted else None
    if version is None or one is None or one.patient != patient:
        raise NotFound("There is no such request.")
    return version, one


def _refused(words: str, part: str) -> Invalid:
    return Invalid(words, f"Parameters.parameter.where(name='{part}')", code="business-rule", key="rectification")
