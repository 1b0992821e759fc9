"""What a section says in words, for who reads the document and not its data.

https://hl7.org/fhir/R4/narrative.html. Words of the record stay in the language in which they were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from html import escape
from typing import Any

from fhir_server.fhir.references import parse as parse_reference
from fhir_server.operations.references import Key
from fhir_server.space.profile.spoken import english, status

Tree = dict[str, Any]
#: What is said where nothing can be shown. It is not known whether there is nothing, so this does not say so.
NOTHING_SHOWN = {"fr": "Aucune information disponible.", "en": "No information available."}
#: What is said where more is there than was looked through.
NOT_ALL = {
    "fr": "Seules les informations les plus récentes figurent ici.",
    "en": "Only the most recent information is listed here.",
}
#: Elements that say what it is, the first that a resource has.
_WHAT = ("code", "medicationCodeableConcept", "medicationReference", "vaccineCode", "device", "relationship", "title",
         "summary", "description", "category")  # fmt: skip
#: Elements that say when, likewise.
_WHEN = ("effectiveDateTime", "occurrenceDateTime", "performedDateTime", "onsetDateTime", "authoredOn", "recordedDate",
         "date", "issued")  # fmt: skip
_PERIODS = ("effectivePeriod", "performedPeriod", "onsetPeriod", "period", "timingPeriod")
#: Statuses that go without saying.
_USUAL = frozenset({"active", "final", "completed", "confirmed", "in-use"})


def narrative(trees: list[Tree], inside: Mapping[Key, Tree], language: str, whole: bool) -> Tree:
    """A Narrative: one item for each resource, in "fr" or "en".

    Args:
        trees: what the section has.
        inside: all resources of the document.
        language: of the server's own words.
        whole: whether all that there is was looked through.
    """
    rows = "".join(f"<li>{escape(line(tree, inside, language), quote=False)}</li>" for tree in trees)
    shown = f"<ul>{rows}</ul>" if rows else f"<p>{NOTHING_SHOWN[language]}</p>"
    more = "" if whole else f"<p>{NOT_ALL[language]}</p>"
    div = f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{language}" xml:lang="{language}">{shown}{more}</div>'
    return {"status": "generated", "div": div}


def line(tree: Tree, inside: Mapping[Key, Tree], language: str = "") -> str:
    """A resource in one line: what, the value, when, and its status where that is not the usual one.

    `language` is that of the server's own words, "fr" or "en"; "" for codes as they are.
    """
    within = {**inside, **{("", f"#{one.get('id')}"): one for one in tree.get("contained", ())}}
    what = next((words for name in _WHAT if (words := _said(tree.get(name), within, language))), tree["resourceType"])
    found = [what, _value(tree, language)]
    for one in tree.get("component", ()):
        found.append(f"{_said(one.get('code'), inside, language)} {_value(one, language)}".strip())
    found += [_said(one.get("code"), inside, language) for one in tree.get("condition", ())]
    statuses = (_status(tree.get(name)) for name in ("status", "clinicalStatus", "verificationStatus"))
    unusual = (one for one in statuses if one and one not in _USUAL)
    beside = [_when(tree), *(status(one, language) if language else one for one in unusual)]
    words = ", ".join(one for one in found if one)
    return words + "".join(f" ({one})" for one in beside if one)


def _said(value: Any, inside: Mapping[Key, Tree], language: str = "") -> str:
    """A text, a CodeableConcept, the first of several, or what a Reference leads to, inside its resource too."""
    if isinstance(value, list):
        return next((words for one in value if (words := _said(one, inside, language))), "")
    if not isinstance(value, dict):
        return value if isinstance(value, str) else ""
    if language == "en" and (translated := english(value)):
        return translated
    coded = [one.get("display") or one.get("code") for one in value.get("coding", ())]
    own = value.get("text") or value.get("display") or next((one for one in coded if one), "")
    if own or "reference" not in value:
        return str(own)
    found = parse_reference(value["reference"])
    key = ("", f"#{found.fragment}") if found.contained else (found.type or "", found.id or "")
    target = inside.get(key, {})
    names = [one.get("name") for one in target.get("deviceName", ())]
    return _said(target.get("code") or target.get("type") or names, {})


def _value(tree: Tree, language: str = "") -> str:
    quantity = tree.get("valueQuantity")
    if isinstance(quantity, dict) and "value" in quantity:
        parts = (quantity.get("comparator"), quantity["value"], quantity.get("unit") or quantity.get("code"))
        said = " ".join(str(part) for part in parts if part is not None)
        return said.replace(".", ",", 1) if language == "fr" and isinstance(quantity["value"], Decimal) else said
    coded = _said(tree.get("valueCodeableConcept"), {})
    plain = next((tree[key] for key in ("valueString", "valueDateTime", "valueInteger") if key in tree), "")
    return coded or str(plain)


def _when(tree: Tree) -> str:
    day = next((tree[name] for name in _WHEN if isinstance(tree.get(name), str)), "")
    period: Tree = next((tree[name] for name in _PERIODS if isinstance(tree.get(name), dict)), {})
    return (day or str(period.get("start", "")))[:10]


def _status(value: Any) -> str:
    if isinstance(value, str):
        return value
    return next((str(one["code"]) for one in (value or {}).get("coding", ()) if "code" in one), "")
