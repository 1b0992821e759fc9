"""What writes owe to records that were merged: a Patient that was made one with another stays so until it is undone.

R4 patient.html#links. Software that puts its own copy of the Patient would open a record that nobody looks at any more,
and say that its person has two.
"""

from __future__ import annotations

from fhir_server.access.citing import has
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change


async def stays_merged(context: Context, change: Change) -> None:
    """Refuse a write that takes a merge back by itself.

    Raises:
        Invalid: naming the element (422).
    """
    # Few were merged: of the others nothing is parsed.
    if change.tree is None or change.before is None or not has(b"replaced-by", change.before.body):
        return
    before = parse(change.before.body) if not change.before.deleted else {}
    ended = [one for one in before.get("link", ()) if one.get("type") == "replaced-by"]
    if not ended:
        return
    words = "This record was made one with another, which Patient/$unmerge takes back."
    if any(one not in change.tree.get("link", ()) for one in ended):
        raise Invalid(words, "Patient.link", code="business-rule", key="merged")
    if change.tree.get("active") is not False:
        raise Invalid(words, "Patient.active", code="business-rule", key="merged")
