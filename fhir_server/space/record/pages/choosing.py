"""A patient's choices as pages read and make them: by `$record-choices` and `$record-choose`, as software does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.space.record.choices import Kind
from fhir_server.space.record.pages.asking import Asking, parameters


@dataclass(frozen=True, slots=True)
class Made:
    """One choice.

    Attributes:
        kind: what it is about.
        chosen: whether it holds now.
        practitioner: "Practitioner/1"; "" where it is about the record.
        since, until: from when, and till when: FHIR dateTimes, "" where they are not said.
        by: who decided, as a reference; "" when nobody has.
    """

    kind: str
    chosen: bool
    practitioner: str
    since: str
    until: str
    by: str


async def made(asking: Asking) -> list[Made]:
    """Every choice of the patient in context.

    Raises:
        Forbidden: this person does not decide for the patient: a caregiver (403).
    """
    found = await asking.operate(("Patient", asking.grant.patient or "", "$record-choices"))
    rows = ({part["name"]: part for part in one.get("part", ())} for one in found.get("parameter", ()))
    return [
        Made(
            row["kind"]["valueCode"],
            bool(row["chosen"]["valueBoolean"]),
            str(row.get("practitioner", {}).get("valueReference", {}).get("reference", "")),
            str(row.get("since", {}).get("valueDateTime", "")),
            str(row.get("until", {}).get("valueDateTime", "")),
            str(row.get("by", {}).get("valueReference", {}).get("reference", "")),
        )
        for row in rows
    ]


async def choose(asking: Asking, wanted: Sequence[tuple[Kind, bool]], practitioner: str = "", until: str = "") -> None:
    """Make choices, all about one professional or about none.

    Raises:
        FhirError: it is refused, with every reason.
    """
    if wanted:
        rows = [{"name": "choice", "part": list(_parts(*one, practitioner, until))} for one in wanted]
        await asking.operate(("Patient", asking.grant.patient or "", "$record-choose"), parameters(rows))


def _parts(kind: Kind, chosen: bool, practitioner: str, until: str) -> Iterable[dict[str, Any]]:
    yield {"name": "kind", "valueCode": kind}
    yield {"name": "chosen", "valueBoolean": chosen}
    if practitioner:
        yield {"name": "practitioner", "valueReference": {"reference": practitioner}}
    if until and chosen:
        yield {"name": "until", "valueDate": until}
