"""A request that something be put right: a Basic whose versions are its history, and the one table of its states.

RGPD art. 16 (inaccurate data are put right), art. 12.3 (an answer within one month; two more where it is complex, told
with the reason within the first), art. 12.4 (a refusal says why); a time given in months ends with its last day
(Regulation 1182/71, art. 3.2). What is late is so by the clock, when it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.space.accounts.life import CODES, OWN
from fhir_server.space.accounts.states import Delay
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Span, Word

State = Literal["asked", "extended", "accepted", "refused", "withdrawn"]
STATES: tuple[State, ...] = get_args(State)
Event = Literal["ask", "extend", "accept", "refuse", "withdraw"]
EVENTS: tuple[Event, ...] = get_args(Event)
Role = Literal["holder", "operator"]
#: What it is about: who the person is, a document of theirs, or anything else in the record.
About = Literal["traits", "document", "other"]
ABOUTS: tuple[About, ...] = get_args(About)

ONE_MONTH, TWO_MORE = Delay(months=1), Delay(months=3)
#: (event, state before) → who may, and the state that follows. What is not here cannot happen.
MOVES: Mapping[tuple[Event, State | None], tuple[Role, State]] = {
    ("ask", None): ("holder", "asked"),
    ("extend", "asked"): ("operator", "extended"),
    **{("accept", one): ("operator", "accepted") for one in ("asked", "extended")},
    **{("refuse", one): ("operator", "refused") for one in ("asked", "extended")},
    **{("withdraw", one): ("holder", "withdrawn") for one in ("asked", "extended")},
}
#: States in which an answer is owed.
OPEN: frozenset[State] = frozenset({"asked", "extended"})

#: Index rows of a Basic: its state, and until when an answer is owed, in µs.
STATE, DUE = "_rectification", "_rectificationDue"
_URL = f"{OWN}/StructureDefinition/ens-rectification"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        id: of its Basic.
        patient: id of whose data it is about.
        about: of `ABOUTS`; document: "DocumentReference/1", "" without.
        words: what the person asks.
        asked: when; aware, UTC. by: "Patient/1" or "RelatedPerson/1".
        state: of `STATES`; at: since when, aware, UTC.
        answer: of the operator, "" without; answerer: "Person/1", "" for the operator's software.
    """

    id: str
    patient: str
    about: About
    words: str
    asked: datetime
    by: str
    state: State
    at: datetime
    document: str = ""
    answer: str = ""
    answerer: str = ""

    @property
    def due(self) -> datetime:
        """Until when it is to be answered."""
        day = (TWO_MORE if self.state == "extended" else ONE_MONTH).after(self.asked).astimezone(PARIS)
        return day.replace(hour=23, minute=59, second=59).astimezone(UTC)

    def late(self, now: datetime) -> bool:
        """Whether an answer is owed that should have been given."""
        return self.state in OPEN and now > self.due


def to_basic(one: Request) -> dict[str, Any]:
    """The Basic of it."""
    said: list[dict[str, Any]] = [
        {"url": "about", "valueCode": one.about},
        *([{"url": "document", "valueReference": {"reference": one.document}}] if one.document else []),
        {"url": "words", "valueString": one.words},
        {"url": "asked", "valueDateTime": _written(one.asked)},
        {"url": "by", "valueReference": {"reference": one.by}},
        {"url": "state", "valueCode": one.state},
        {"url": "at", "valueDateTime": _written(one.at)},
        *([{"url": "answer", "valueString": one.answer}] if one.answer else []),
        *([{"url": "answerer", "valueReference": {"reference": one.answerer}}] if one.answerer else []),
    ]
    return {
        "resourceType": "Basic",
        "id": one.id,
        "extension": [{"url": _URL, "extension": said}],
        "code": {"coding": [{"system": CODES, "code": "rectification", "display": "Demande de rectification"}]},
        "subject": {"reference": f"Patient/{one.patient}"},
        "created": one.asked.astimezone(PARIS).date().isoformat(),
    }


def from_basic(tree: Mapping[str, Any]) -> Request | None:
    """The request that a Basic is; None where it is about something else."""
    extension = next((one for one in tree.get("extension", ()) if one.get("url") == _URL), None)
    if extension is None:
        return None
    said = {str(one.get("url")): one for one in extension.get("extension", ())}
    state, about = said.get("state", {}).get("valueCode"), said.get("about", {}).get("valueCode")
    if state not in STATES or about not in ABOUTS:
        return None
    return Request(
        id=str(tree.get("id", "")),
        patient=str(tree.get("subject", {}).get("reference", "")).removeprefix("Patient/"),
        about=cast(About, about),
        words=str(said.get("words", {}).get("valueString", "")),
        asked=_read(said.get("asked")),
        by=_reference(said.get("by")),
        state=cast(State, state),
        at=_read(said.get("at")),
        document=_reference(said.get("document")),
        answer=str(said.get("answer", {}).get("valueString", "")),
        answerer=_reference(said.get("answerer")),
    )


def found(tree: dict[str, Any], base: str) -> Iterator[Word | Span]:
    """The index rows of a Basic; none where it is about something else."""
    one = from_basic(tree)
    if one is None:
        return
    yield Word(STATE, one.state)
    if one.state in OPEN:
        due = round(one.due.timestamp() * 1_000_000)
        yield Span(DUE, due, due)


def _reference(extension: Mapping[str, Any] | None) -> str:
    return str((extension or {}).get("valueReference", {}).get("reference", ""))


def _written(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _read(extension: Mapping[str, Any] | None) -> datetime:
    said = str((extension or {}).get("valueDateTime", ""))
    return (begins(said, PARIS) or UNSAID).astimezone(UTC)
