"""An entry of a profile as the resource that it is, and as the form that shows it again.

Elements that no form has are left as they are: another app's, a professional's narrative. What is ended is kept, with
when it ended, so that a record still tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.space.profile.writing import kinds
from fhir_server.space.profile.writing.kinds import HABITS, VACCINES
from fhir_server.space.profile.writing.measuring import CATEGORY, VITALS, observed
from fhir_server.space.record.pages.measured import LOINC, MEASURES

Tree = dict[str, Any]
Fields = Mapping[str, str]
_TERMS = "http://terminology.hl7.org/CodeSystem"
#: System of the codes of vaccines: items of the calendar of prevention.
CALENDAR = "https://fhir-server.example/CodeSystem/ens-prevention"


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes of whom, and when.

    Attributes:
        patient: "Patient/1".
        by: who writes: "Patient/1" or "RelatedPerson/1".
        now: R4 instant.
    """

    patient: str
    by: str
    now: str

    @property
    def whose(self) -> Tree:
        """Reference to the patient."""
        return {"reference": self.patient}

    @property
    def who(self) -> Tree:
        """Reference to who writes."""
        return {"reference": self.by}


def made(kind: str, fields: Fields, author: Author, before: Tree | None = None) -> Tree:
    """The resource that a form makes, new or of the version before; what is not filled in is not in it."""
    elements = MAKERS[kind](fields, author)
    kept = {name: one for name, one in (before or {}).items() if name not in elements}
    said = {name: one for name, one in elements.items() if one not in (None, [], {})}
    if before is not None and "meta" in before:
        said["meta"] = before["meta"]
    return {"resourceType": kinds.KINDS[kind].type, **kept, **said}


def ended(kind: str, before: Tree, day: str) -> Tree:
    """The entry as over since a day (R4 dateTime)."""
    match kind:
        case "allergies":
            return {**before, "clinicalStatus": _status("allergyintolerance", "inactive")}
        case "maladies":
            others = {name: one for name, one in before.items() if not name.startswith("abatement")}
            return {**others, "clinicalStatus": _status("condition", "resolved"), "abatementDateTime": day}
        case _:
            others = {name: one for name, one in before.items() if not name.startswith("effective")}
            start = before.get("effectivePeriod", {}).get("start") or before.get("effectiveDateTime")
            period = {"start": start, "end": day} if start and start <= day else {"end": day}
            return {**others, "status": "completed", "effectivePeriod": period}


def is_over(tree: Tree) -> bool:
    """Whether an entry is said to be over."""
    codes = {one.get("code") for one in (tree.get("clinicalStatus") or {}).get("coding", ())}
    over = {"inactive", "resolved", "remission"}
    taken = tree["resourceType"] == "MedicationStatement" and tree.get("status") in (
        "completed",
        "stopped",
        "not-taken",
    )
    return bool(codes & over) or taken


def typed(kind: str, tree: Tree) -> dict[str, str]:
    """What the form of an entry shows; of another app's entry what the form has a field for."""
    quantity: Tree = tree.get("valueQuantity") or {}
    codes = [str(one.get("code")) for one in (tree.get("code") or {}).get("coding", ())]
    reaction: Tree = next(iter(tree.get("reaction", ())), {})
    condition: Tree = next(iter(tree.get("condition", ())), {})
    components = [one.get("valueQuantity", {}).get("value") for one in tree.get("component", ())]
    values = components or [quantity.get("value")]
    found = {
        "what": _text(tree),
        "category": next(iter(tree.get("category", ())), "") if kind == "allergies" else "",
        "criticality": tree.get("criticality"),
        "reaction": _words(next(iter(reaction.get("manifestation", ())), {})),
        "since": _since(tree),
        "until": tree.get("abatementDateTime"),
        "note": next((one.get("text") for one in tree.get("note", ())), ""),
        "dosage": next((one.get("text") for one in tree.get("dosage", ())), ""),
        "vaccine": next((one["code"] for one in _codings(tree, "vaccineCode") if one.get("system") == CALENDAR), ""),
        "lot": tree.get("lotNumber"),
        "measure": next((one for one in codes if one in VITALS), ""),
        "habit": next((one for one in codes if one in HABITS), ""),
        "value": _number(values[0]),
        "second": _number(values[1]) if len(values) > 1 else "",
        "relative": next((str(one.get("code")) for one in _codings(tree, "relationship")), ""),
        "age": _number((condition.get("onsetAge") or {}).get("value")),
    }
    if kind == "famille":
        found["what"] = _words(condition.get("code"))
    if kind == "mode-de-vie":
        found["what"] = tree.get("valueString") or _words(tree.get("valueCodeableConcept"))
    return {name: one for name, one in found.items() if isinstance(one, str) and one}


def _allergy(fields: Fields, author: Author) -> Tree:
    reaction = fields.get("reaction")
    category = fields.get("category")
    return {
        "clinicalStatus": _status("allergyintolerance", "active"),
        "verificationStatus": _coded(f"{_TERMS}/allergyintolerance-verification", "unconfirmed"),
        "category": [category] if category else None,
        "criticality": fields.get("criticality") or None,
        "code": {"text": fields["what"]},
        "patient": author.whose,
        "onsetDateTime": fields.get("since") or None,
        "recordedDate": author.now,
        "recorder": author.who,
        "asserter": author.who,
        "reaction": [{"manifestation": [{"text": reaction}]}] if reaction else None,
        "note": _note(fields),
    }


