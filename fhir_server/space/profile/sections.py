"""The sections of a patient summary, in its order: what each is called, and what of a record stands in it.

https://hl7.org/fhir/uv/ips/STU2/StructureDefinition-Composition-uv-ips.html: the sections and their LOINC codes. The
history of the family is a further one, as the guide allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_server.store.filters import EVERYTHING, Filter, Token, either

Tree = dict[str, Any]
LOINC = "http://loinc.org"
_CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"


@dataclass(frozen=True, slots=True)
class Taken:
    """What of one type a section takes.

    Attributes:
        type: resource type.
        holds: whether a resource of that type, as it stands now, is of the section.
        where: what is asked of the store.
        latest: whether the latest of each code is all that is taken, by when it was observed.
    """

    type: str
    holds: Callable[[Tree], bool]
    where: Filter = EVERYTHING
    latest: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        code: of LOINC.
        french, english: its title.
        takes: what stands in it, in this order. What an earlier section has is in no later one.
        required: whether it stands there with nothing in it, and says so (`ips-comp-1`).
    """

    code: str
    french: str
    english: str
    takes: tuple[Taken, ...]
    required: bool = False

    def title(self, language: str) -> str:
        """The title in "fr" or "en"."""
        return self.english if language == "en" else self.french


def codes(tree: Tree, element: str) -> set[str]:
    """The codes of a CodeableConcept, of several, or of a code that is a string."""
    value = tree.get(element)
    if isinstance(value, str):
        return {value}
    concepts = value if isinstance(value, list) else [value or {}]
    return {coding["code"] for one in concepts for coding in one.get("coding", ()) if "code" in coding}


def _not(**elements: frozenset[str]) -> Callable[[Tree], bool]:
    """What has none of these codes in these elements."""
    return lambda tree: all(codes(tree, name).isdisjoint(values) for name, values in elements.items())


def _category(*values: str) -> Filter:
    return either([Token("category", value, _CATEGORIES) for value in values])


def _coded(*values: str) -> Filter:
    return either([Token("code", value, LOINC) for value in values])


_WRONG = frozenset({"entered-in-error"})
_STATUS = _not(status=_WRONG)
_OBSERVED = _not(status=frozenset({"entered-in-error", "cancelled", "registered"}))
_VERIFIED = _not(verificationStatus=frozenset({"entered-in-error", "refuted"}))
#: Of https://hl7.org/fhir/R4/valueset-condition-clinical.html; what says nothing counts as a problem of today.
_OVER = frozenset({"inactive", "remission", "resolved"})
#: Medication that is not, or not any more, taken: statements and orders say it by the same element.
_ENDED = frozenset({"entered-in-error", "not-taken", "stopped", "completed", "cancelled", "draft"})
#: Status of a pregnancy, the day expected, and its outcomes: of the guide's three profiles.
_PREGNANCY = ("82810-3", "11778-8", "11779-6", "11780-4", "11636-8", "11637-6", "11638-4", "11639-2", "11640-0",
              "11612-9", "11613-7", "11614-5", "33065-4")  # fmt: skip
#: Tobacco and alcohol: of the guide's two profiles.
_HABITS = ("72166-2", "74013-4")
#: ABO and rhesus, together and apart: often kept without a category, and asked for first in an emergency.
_BLOOD = ("882-1", "883-9", "10331-7")


def _is_problem(tree: Tree) -> bool:
    return _VERIFIED(tree) and codes(tree, "clinicalStatus").isdisjoint(_OVER)


def _is_past(tree: Tree) -> bool:
    return _VERIFIED(tree) and not codes(tree, "clinicalStatus").isdisjoint(_OVER)


SECTIONS: tuple[Section, ...] = (
    Section("11450-4", "Maladies et problèmes de santé", "Problems",
            (Taken("Condition", _is_problem),), required=True),
    Section("48765-2", "Allergies et intolérances",
            "Allergies and intolerances", (Taken("AllergyIntolerance", _VERIFIED),), required=True),
    Section("10160-0", "Traitements", "Medication summary",
            (Taken("MedicationStatement", _not(status=_ENDED)),
             Taken("MedicationRequest", _not(status=_ENDED, intent=frozenset({"proposal"})))), required=True),
    Section("104605-1", "Alertes", "Alerts", (Taken("Flag", _not(status=_WRONG | {"inactive"})),)),
    Section("11369-6", "Vaccinations", "Immunizations",
            (Taken("Immunization", _STATUS),)),
    Section("47519-4", "Interventions et actes", "History of procedures",
            (Taken("Procedure", _not(status=frozenset({"entered-in-error", "not-done", "preparation"}))),)),
    Section("46264-8", "Dispositifs médicaux", "Medical devices",
            (Taken("DeviceUseStatement", _STATUS),)),
    Section("10162-6", "Grossesses", "History of pregnancy",
            (Taken("Observation", _OBSERVED, _coded(*_PREGNANCY), latest=True),)),
    Section("29762-2", "Mode de vie", "Social history",
            (Taken("Observation", _OBSERVED, either([_category("social-history"), _coded(*_HABITS)]), latest=True),)),
    Section("8716-3", "Mesures et constantes", "Vital signs",
            (Taken("Observation", _OBSERVED, _category("vital-signs"), latest=True),)),
    Section("30954-2", "Résultats d'examens", "Results",
            (Taken("Observation", _OBSERVED, either([_category("laboratory", "imaging"), _coded(*_BLOOD)]),
                   latest=True),
             Taken("DiagnosticReport", _OBSERVED))),
    Section("11348-0", "Antécédents médicaux", "History of past problems",
            (Taken("Condition", _is_past),)),
    Section("10157-6", "Antécédents familiaux", "Family history",
            (Taken("FamilyMemberHistory", _STATUS),)),
    Section("47420-5", "Autonomie et handicap", "Functional status",
            (Taken("ClinicalImpression", _STATUS),)),
    Section("18776-5", "Plan de soins", "Plan of care",
            (Taken("CarePlan", _not(status=frozenset({"entered-in-error", "revoked", "completed", "draft"}))),)),
)  # fmt: skip
