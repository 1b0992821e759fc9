"""Whose will it is that a document is masked, and labels that a patch would lose without meaning to.

The domain's trap (§1.3): software masks and unmasks by replacing the first label, whichever that is. Labels that hide a
document stand beside one another, so one that is to take another's place is put beside it; "normal" in the place of one
takes away the one that its sender may take away. What cannot be told is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Change
from fhir_server.space.record.label_changes import WHERE, is_by_patient, is_mask, marked, may_remove
from fhir_server.space.record.labels import HIDING, codes, codings, concepts, label
from fhir_server.space.record.sharing.words import patient_of
from fhir_server.space.record.writers import Part, caller_of

_WILL: frozenset[Part] = frozenset({"patient", "representative"})


async def arrange(context: Context, change: Change) -> Change:
    """A document whose labels are those that were meant, and say whether it is its patient who masked it.

    Raises:
        Invalid: it cannot be told which label is to go (422).
    """
    tree = change.tree
    assert tree is not None
    if change.as_server or not concepts(tree):
        return change
    before = parse(change.before.body) if change.before is not None and not change.before.deleted else None
    if before is not None and before.get("securityLabel") == tree.get("securityLabel"):
        return change
    caller = await caller_of(context.repository, patient_of(tree), named=before is not None)
    if not caller.is_held:
        return change
    parts = caller.parts(before or tree, context.base)
    labels = concepts(tree)
    if before is not None and change.method == "PATCH":
        labels = _meant(before, tree, parts)
    by_patient = is_by_patient(before) if before is not None and _is_masked(before) else bool(parts & _WILL)
    made = [marked(one, by_patient) if is_mask(one) else one for one in labels]
    return change if made == concepts(tree) else change.arranged({**tree, "securityLabel": made})


def _is_masked(tree: Mapping[str, Any]) -> bool:
    return any(map(is_mask, concepts(tree)))


def _meant(before: Mapping[str, Any], after: Mapping[str, Any], parts: frozenset[Part]) -> list[dict[str, Any]]:
    was, labels = set(codes(before)) & HIDING, concepts(after)
    lost = was - set(codes(after))
    if not lost:
        return labels
    if set(codes(after)) & HIDING - was:
        # One hiding label in the place of another: it is put beside it.
        kept = [one for one in concepts(before) if _code(one) in lost]
        return [*kept, *labels]
    if len(was) < 2 or not any(_code(one) == "N" for one in labels):
        return labels  # the only one, or one that was taken away by its own place
    mine = {code for code in was if may_remove(parts, code, before)}
    if len(mine) != 1:
        words = "Several labels hide this document: take away the one that is meant with remove."
        raise Invalid(words, WHERE, code="business-rule", key="label-change")
    return [one for one in concepts(before) if _code(one) not in mine]


def _code(concept: Mapping[str, Any]) -> str:
    return next((found.code for found in map(label, codings(concept)) if found is not None), "")
