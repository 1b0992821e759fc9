"""Qui a consulté mon dossier: who opened a record, from where, when, what of it and why, in words anyone understands.

CSP R1111-43 (each access is told to the holder: date, person, establishment, object), L1111-19. One row is one person
on one day, for one reason; the newest day first. Told are accesses of others; what is hidden from whoever is told is
neither named nor counted (`shown`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fhir_server.access.repository import Repository
from fhir_server.audit.reading import AuditRow, asked_by, from_audit_event
from fhir_server.fhir.dates import UNSAID, begins, moment
from fhir_server.fhir.json import parse
from fhir_server.search.asking.query import condition
from fhir_server.space.accesses import words
from fhir_server.space.accesses.shown import ShownDocuments, documents
from fhir_server.space.accesses.words import Words
from fhir_server.space.identities.links import merged_into
from fhir_server.space.names import names
from fhir_server.store.filters import Not, both
from fhir_server.store.protocol import Position, Sort

if TYPE_CHECKING:
    from fhir_server.search.asking.query import Place

#: Rows of one page, unless a day has more.
ROWS = 30
#: Traces looked at for one page: where a day has more, it goes on on the next page.
LOOKED_THROUGH = 2_000
#: Deeds told of one row.
MOST_DEEDS = 20
_PART = 200
#: By when it happened: a trace of another system may have come late.
_NEWEST = (Sort("date", "span", descending=True),)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which accesses are asked for.

    Attributes:
        patient: id of whose record.
        since, until: days, both included; None for no bound.
        who: a reference, to be told of one person's alone; "" for everybody's.
        before: where an earlier page ended (`Consultations.next`); "" for the first.
        own: whether the holder's own are told too.
    """

    patient: str
    since: date | None = None
    until: date | None = None
    who: str = ""
    before: str = ""
    own: bool = False


