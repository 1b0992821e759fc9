"""The accesses to one record as files: a table for people (CSV), AuditEvents for software (a Bundle).

https://www.rfc-editor.org/rfc/rfc4180; https://hl7.org/fhir/R4/bundle.html (a collection). Neither names what is hidden
from whoever is told.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_server.audit.reading import AuditRow
from fhir_server.fhir.json import serialize
from fhir_server.space.accesses.consultations import Asked, Consultation, Teller
from fhir_server.space.accesses.shown import ShownDocuments

#: The most accesses of one file, the newest.
MOST = 10_000
#: Accesses that are put into words at once.
_PART = 1_000
_HEADS = (
    ("Date", "Date"),
    ("Heure", "Time"),
    ("Qui", "Who"),
    ("Profession", "Profession"),
    ("Établissement", "Establishment"),
    ("Logiciel", "Software"),
    ("Ce qui a été fait", "What was done"),
    ("Pourquoi", "Why"),
    ("Raison", "Reason"),
    ("Accès en urgence", "Emergency"),
    ("Refusé", "Refused"),
)
_YES, _NO = ("oui", "yes"), ("non", "no")
#: A spreadsheet takes a cell that begins so for a formula: https://owasp.org/www-community/attacks/CSV_Injection.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def table(teller: Teller, asked: Asked, language: int = 0) -> str:
    """One line an access, the newest first; `;` between cells, as spreadsheets here expect.

    Args:
        teller: tells them.
        asked: which.
        language: 0 for French, 1 for English.

    Raises:
        ValueError: as `Teller.events`.
    """
    written = io.StringIO()
    lines = csv.writer(written, delimiter=";", lineterminator="\r\n")
    lines.writerow([words[language] for words in _HEADS])
    rows = [row for row, _ in await _events(teller, asked)]
    for n in range(0, len(rows), _PART):
        for one in await teller.grouped(rows[n : n + _PART], asked, apart=True):
            lines.writerow([_cell(cell) for cell in _line(one, language)])
    # Without a mark of its encoding Excel reads accents as something else.
    return "\ufeff" + written.getvalue()


async def bundle(teller: Teller, asked: Asked) -> dict[str, Any]:
    """The AuditEvents themselves, without entities that name what is hidden. Raises as `table`."""
    events = await _events(teller, asked)
    shown = await teller.shown([row for row, _ in events])
    base = teller.seen.base
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "entry": [{"fullUrl": f"{base}/AuditEvent/{tree['id']}", "resource": _cut(tree, shown)} for _, tree in events],
    }


@dataclass(frozen=True, slots=True)
class Log:
    """All accesses to one record, however many, as they are put in a file.

    Attributes:
        teller: tells them.
        asked: which.
    """

    teller: Teller
    asked: Asked

    async def lines(self) -> AsyncIterator[bytes]:
        """The AuditEvents, one a line, the newest first: as `bundle`, but none is left out."""
        part: list[tuple[AuditRow, dict[str, Any]]] = []
        async for one in self.teller.events(self.asked):
            part.append(one)
            if len(part) == _PART:
                yield await self._written(part)
                part = []
        yield await self._written(part)

    async def table(self) -> str:
        """As `table`, in French."""
        return await table(self.teller, self.asked)

    async def _written(self, part: Sequence[tuple[AuditRow, dict[str, Any]]]) -> bytes:
        shown = await self.teller.shown([row for row, _ in part])
        return b"".join(serialize(_cut(tree, shown)) + b"\n" for _, tree in part)


async def _events(teller: Teller, asked: Asked) -> list[tuple[AuditRow, dict[str, Any]]]:
    found = []
    async for one in teller.events(asked):
        found.append(one)
        if len(found) == MOST:
            break
    return found


def _line(one: Consultation, language: int) -> Sequence[str]:
    answers = [(_YES if said else _NO)[language] for said in (one.emergency, one.refused)]
    deeds = ", ".join(said[language] for said in one.deeds)
    tools = ", ".join(one.tools)
    who = (one.who[language], one.profession, one.establishment, tools)
    return (f"{one.day:%d/%m/%Y}", f"{one.first:%H:%M:%S}", *who, deeds, one.why[language], one.reason, *answers)


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cut(tree: Mapping[str, Any], shown: ShownDocuments) -> dict[str, Any]:
    kept = [one for one in tree.get("entity", ()) if _may_stand(one, shown)]
    rest = {name: value for name, value in tree.items() if name != "entity"}
    return {**rest, **({"entity": kept} if kept else {})}


def _may_stand(entity: Mapping[str, Any], shown: ShownDocuments) -> bool:
    reference = str(entity.get("what", {}).get("reference", "")).partition("/_history/")[0]
    return reference.partition("/")[0] not in ("DocumentReference", "Binary") or bool(shown.of(reference))
