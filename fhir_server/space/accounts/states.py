"""Through which states a person's space goes, by what event, whose, and until when: one table.

Code de la santé publique (CSP) R1111-28 (information, opposition, opening after six weeks), R1111-36 (closing,
deletion within three months, suspension), R1111-40 (the medical record opens with the space). What happens where the
text is silent is marked "settled" and stands in ARCHITECTURE.md.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from fhir_server.space.paris import PARIS

#: `informed`: told of it, and may object; `opposed`: objected; `open`: professionals file in it, and its holder never
#: came; `activated`: its holder uses it; `closed`: an archive that nobody reads; `suspended`: for fraud, by the
#: operator; `deceased`: the archive of somebody who died; `merged`: the lesser of two records of one person.
State = Literal["informed", "opposed", "open", "activated", "closed", "suspended", "deceased", "erased", "merged"]
STATES: tuple[State, ...] = get_args(State)
#: States in which the record is fed and read; `Patient.active` says so to software (PDSm4DMP TD02).
IN_USE: frozenset[State] = frozenset({"open", "activated"})

Event = Literal[
    "inform",
    "oppose",
    "withdraw-opposition",
    "activate",
    "close",
    "ask-deletion",
    "cancel-deletion",
    "reopen",
    "suspend",
    "object",
    "lift",
    "die",
    "correct-death",
    "merge",
    "unmerge",
    "come-of-age",
    "due",
]
EVENTS: tuple[Event, ...] = get_args(Event)
#: What somebody may ask for: time acts by itself, and records are merged by `Patient/$merge`, with what is in them.
ASKED: tuple[Event, ...] = tuple(one for one in EVENTS if one not in ("due", "come-of-age", "merge", "unmerge"))

#: Who does it: the holder, or the legal representative of a minor; the operator (the insurance); a professional whom
#: the person lets help with their space; time.
Role = Literal["holder", "operator", "professional", "clock"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Delay:
    """A time that a rule gives, by the calendar of Paris."""

    years: int = 0
    months: int = 0
    days: int = 0

    def after(self, when: datetime) -> datetime:
        """The instant so much later, at the same time of the clock; of a day that the month has not, its last."""
        local = when.astimezone(PARIS)
        months = local.month - 1 + self.months
        year, month = local.year + self.years + months // 12, months % 12 + 1
        day = min(local.day, monthrange(year, month)[1])
        naive = local.replace(year=year, month=month, day=day, tzinfo=None) + timedelta(days=self.days)
        return naive.replace(tzinfo=PARIS).astimezone(when.tzinfo)


#: R1111-28: six weeks from the notice; R1111-36: a suspension nobody objected to closes the space after as long.
SIX_WEEKS = Delay(days=42)
#: R1111-36: a space that was closed is kept for ten years; of somebody who died likewise (settled).
TEN_YEARS = Delay(years=10)
#: R1111-36: who asks for deletion has it within three months.
THREE_MONTHS = Delay(months=3)


@dataclass(frozen=True, slots=True)
class Move:
    """A row of the table.

    Attributes:
        event: what happens.
        before: the state in which it may; None: nobody was told of the space yet.
        after: the state that follows; "former" is the one before it was closed, suspended or taken for dead.
        by: who may.
        next: after how long time acts by itself; None where it never does. "former": as it was.
        reasoned: whether a reason is asked for.
        source: the clause.
    """

    event: Event
    before: State | None
    after: State | Literal["former"]
    by: frozenset[Role]
    next: Delay | None = None
    reasoned: bool = False
    source: str = ""


def _rows() -> Iterator[Move]:
    holder: frozenset[Role] = frozenset({"holder"})
    operator: frozenset[Role] = frozenset({"operator"})
    either, clock = holder | operator, frozenset[Role]({"clock"})
    # Domain file §2.2 and §4 (a professional as administrator): what a person asks of them who does it not on line.
    helped = either | frozenset[Role]({"professional"})
    yield Move("inform", None, "informed", operator, SIX_WEEKS, source="CSP R1111-28")
    yield Move("oppose", "informed", "opposed", helped, source="CSP R1111-28")
    yield Move("withdraw-opposition", "opposed", "open", helped, source="CSP R1111-28")
    yield Move("due", "informed", "open", clock, source="CSP R1111-28")
    # Who activates does not wait for a delay that is there for those who might object: settled.
    yield Move("activate", "informed", "activated", holder, source="settled")
    yield Move("activate", "open", "activated", holder, source="CSP R1111-29")
    for used in ("open", "activated"):
        yield Move("close", used, "closed", either, TEN_YEARS, source="CSP R1111-36")
        yield Move("suspend", used, "suspended", operator, SIX_WEEKS, reasoned=True, source="CSP R1111-36")
    # What representatives use for a minor its holder, who is of age, has not come to yet: settled.
    yield Move("come-of-age", "activated", "open", clock, source="Code civil, art. 414; settled")
    yield Move("ask-deletion", "closed", "closed", holder, THREE_MONTHS, source="CSP R1111-36")
    yield Move("cancel-deletion", "closed", "closed", either, TEN_YEARS, source="CSP R1111-36")
    yield Move("reopen", "closed", "former", either, source="CSP R1111-36")
    yield Move("object", "suspended", "suspended", holder, source="CSP R1111-36")
    yield Move("lift", "suspended", "former", operator, reasoned=True, source="CSP R1111-36")
    yield Move("due", "suspended", "closed", clock, TEN_YEARS, source="CSP R1111-36")
    for living in ("informed", "opposed", "open", "activated", "closed", "suspended"):
        yield Move("die", living, "deceased", operator, TEN_YEARS, source="settled")
    yield Move("correct-death", "deceased", "former", operator, reasoned=True, source="settled")
    for unclosed in ("informed", "opposed", "open", "activated"):
        yield Move("merge", unclosed, "merged", operator, reasoned=True, source="R4 Patient.link; settled")
    yield Move("unmerge", "merged", "former", operator, reasoned=True, source="settled")
    yield Move("due", "closed", "erased", clock, source="CSP R1111-36")
    yield Move("due", "deceased", "erased", clock, source="settled")


#: (event, state before) → what it does; what is not here cannot happen.
MOVES: Mapping[tuple[Event, State | None], Move] = {(row.event, row.before): row for row in _rows()}


def allowed(state: State | None, role: Role) -> tuple[Event, ...]:
    """What somebody in that role may have happen now, in the order of the table."""
    return tuple(event for (event, before), row in MOVES.items() if before == state and role in row.by)
