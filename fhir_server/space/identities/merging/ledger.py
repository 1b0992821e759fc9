"""What a merge moved, kept so that it can be taken back: a Basic, which the operator alone reads. R4 basic.html.

It names every resource that was moved, also those that the person does not see; the person reads the step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.space.accounts.life import CODES, OWN
from fhir_server.space.paris import PARIS

_URL = f"{OWN}/StructureDefinition/ens-merge"
Status = Literal["merged", "undone"]


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge.

    Attributes:
        source: id of the patient whose record ended; target: of the one that goes on.
        status: whether it was undone.
        at: when it was done last; aware, UTC.
        reason: in words; by: "Person/1", "" for the operator's software.
        made: what it wrote: reference → the version it made.
        identifiers: that the target was given, as (system, value).
    """

    source: str
    target: str
    status: Status
    at: datetime
    reason: str
    by: str
    made: Mapping[str, int]
    identifiers: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """Of the Basic that holds it: one for each two records."""
        return merge_id(self.source, self.target)


def merge_id(source: str, target: str) -> str:
    """Id of the one Basic of two patients (ids), in that direction."""
    return hashlib.sha256(f"merge\n{source}\n{target}".encode()).hexdigest()[:32]


def to_basic(merge: Merge) -> dict[str, Any]:
    """The Basic of it."""
    said: list[dict[str, Any]] = [
        {"url": "source", "valueReference": {"reference": f"Patient/{merge.source}"}},
        {"url": "status", "valueCode": merge.status},
        {"url": "at", "valueDateTime": merge.at.astimezone(UTC).isoformat(timespec="seconds")},
        {"url": "reason", "valueString": merge.reason},
        *([{"url": "performer", "valueReference": {"reference": merge.by}}] if merge.by else []),
        *({"url": "identifier", "valueIdentifier": {"system": one, "value": two}} for one, two in merge.identifiers),
    ]
    if merge.made:
        # In one text: a record of thousands would be as many extensions.
        lines = "\n".join(f"{reference} {version}" for reference, version in merge.made.items())
        said.append({"url": "made", "valueString": lines})
    return {
        "resourceType": "Basic",
        "id": merge.id,
        "extension": [{"url": _URL, "extension": said}],
        "code": {"coding": [{"system": CODES, "code": "merge", "display": "Réunion de deux dossiers d'une personne"}]},
        "subject": {"reference": f"Patient/{merge.target}"},
        "created": merge.at.astimezone(PARIS).date().isoformat(),
    }


def from_basic(tree: Mapping[str, Any]) -> Merge | None:
    """The merge that a Basic is; None where it is about something else."""
    extension = next((one for one in tree.get("extension", ()) if one.get("url") == _URL), None)
    if extension is None:
        return None
    parts = extension.get("extension", ())
    said = {str(one.get("url")): one for one in parts}
    lines = (line.rpartition(" ") for line in str(said.get("made", {}).get("valueString", "")).splitlines())
    named = (one["valueIdentifier"] for one in parts if one.get("url") == "identifier")
    return Merge(
        source=_reference(said.get("source")).removeprefix("Patient/"),
        target=str(tree.get("subject", {}).get("reference", "")).removeprefix("Patient/"),
        status="undone" if said.get("status", {}).get("valueCode") == "undone" else "merged",
        at=(begins(str(said.get("at", {}).get("valueDateTime", "")), PARIS) or UNSAID).astimezone(UTC),
        reason=str(said.get("reason", {}).get("valueString", "")),
        by=_reference(said.get("performer")),
        made={reference: int(version) for reference, _, version in lines},
        identifiers=tuple((str(one.get("system", "")), str(one.get("value", ""))) for one in named),
    )


def _reference(extension: Mapping[str, Any] | None) -> str:
    return str((extension or {}).get("valueReference", {}).get("reference", ""))
