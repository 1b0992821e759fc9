"""Who may add or remove each label of a document: judged by the difference of what was there and what would be.

Domain file §2.3, PDSm4DMP TD3.3: masking is the patient's, or the author's at their wish; what is invisible to the
patient is the author's alone (CSP R1111-53); what is invisible to representatives is the minor's and the author's. A
patch that replaces one label by another is judged by what it adds and what it takes away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fhir_server.fhir.outcome import Invalid
from fhir_server.space.record.labels import MASKED, NOT_PATIENT, NOT_REPRESENTATIVES, codes, codings, concepts, label
from fhir_server.space.record.writers import Part

WHERE = "DocumentReference.securityLabel"
#: Extension of MASQUE_PS: it was the patient's will, or their representative's, and is taken back by them alone.
BY_PATIENT = "https://fhir-server.example/StructureDefinition/ens-masked-by-patient"


class Row(NamedTuple):
    """Who may add a label, and who may remove it."""

    add: frozenset[Part]
    remove: frozenset[Part]


_AUTHOR: frozenset[Part] = frozenset({"author"})
_PATIENT: frozenset[Part] = frozenset({"patient", "representative"})
_MINOR: frozenset[Part] = frozenset({"author", "patient"})

#: Label → who changes it. N is the absence of the others and has no row: whoever may remove one may leave N.
ROWS: Mapping[str, Row] = {
    MASKED: Row(_AUTHOR | _PATIENT, _AUTHOR | _PATIENT),
    NOT_PATIENT: Row(_AUTHOR, _AUTHOR),
    NOT_REPRESENTATIVES: Row(_MINOR, _MINOR),
    "R": Row(_AUTHOR, _AUTHOR),
    "V": Row(_AUTHOR, _AUTHOR),
}
#: Parts of whom a patient's own document is: they wrote it, and nobody announces anything to themselves.
_NOT_THEIRS = frozenset({NOT_PATIENT})
_PATIENTS_SIDE: frozenset[Part] = frozenset({"patient", "representative", "caregiver", "app"})


def require_allowed(parts: frozenset[Part], before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> None:
    """Refuse a change of labels that is not this caller's to make.

    Args:
        parts: what the caller is of the document; of a new one, whoever files it acts as its author.
        before: the document as it was; None for a new one.
        after: as it would be.

    Raises:
        Invalid: (422).
    """
    was, now = set(codes(before)) if before is not None else set(), set(codes(after))
    for code in sorted(now - was):
        if not may_add(parts, code):
            raise Invalid(f"{code} is not this caller's to add.", WHERE, code="business-rule", key="label-change")
    for code in sorted(was - now):
        if before is not None and not may_remove(parts, code, before):
            raise Invalid(f"{code} is not this caller's to remove.", WHERE, code="business-rule", key="label-change")


def may_add(parts: frozenset[Part], code: str) -> bool:
    """Whether somebody adds a label."""
    row = ROWS.get(code)
    if row is None or "administrator" in parts:
        return True
    if code in _NOT_THEIRS and parts & _PATIENTS_SIDE:
        return False
    return bool(parts & row.add)


def may_remove(parts: frozenset[Part], code: str, before: Mapping[str, Any]) -> bool:
    """Whether somebody removes a label of a document as it was."""
    row = ROWS.get(code)
    if row is None or "administrator" in parts:
        return True
    if code in _NOT_THEIRS and parts & _PATIENTS_SIDE:
        return False
    if code == MASKED and is_by_patient(before):
        return bool(parts & _PATIENT)
    return bool(parts & row.remove)


def is_by_patient(tree: Mapping[str, Any]) -> bool:
    """Whether a document is masked by its patient's own will."""
    return any(one.get("url") == BY_PATIENT for concept in _masks(tree) for one in _extensions(concept))


def _masks(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in concepts(tree) if is_mask(one)]


def is_mask(concept: Mapping[str, Any]) -> bool:
    """Whether a label hides the document from professionals."""
    return any(found is not None and found.code == MASKED for found in map(label, codings(concept)))


def marked(concept: Mapping[str, Any], by_patient: bool) -> dict[str, Any]:
    """The label, saying whether it is the patient's will."""
    others = [one for one in _extensions(concept) if one.get("url") != BY_PATIENT]
    if by_patient:
        others.append({"url": BY_PATIENT, "valueBoolean": True})
    plain = {name: value for name, value in concept.items() if name != "extension"}
    return {"extension": others, **plain} if others else plain


def _extensions(concept: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = concept.get("extension")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
