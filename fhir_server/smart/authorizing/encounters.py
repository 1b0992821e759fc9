"""The encounters of the patient in context that a person may choose, as that person may see them.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#standalone-apps (`launch/encounter`)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fhir_server.access.grant import Grant, Scope
from fhir_server.access.repository import Repository
from fhir_server.search.asking.compartments import compartment_filter
from fhir_server.smart.people.accounts import Account

#: Encounters shown at once, last changed first.
SHOWN = 20
_SCOPE = Scope("user", "Encounter", frozenset("rs"))


@dataclass(frozen=True, slots=True)
class Encounter:
    """One line of the page: its id, when it began ("" when that is not known), and where or what it was."""

    id: str
    start: str
    words: str


async def find(
    repository: Callable[[Grant], Awaitable[Repository]], account: Account, patient: str, role: str | None
) -> Sequence[Encounter]:
    """`SHOWN` encounters of the patient at most, as who acts in that role is shown them.

    `repository` is the store as a grant may see it.
    """
    grant = Grant((_SCOPE,), subject=account.subject, role=role, patient=patient, wards=frozenset(account.patients))
    found = {"Encounter": compartment_filter("Patient", patient, "Encounter")}
    page = await (await repository(grant)).find(found, count=SHOWN)
    return [_line(version.id, msgspec.json.decode(version.body)) for version in page.versions]


def _line(id: str, tree: dict[str, Any]) -> Encounter:
    types = [one.get("text") or _display(one) for one in tree.get("type") or ()]
    place = (tree.get("serviceProvider") or {}).get("display")
    kind = (tree.get("class") or {}).get("display")
    words = " – ".join(str(one) for one in (next(filter(None, types), kind), place) if one)
    return Encounter(id, str((tree.get("period") or {}).get("start", ""))[:10], words)


def _display(concept: dict[str, Any]) -> str | None:
    return next((one["display"] for one in concept.get("coding") or () if one.get("display")), None)
