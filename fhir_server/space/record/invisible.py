"""Until when a document is invisible to its patient: one month, so that somebody can tell them first.

CSP R1111-53: at two weeks the patient is told to consult the professional, after a month the document is visible. The
instant is said in the label itself, in an extension that the server sets, so that an export keeps it and no job has to
touch the document. What makes a document invisible again counts from the first time.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.dates import moment
from fhir_server.space.paris import PARIS
from fhir_server.space.record.labels import NOT_PATIENT, codings, concepts, label

#: Extension of a securityLabel: the instant from which the patient sees the document.
VISIBLE_FROM = "https://fhir-server.example/StructureDefinition/ens-visible-from"
_MONTHS = 12


def a_month_after(start: datetime) -> datetime:
    """The same time of day in Paris a calendar month later, on the month's last day where it has no such day."""
    local = start.astimezone(PARIS)
    year, month = divmod(local.year * _MONTHS + local.month, _MONTHS)
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day).astimezone(UTC)


def hidden_since(visible: int) -> int:
    """When a document was made invisible that is visible from an instant on; both µs since 1970.

    Of the days whose month ends with the same instant, the last: nobody is told earlier than they ought to be.
    """
    local = datetime.fromtimestamp(visible / 1_000_000, UTC).astimezone(PARIS)
    year, month = divmod(local.year * _MONTHS + local.month - 2, _MONTHS)
    longest = monthrange(year, month + 1)[1]
    ends = local.day == monthrange(local.year, local.month)[1]
    start = local.replace(year=year, month=month + 1, day=longest if ends else min(local.day, longest))
    return int(start.timestamp() * 1_000_000)


def invisible(labels: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The label that hides the document from its patient, of some; None where there is none."""
    return next((one for one in labels if is_invisible(one)), None)


def is_invisible(concept: Mapping[str, Any]) -> bool:
    """Whether a label hides the document from its patient."""
    return any(found is not None and found.code == NOT_PATIENT for found in map(label, codings(concept)))


def visible_from(tree: Mapping[str, Any]) -> int | None:
    """When the patient sees a document that is invisible to them, in µs since 1970.

    None where it is not invisible. Of what was stored before the instant was said: a month after it was stored.
    """
    concept = invisible(concepts(tree))
    if concept is None:
        return None
    said = next(iter(said_of(concept)), None)
    if said is not None:
        return moment(said)
    written = (tree.get("meta") or {}).get("lastUpdated")
    stored = datetime.fromtimestamp(moment(written) / 1_000_000, UTC) if written else datetime.now(UTC)
    return int(a_month_after(stored).timestamp() * 1_000_000)


def said_of(concept: Mapping[str, Any]) -> Iterator[str]:
    """The instants that the extensions of a label say."""
    for one in _extensions(concept):
        if one.get("url") == VISIBLE_FROM and isinstance(one.get("valueInstant"), str):
            yield one["valueInstant"]


def saying(concept: dict[str, Any], instant: str) -> dict[str, Any]:
    """The label with that instant and no other."""
    others = [one for one in _extensions(concept) if one.get("url") != VISIBLE_FROM]
    return {"extension": [*others, {"url": VISIBLE_FROM, "valueInstant": instant}], **_without(concept, "extension")}


def _without(concept: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in concept.items() if key != name}


def _extensions(concept: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = concept.get("extension")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