@dataclass(slots=True)
class Consultation:
    """What one person did on one day, for one reason.

    Attributes:
        day: in the server's time zone; first, last: instants of the earliest and the latest.
        reference: of who did it, by which accesses are filtered; "" for software, and for nobody known.
        who: what they are called; profession, establishment: "" when they are not known.
        tools: software they did it through, as it is called.
        deeds: what they did, each once, such as "a ouvert votre document « Bilan »"; at most `MOST_DEEDS`.
        documents: id of each document that is named in them.
        why: in words; reason: of an emergency, as it was written then.
        emergency: whether the record was opened without its holder's leave.
        refused: whether nothing was shown.
    """

    day: date
    first: datetime
    last: datetime
    reference: str
    who: Words
    profession: str = ""
    establishment: str = ""
    tools: list[str] = field(default_factory=list)
    deeds: list[Words] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    why: Words = ("", "")
    reason: str = ""
    emergency: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Consultations:
    """A page of them: rows, the newest first; `next` asks for the following page, "" when this is the last."""

    rows: Sequence[Consultation]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Teller:
    """What accesses are told from, to one person.

    Attributes:
        seen: the store as that person may see it, with scopes for AuditEvent and DocumentReference.
        own: the server's own sight, for what people and documents are called.
        called: client id → what the software is called.
        zone: in which days are days.
        place: where search conditions are read.
    """

    seen: Repository
    own: Repository
    called: Callable[[str], Awaitable[str]]
    zone: ZoneInfo
    place: Place

    async def tell(self, asked: Asked, rows: int = ROWS) -> Consultations:
        """A page of the accesses asked for: whole days, of about so many rows.

        Raises:
            ValueError: `asked.before` is no place of a page.
        """
        taken: list[AuditRow] = []
        keys: set[tuple[object, ...]] = set()
        next = ""
        async for row in self.traces(asked):
            if taken and self._ends(row, taken[-1], len(keys), len(taken), rows):
                next = taken[-1].recorded
                break
            taken.append(row)
            keys.add(self._key(row))
        return Consultations(await self.grouped(taken, asked), next)

    async def traces(self, asked: Asked) -> AsyncIterator[AuditRow]:
        """What the traces asked for say, the newest first; raises as `events`."""
        async for row, _ in self.events(asked):
            yield row

    async def events(self, asked: Asked) -> AsyncIterator[tuple[AuditRow, dict[str, Any]]]:
        """The traces asked for, the newest first: what each says, and the AuditEvent.

        Raises:
            ValueError: `asked.before` is no place of a page.
        """
        # What was read of a record that was made one with theirs names that record for good.
        whose = [asked.patient, *await merged_into(self.own, [asked.patient])]
        where = condition("AuditEvent", self._criteria(asked, whose), self.place)
        if not asked.own:
            where = both(where, Not(asked_by(f"Patient/{asked.patient}")))
        after: Position | None = None
        while True:
            # What the store answers at once gives nobody a turn, and there are thousands of traces.
            await asyncio.sleep(0)
            page = await self.seen.find({"AuditEvent": where}, _NEWEST, after, _PART)
            for version in page.versions:
                tree = parse(version.body)
                row = from_audit_event(tree)
                # What others than this server wrote may name the holder without their having asked.
                if asked.own or row.requestor != f"Patient/{asked.patient}":
                    yield row, tree
            after = page.next
            if after is None:
                return

    async def shown(self, rows: Sequence[AuditRow]) -> ShownDocuments:
        """The documents of traces that may be named."""
        return await documents((one for row in rows for one in row.objects), self.seen, self.own)

    def deed(self, row: AuditRow, shown: ShownDocuments) -> list[tuple[Words, str]]:
        """What a trace tells: each in words, with the id of the document that it names ("" for none)."""
        kind = words.deed(row.interaction)
        found: list[tuple[Words, str]] = []
        for reference in row.objects:
            type = reference.partition("/")[0]
            if type in ("DocumentReference", "Binary"):
                found += [(self._titled(kind, one, shown), one.partition("/")[2]) for one in shown.of(reference)]
            elif type in words.TYPES:
                found.append((_phrase(words.ELSE[kind], words.TYPES[type]), ""))
        if not row.objects and row.named in words.TYPES:
            found.append((_phrase(words.ELSE["open"], words.TYPES[row.named]), ""))
        # Of what is hidden no more is said than that the record was used: not even what was done.
        return found or [(words.RECORD, "")]

    def _titled(self, kind: str, document: str, shown: ShownDocuments) -> Words:
        title = shown.title(document)
        french, english = words.DOCUMENT[kind]
        # A quotation mark never stands alone at the end of a line.
        return (f"{french} «\u00a0{title}\u00a0»", f"{english} “{title}”") if title else (french, english)

    def _criteria(self, asked: Asked, whose: Sequence[str]) -> list[tuple[str, str]]:
        criteria = [("patient", ",".join(f"Patient/{one}" for one in whose))]
        if asked.since is not None:
            criteria.append(("date", f"ge{self._midnight(asked.since)}"))
        if asked.until is not None:
            criteria.append(
                ("date", f"lt{self._midnight(min(asked.until, date.max - timedelta(days=1)) + timedelta(days=1))}")
            )
        if asked.before:
            criteria.append(("date", f"lt{_instant(asked.before)}"))
        if asked.who:
            criteria.append(("agent", asked.who))
        return criteria

    def _midnight(self, day: date) -> str:
        return _zulu(begins(day.isoformat(), self.zone) or UNSAID)

    def _ends(self, row: AuditRow, before: AuditRow, groups: int, looked: int, rows: int) -> bool:
        """Whether a page ends between two traces: after a day, or amid one that is too long, never amid an instant."""
        if row.recorded == before.recorded:
            return False
        return looked >= LOOKED_THROUGH or (groups >= rows and self._day(row) != self._day(before))

    def _at(self, row: AuditRow) -> datetime:
        return begins(row.recorded, self.zone) or UNSAID.astimezone(self.zone)

    def _day(self, row: AuditRow) -> date:
        return self._at(row).date()

    def _key(self, row: AuditRow) -> tuple[object, ...]:
        return self._day(row), row.requestor, row.purpose, row.reason, row.emergency, row.refused

    async def grouped(self, taken: Sequence[AuditRow], asked: Asked, apart: bool = False) -> list[Consultation]:
        """Traces as rows: by person, day and reason, or each `apart`."""
        shown = await self.shown(taken)
        known = await names(self.own, (row.requestor for row in taken if not row.name))
        tools = {one: await self.called(one) for one in {row.software for row in taken if row.software}}
        found: dict[tuple[object, ...], Consultation] = {}
        for n, row in enumerate(taken):
            key = (n,) if apart else self._key(row)
            if key not in found:
                found[key] = self._begun(row, asked, known, tools)
            self._add(found[key], row, shown, tools)
        return list(found.values())

    def _begun(self, row: AuditRow, asked: Asked, known: Mapping[str, str], tools: Mapping[str, str]) -> Consultation:
        at = self._at(row)
        type, slash, _ = row.requestor.partition("/")
        alone = not slash and bool(row.software)
        name = row.name or (tools[row.software] if alone else known.get(row.requestor, ""))
        if row.requestor == f"Patient/{asked.patient}":
            who = words.YOURSELF
        else:
            kind = "software" if alone else type if slash else ""
            who = (name, name) if name else words.NAMELESS.get(kind, words.NAMELESS[""])
        return Consultation(
            at.date(),
            at,
            at,
            row.requestor if slash else "",
            who,
            row.profession,
            why=words.WHY.get(row.purpose, ("", "")),
            reason=row.reason,
            emergency=row.emergency,
            refused=row.refused,
        )

    def _add(self, one: Consultation, row: AuditRow, shown: ShownDocuments, tools: Mapping[str, str]) -> None:
        one.first = min(one.first, self._at(row))
        one.last = max(one.last, self._at(row))
        one.profession = one.profession or row.profession
        one.establishment = one.establishment or row.organization
        tool = tools.get(row.software, "")
        if one.reference and tool and tool not in one.tools:
            one.tools.append(tool)
        for said, document in self.deed(row, shown):
            if said not in one.deeds and len(one.deeds) < MOST_DEEDS:
                one.deeds.append(said)
                if document and document not in one.documents:
                    one.documents.append(document)


def _phrase(did: Words, what: Words) -> Words:
    return f"{did[0]} {what[0]}", f"{did[1]} {what[1]}"


def _instant(text: str) -> str:
    """An instant in UTC, as traces have theirs.

    Raises:
        ValueError: it is none.
    """
    moment(text)
    return _zulu(begins(text, ZoneInfo("UTC")) or UNSAID)


def _zulu(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
