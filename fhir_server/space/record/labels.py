"""The labels of a document that say who does not see it: every spelling that is accepted, and the one that is stored.

Value set JDV_J58 (DMP): N, R and V of TRE_A08, and of TRE_A07 MASQUE_PS, INVISIBLE_PATIENT and
INVISIBLE_REPRESENTANTS_LEGAUX, one to four of them. https://interop.esante.gouv.fr/ig/fhir/pdsm. The guides spell them
in several ways: N with HL7's own system or in TRE_A07, that system as "Status…" and as "Statut…", its OID, and the
label for representatives shortened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fhir_server.fhir.nos import CONFIDENTIALITY, VISIBILITY, nos
from fhir_server.fhir.outcome import Issue

#: From whom a document is hidden.
MASKED = "MASQUE_PS"
NOT_PATIENT = "INVISIBLE_PATIENT"
NOT_REPRESENTATIVES = "INVISIBLE_REPRESENTANTS_LEGAUX"
#: Those of them that stand beside one another; beside one of them N says nothing.
HIDING = frozenset({MASKED, NOT_PATIENT, NOT_REPRESENTATIVES})
#: Labels of one document: there are six.
MOST = 20


class Label(NamedTuple):
    """One label as it is stored."""

    system: str
    code: str
    display: str

    @property
    def coding(self) -> dict[str, str]:
        """The same as a Coding."""
        return {"system": self.system, "code": self.code, "display": self.display}


#: Code → the label, with the words of the national code systems.
LABELS: Mapping[str, Label] = {
    one.code: one
    for one in (
        Label(CONFIDENTIALITY, "N", "Normal"),
        Label(CONFIDENTIALITY, "R", "Restreint"),
        Label(CONFIDENTIALITY, "V", "Très restreint"),
        Label(VISIBILITY, MASKED, "Masqué aux professionnels de santé"),
        Label(VISIBILITY, NOT_PATIENT, "Non visible par le patient"),
        Label(VISIBILITY, NOT_REPRESENTATIVES, "Non visible par les représentants légaux du patient"),
    )
}
#: A shorter spelling of a code → the code.
_SHORT = {"INVISIBLE_REP_LEGAUX": NOT_REPRESENTATIVES}
_HL7 = ("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "urn:oid:2.16.840.1.113883.5.25")
_MISSPELT = nos("TRE_A07-StatusVisibiliteDocument")
_VISIBILITY_OID = "urn:oid:1.2.250.1.213.1.1.4.13"
#: Stored system → every system that its codes are found in: TRE_A07's with N too, as PDSm's own example has it.
_SYSTEMS: Mapping[str, tuple[str, ...]] = {
    CONFIDENTIALITY: (CONFIDENTIALITY, *_HL7, VISIBILITY, _MISSPELT, _VISIBILITY_OID),
    VISIBILITY: (VISIBILITY, _MISSPELT, _VISIBILITY_OID),
}
#: (system, code) in every spelling → the label.
_SPELT: Mapping[tuple[str, str], Label] = {
    (system, spelt): label
    for label in LABELS.values()
    for system in _SYSTEMS[label.system]
    for spelt in (label.code, *(short for short, code in _SHORT.items() if code == label.code))
}
#: Code → (system, code) of each spelling but the stored one.
OTHER_SPELLINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    label.code: tuple(spelt for spelt, one in _SPELT.items() if one is label and spelt != (label.system, label.code))
    for label in LABELS.values()
}
#: How each code of a label that hides begins, those that hide nobody here among them.
_HIDING_WORDS = ("MASQUE", "INVISIBLE")
#: HL7's other labels say what is to be done with a document, and hide it from nobody here: they stay as they come.
_OF_HL7 = "http://terminology.hl7.org/CodeSystem/"


def label(coding: Mapping[str, Any]) -> Label | None:
    """The label that a Coding spells in one way or another; None where it is none of them."""
    system, code = coding.get("system"), coding.get("code")
    return _SPELT.get((system, code)) if isinstance(system, str) and isinstance(code, str) else None


def codes(tree: Mapping[str, Any]) -> tuple[str, ...]:
    """The codes of a document's labels as they are stored, each once, in their order."""
    found = dict.fromkeys(one.code for concept in concepts(tree) for one in map(label, codings(concept)) if one)
    return tuple(code for code in found if code != "N" or not HIDING & found.keys())