def _condition(fields: Fields, author: Author, status: str) -> Tree:
    return {
        "clinicalStatus": _status("condition", status),
        "code": {"text": fields["what"]},
        "subject": author.whose,
        "onsetDateTime": fields.get("since") or None,
        "abatementDateTime": fields.get("until") or None,
        "recordedDate": author.now,
        "recorder": author.who,
        "asserter": author.who,
        "note": _note(fields),
    }


def _procedure(fields: Fields, author: Author) -> Tree:
    return {
        "status": "completed",
        "code": {"text": fields["what"]},
        "subject": author.whose,
        "performedDateTime": fields.get("since") or None,
        "recorder": author.who,
        "asserter": author.who,
        "note": _note(fields),
    }


def _medication(fields: Fields, author: Author) -> Tree:
    dosage, since = fields.get("dosage"), fields.get("since")
    return {
        "status": "active",
        "medicationCodeableConcept": {"text": fields["what"]},
        "subject": author.whose,
        "effectiveDateTime": None,
        "effectivePeriod": {"start": since} if since else None,
        "dateAsserted": author.now,
        "informationSource": author.who,
        "dosage": [{"text": dosage}] if dosage else None,
        "note": _note(fields),
    }


def _immunization(fields: Fields, author: Author) -> Tree:
    vaccine = fields.get("vaccine")
    coding = [{"system": CALENDAR, "code": vaccine, "display": VACCINES[vaccine][0]}] if vaccine else []
    text = fields.get("what") or VACCINES[vaccine or ""][0]
    return {
        "status": "completed",
        "vaccineCode": {**({"coding": coding} if coding else {}), "text": text},
        "patient": author.whose,
        "occurrenceDateTime": fields["since"],
        "recorded": author.now,
        # R4 Immunization.primarySource: not by who gave the dose.
        "primarySource": False,
        "lotNumber": fields.get("lot") or None,
        "note": _note(fields),
    }


def _measure(fields: Fields, author: Author) -> Tree:
    code = fields["measure"]
    values = tuple(Decimal(fields[name]) for name in ("value", "second") if fields.get(name))
    parts = len(MEASURES[code].parts) or 1
    found = observed(code, values[:parts], fields["since"])
    return {"valueQuantity": None, "component": None, **found, "subject": author.whose, "performer": [author.who]}


def _family(fields: Fields, author: Author) -> Tree:
    relative, age = fields["relative"], fields.get("age")
    years = {"value": int(age), "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"} if age else None
    condition = {"code": {"text": fields["what"]}, **({"onsetAge": years} if years else {})}
    return {
        "status": "completed",
        "patient": author.whose,
        "date": author.now,
        "relationship": _coded(f"{_TERMS}/v3-RoleCode", relative, dict(kinds.RELATIVES)[relative][0]),
        "condition": [condition],
        "note": _note(fields),
    }


def _habit(fields: Fields, author: Author) -> Tree:
    code = fields["habit"]
    return {
        "status": "final",
        "category": [_coded(CATEGORY, "social-history")],
        "code": _coded(LOINC, code, HABITS[code][0]),
        "subject": author.whose,
        "effectiveDateTime": fields["since"],
        "performer": [author.who],
        "valueString": fields["what"],
        "valueCodeableConcept": None,
    }


MAKERS: Mapping[str, Callable[[Fields, Author], Tree]] = {
    "allergies": _allergy,
    "maladies": lambda fields, author: _condition(fields, author, "active"),
    "antecedents": lambda fields, author: _condition(fields, author, "resolved"),
    "interventions": _procedure,
    "traitements": _medication,
    "vaccinations": _immunization,
    "mesures": _measure,
    "famille": _family,
    "mode-de-vie": _habit,
}


def _status(type: str, code: str) -> Tree:
    return _coded(f"{_TERMS}/{type}-clinical", code)


def _coded(system: str, code: str, text: str = "") -> Tree:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def _note(fields: Fields) -> list[Tree] | None:
    return [{"text": fields["note"]}] if fields.get("note") else None


def _codings(tree: Tree, name: str) -> list[Tree]:
    return list((tree.get(name) or {}).get("coding", ()))


def _text(tree: Tree) -> str:
    named = (tree.get(name) for name in ("code", "medicationCodeableConcept", "vaccineCode"))
    return next((_words(one) for one in named if one), "")


def _words(concept: Any) -> str:
    if not isinstance(concept, dict):
        return ""
    return str(
        concept.get("text") or next((one["display"] for one in concept.get("coding", ()) if "display" in one), "")
    )


def _since(tree: Tree) -> str:
    names = ("onsetDateTime", "performedDateTime", "occurrenceDateTime", "effectiveDateTime")
    said = next((tree[name] for name in names if name in tree), "") or tree.get("effectivePeriod", {}).get("start", "")
    return str(said)[:10]


def _number(value: Any) -> str:
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)
