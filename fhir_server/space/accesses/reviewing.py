"""Emergencies as those who answer for the service look through them: who, whose record, why, and who has looked at it.

https://fhir-server.example/OperationDefinition/AuditEvent-emergencies, AuditEvent-emergency-review. CSP R1111-43, and
the national product's rule that broken glasses are looked at afterwards. An emergency is all that one professional
opened of one record on one day; a review is kept beside the AuditEvents, which nobody rewrites.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fhir_server.access.challenge import insufficient
from fhir_server.access.grant import Grant
from fhir_server.access.write_rules import administers
from fhir_server.audit.reading import AuditReader
from fhir_server.fhir.dates import interval
from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import Forbidden, InvalidParameter, NotFound, TooCostly
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered
from fhir_server.store.protocol import Keep

#: Kind of the records of reviews, by the id of their emergency.
KIND = "emergency-review"
#: How far back is looked without a word, and at most.
USUAL, LONGEST = timedelta(days=30), timedelta(days=400)
#: Emergencies told of at once; of more, a shorter time is to be asked for.
MOST = 2000
#: Letters of a note.
NOTE = 1000


class Review(msgspec.Struct, frozen=True):
    """A review: who looked at it ("Person/1", or the software), when (µs since 1970), and what they noted."""

    by: str
    at: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Emergency:
    """What one professional opened of one record in an emergency on one day.

    Attributes:
        patient: id; professional: reference, or what the event names them by.
        day: of the events, in UTC.
        purpose: ETREAT or BTG; reason: in words.
        first, last: instants, as recorded.
        count: of the events; opened: whether something was, rather than refused.
    """

    patient: str
    professional: str
    day: str
    purpose: str
    reason: str
    first: str
    last: str
    count: int
    opened: bool

    @property
    def id(self) -> str:
        """The same each time it is looked at."""
        return hashlib.sha256("\n".join((self.patient, self.professional, self.day)).encode()).hexdigest()[:32]


async def listed(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the emergencies since a day, the newest first, with the review of each that has one.

    Raises:
        Forbidden: the caller is no administrator (403).
        InvalidParameter: `since` is no date, or too long ago (400).
        TooCostly: there are too many for one answer (400).
    """
    _require(context, "r")
    found = await _emergencies(context, _since(call.inputs.one("since"), context))
    reviews = await _reviews(context, [one.id for one in found])
    rows = [_row(one, review) for one, review in zip(found, reviews, strict=True)]
    if call.inputs.one("unreviewed") == "true":
        rows = [row for row, review in zip(rows, reviews, strict=True) if review is None]
    return answered(rows)


async def review(here: object, call: Invocation, context: Context) -> Response:
    """200 with Parameters: the emergency, reviewed by the caller now. A later review takes the place of an earlier one.

    Raises:
        Forbidden: the caller is no administrator (403).
        NotFound: there is no such emergency, or it is too long ago (404).
        InvalidParameter: the note is too long (400).
    """
    _require(context, "u")
    assert context.records is not None
    note = (call.inputs.one("note") or "").strip()
    if len(note) > NOTE:
        raise InvalidParameter(f"A note has at most {NOTE} letters.", "http.note")
    id, now = call.inputs.one("emergency") or "", datetime.now(UTC)
    found = next((one for one in await _emergencies(context, now - LONGEST, None) if one.id == id), None)
    if found is None:
        raise NotFound("There is no such emergency.")
    grant = context.repository.grant
    made = Review(grant.subject or f"Device/{grant.client}", int(now.timestamp() * 1_000_000), note)
    await context.records.apply([Keep(KIND, id, msgspec.json.encode(made))])
    return answered([_row(found, made)])


def _require(context: Context, verb: str) -> None:
    grant = context.repository.grant
    if not _is_administrator(grant):
        raise Forbidden("Emergencies are looked through by administrators.")
    if not any(scope.covers("AuditEvent", verb) for scope in grant.scopes):
        raise Forbidden("The token has no scope for this.", headers=insufficient(grant, "AuditEvent", verb))


def _is_administrator(grant: Grant) -> bool:
    return grant.own or administers(grant) or "administrator" in grant.duties


def _since(said: str | None, context: Context) -> datetime:
    now = datetime.now(UTC)
    if said is None:
        return now - USUAL
    try:
        low, _ = interval(said, ZoneInfo(context.settings.default_timezone))
    except ValueError:
        raise InvalidParameter("since is a date.", "http.since") from None
    found = datetime.fromtimestamp(max(low, 0) // 1_000_000, UTC)
    if found < now - LONGEST:
        raise InvalidParameter(f"since is at most {LONGEST.days} days ago.", "http.since")
    return found


async def _emergencies(context: Context, since: datetime, most: int | None = MOST) -> list[Emergency]:
    """All of them since then, the newest first; no more than `most` where it is said."""
    found: dict[str, Emergency] = {}
    async for row in AuditReader(context.repository.as_server()).emergencies(since):
        for patient in row.patients:
            day, opened = row.recorded[:10], not row.refused
            one = Emergency(patient, row.requestor, day, row.purpose, row.reason, row.recorded, row.recorded, 0, opened)
            # Events come with the newest first: the first of them told the last instant and the reason.
            known = found.setdefault(one.id, one)
            opened = opened or known.opened
            found[one.id] = replace(known, first=row.recorded, count=known.count + 1, opened=opened)
        if most is not None and len(found) > most:
            raise TooCostly(f"There are more than {most} emergencies: ask for a shorter time.", "http.since")
    return list(found.values())


async def _reviews(context: Context, ids: Sequence[str]) -> list[Review | None]:
    assert context.records is not None
    values = await context.records.get_each([(KIND, id) for id in ids]) if ids else []
    return [None if value is None else msgspec.json.decode(value, type=Review) for value in values]


def _row(one: Emergency, review: Review | None) -> dict[str, Any]:
    parts = [
        {"name": "id", "valueId": one.id},
        {"name": "practitioner", "valueReference": {"reference": one.professional}},
        {"name": "patient", "valueReference": {"reference": f"Patient/{one.patient}"}},
        {"name": "purpose", "valueCode": one.purpose},
        *([{"name": "reason", "valueString": one.reason}] if one.reason else []),
        {"name": "first", "valueInstant": one.first},
        {"name": "last", "valueInstant": one.last},
        {"name": "count", "valueInteger": one.count},
        {"name": "opened", "valueBoolean": one.opened},
    ]
    if review is not None:
        parts.append({"name": "reviewedBy", "valueString": review.by})
        parts.append({"name": "reviewedAt", "valueInstant": instant(review.at // 1000)})
        parts += [{"name": "note", "valueString": review.note}] if review.note else []
    return {"name": "emergency", "part": parts}
