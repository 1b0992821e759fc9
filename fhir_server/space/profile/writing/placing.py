"""What of a record its patient's side wrote, as the kinds of a profile: the profile in words, in one language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhir_server.space.profile.assertions import is_none
from fhir_server.space.profile.narrative import line
from fhir_server.space.profile.writing.kinds import HABITS, KINDS
from fhir_server.space.profile.writing.making import is_over
from fhir_server.space.profile.writing.measuring import VITALS
from fhir_server.space.record.clinical_writers import is_patients

Tree = dict[str, Any]
#: Types of which entries of a profile are.
TYPES = frozenset(kind.type for kind in KINDS.values())
_OF_TYPE = {kind.type: name for name, kind in KINDS.items()}


def kind_of(tree: Tree) -> str:
    """The kind that a resource is an entry of; "" of none, and of what was taken back."""
    verified = (tree.get("verificationStatus") or {}).get("coding", ())
    if "entered-in-error" in (tree.get("status"), *(one.get("code") for one in verified)):
        return ""
    if tree["resourceType"] == "Condition":
        return "antecedents" if is_over(tree) and not is_none(tree) else "maladies"
    if tree["resourceType"] == "Observation":
        codes = {one.get("code") for one in tree.get("code", {}).get("coding", ())}
        return "mesures" if codes & VITALS.keys() else "mode-de-vie" if codes & HABITS.keys() else ""
    return _OF_TYPE.get(tree["resourceType"], "")


def declared(trees: Iterable[Tree], base: str) -> dict[str, list[Tree]]:
    """What the patient's side wrote, by kind in their order, the newest first; not treatments that are over.

    Of measures and habits the latest of each. That there is none of something stands alone, or not at all.
    """
    found: dict[str, list[Tree]] = {name: [] for name in KINDS}
    for tree in sorted(trees, key=_moment, reverse=True):
        name = kind_of(tree)
        if not name or not is_patients(tree, base) or (tree["resourceType"] == "MedicationStatement" and is_over(tree)):
            continue
        if tree["resourceType"] == "Observation" and any(_alike(tree, one) for one in found[name]):
            continue
        found[name].append(tree)
    return {name: [one for one in rows if not is_none(one)] or rows for name, rows in found.items()}


def words(rows: dict[str, list[Tree]], language: str = "fr") -> Iterator[str]:
    """The profile as lines: each kind that has something under its title."""
    for name, trees in rows.items():
        if trees:
            yield KINDS[name].title[language == "en"].upper()
            for tree in trees:
                note = " ".join(one["text"] for one in tree.get("note", ()) if one.get("text"))
                dosage = " ".join(one["text"] for one in tree.get("dosage", ()) if one.get("text"))
                yield " – ".join(part for part in (line(tree, {}, language), dosage, note) if part)
            yield ""


def _moment(tree: Tree) -> str:
    said = ("effectiveDateTime", "occurrenceDateTime", "performedDateTime", "onsetDateTime")
    return next((str(tree[name]) for name in said if name in tree), "")


def _alike(one: Tree, other: Tree) -> bool:
    codes = [{row.get("code") for row in tree.get("code", {}).get("coding", ())} for tree in (one, other)]
    return bool(codes[0] & codes[1])
