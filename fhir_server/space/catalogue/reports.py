"""What people report of an app: a `Task` for those who work on the catalogue, and nobody else.

https://hl7.org/fhir/R4/task.html, code https://fhir-server.example/CodeSystem/ens-task|report: `focus` is the app's
Device, `requester` who reports. Filing and closing each leave an AuditEvent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.touched import Touched
from fhir_server.access.trees import tree_of
from fhir_server.audit.exchanges import exchange_events
from fhir_server.audit.recording import record
from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import NotFound
from fhir_server.space.catalogue.apps import OWN, App
from fhir_server.space.catalogue.reach import REPORT
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Token, both
from fhir_server.store.protocol import Put

CODE = {
    "coding": [{"system": f"{OWN}/CodeSystem/ens-task", "code": "report", "display": "Signalement d'une application"}]
}
#: Length of a report, in characters.
SHORTEST, LONGEST = 10, 2_000
#: Reports shown at once, the newest first.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Report:
    """One report.

    Attributes:
        id: of its Task.
        app: id of the Device.
        text: in the person's own words.
        filed: when; aware.
        closed: whether it was dealt with; answer: how, in words.
    """

    id: str
    app: str
    text: str
    filed: datetime
    closed: bool = False
    answer: str = ""


class Reports:
    """The reports of one opened store."""

    def __init__(self, catalogue: Catalogue, base: str, audited: bool) -> None:
        """`base` is the FHIR base that AuditEvents name; `audited`, whether they are kept."""
        self._catalogue = catalogue
        self._base = base
        self._audited = audited

    async def file(self, app: App, reporter: str, text: str) -> str:
        """Keep a report by "Patient/1", "RelatedPerson/1" or "Practitioner/1"; its id.

        Raises:
            ValueError: the text is too short or too long.
        """
        said = " ".join(text.split())
        if not SHORTEST <= len(said) <= LONGEST:
            raise ValueError(f"A report has {SHORTEST} to {LONGEST} characters.")
        server = self._catalogue.repository
        tree = {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "code": CODE,
            "description": said,
            "focus": {"reference": app.reference},
            "authoredOn": datetime.now(UTC).isoformat(timespec="seconds"),
            "requester": {"reference": reporter},
        }
        id = server.new_id("Task")
        put = await server.put("Task", id, tree, serialize(tree), None, "POST")
        await self._keep(server, put, reporter, "create", 201)
        return id

    async def close(self, id: str, by: str, answer: str) -> None:
        """Say how a report was dealt with; `by` is "Person/1".

        Raises:
            NotFound: there is no such report.
        """
        server = self._catalogue.repository
        before = await server.current("Task", id)
        tree = tree_of(before)
        if before is None or not _is_report(tree):
            raise NotFound("There is no such report.")
        note = [{"text": answer, "time": datetime.now(UTC).isoformat(timespec="seconds")}] if answer else []
        changed = {**tree, "status": "completed", **({"note": note} if note else {})}
        put = await server.put("Task", id, changed, serialize(changed), before)
        await self._keep(server, put, by, "update", 200)

    async def recent(self) -> list[Report]:
        """The newest reports, closed ones included."""
        page = await self._catalogue.repository.find({"Task": REPORT}, count=SHOWN)
        return [_from_task(parse(version.body)) for version in page.versions]

    async def waiting(self) -> int:
        """How many are not closed."""
        open_ = both(REPORT, Token("status", "requested"))
        return await self._catalogue.repository.count({"Task": open_})

    async def _keep(self, server: Repository, put: Put, who: str, interaction: str, status: int) -> None:
        touched = Touched(self._audited)
        touched.saw(await server.transact([put]))
        if self._audited:
            await record(server, exchange_events(Grant(subject=who), touched, interaction, "Task", status, self._base))


def _is_report(tree: Mapping[str, Any]) -> bool:
    return any(one.get("code") == "report" for one in tree.get("code", {}).get("coding", ()))


def _from_task(tree: Mapping[str, Any]) -> Report:
    return Report(
        id=str(tree.get("id", "")),
        app=str(tree.get("focus", {}).get("reference", "")).removeprefix("Device/"),
        text=str(tree.get("description", "")),
        filed=begins(tree.get("authoredOn"), PARIS) or UNSAID,
        closed=tree.get("status") == "completed",
        answer=next((str(note.get("text", "")) for note in tree.get("note", ())), ""),
    )