def concepts(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The labels of a document, as they stand."""
    found = tree.get("securityLabel")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def codings(concept: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Codings of a CodeableConcept."""
    found = concept.get("coding")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def stored(labels: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The labels as they are stored: one concept each, none twice, none that another makes meaningless.

    What is stored so already stays as it is, with its display and whatever else it has.
    """
    split = [one for concept in labels for one in _split(concept)]
    hides = any(found.code in HIDING for found, _ in split if found is not None)
    kept: dict[Any, dict[str, Any]] = {}
    for number, (found, concept) in enumerate(split):
        if found is None:
            kept[number] = concept
        elif found.code != "N" or not hides:
            kept.setdefault(found.code, concept)
    return list(kept.values())


def displayed(labels: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels in their stored spelling; those that were not there before have the words of the value set.

    Words that somebody else chose stay.
    """
    return [
        {**one, "coding": [_displayed(coding) for coding in codings(one)]}
        if one not in before and codings(one)
        else one
        for one in labels
    ]


def _displayed(coding: dict[str, Any]) -> dict[str, Any]:
    found = label(coding)
    return {**coding, "display": found.display} if found is not None and "display" not in coding else coding


def _split(concept: dict[str, Any]) -> Iterator[tuple[Label | None, dict[str, Any]]]:
    """Each label that a concept has, with a concept of its own; (None, the concept) where it has none of ours."""
    ours = [(found, one) for one in codings(concept) if (found := label(one)) is not None]
    others = [one for one in codings(concept) if label(one) is None]
    if not ours:
        yield None, concept
        return
    first, coding = ours[0]
    as_stored = len(ours) == 1 and coding["system"] == first.system and coding["code"] == first.code
    yield first, concept if as_stored else {**concept, "coding": [first.coding, *others]}
    for other in list(dict.fromkeys(one for one, _ in ours))[1:]:
        yield other, {"coding": [other.coding]}


def issues(tree: Mapping[str, Any]) -> Iterator[Issue]:
    """What is wrong with the labels of a document: each must be one that is known, since it is to be acted upon."""
    labels = tree.get("securityLabel")
    if not isinstance(labels, list):
        return
    if len(labels) > MOST:
        said = f"A document has at most {MOST} labels."
        yield Issue("error", "too-long", said, "DocumentReference.securityLabel", "label-count")
        return
    for number, concept in enumerate(labels):
        found = codings(concept) if isinstance(concept, dict) else []
        if len(found) > MOST:
            said = f"A label has at most {MOST} codings."
            yield Issue("error", "too-long", said, f"DocumentReference.securityLabel[{number}].coding", "label-count")
        elif not any(map(_is_known, found)) or any(map(_is_another, found)):
            yield Issue(
                "error",
                "code-invalid",
                "A label is N, R or V of TRE_A08, or MASQUE_PS, INVISIBLE_PATIENT or INVISIBLE_REPRESENTANTS_LEGAUX of "
                "TRE_A07; what else hides a document would hide it from nobody.",
                f"DocumentReference.securityLabel[{number}]",
                "label-unknown",
            )


def is_promise(coding: Mapping[str, Any]) -> bool:
    """Whether a Coding is a label that hides a document, or reads as one."""
    found = label(coding)
    return found.code in HIDING if found else coding.get("system") in _SYSTEMS[VISIBILITY] or _reads_as_hiding(coding)


def _is_known(coding: Mapping[str, Any]) -> bool:
    return label(coding) is not None or (coding.get("system", "").startswith(_OF_HL7) and bool(coding.get("code")))


def _is_another(coding: Mapping[str, Any]) -> bool:
    """Whether it is none of the record's labels, and its sender believes that it hides something.

    It is of the national systems (MASQUE_PSOCIAL, MASQUE_PT), or reads as one of theirs, in whatever system and case.
    """
    if label(coding) is not None:
        return False
    return coding.get("system") in _SYSTEMS[VISIBILITY] + (CONFIDENTIALITY,) or _reads_as_hiding(coding)


def _reads_as_hiding(coding: Mapping[str, Any]) -> bool:
    return str(coding.get("code", "")).strip().upper().startswith(_HIDING_WORDS)
