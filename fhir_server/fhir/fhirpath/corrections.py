"""The few expressions R4 publishes that do not say what they mean, and what is read in their place.

https://hl7.org/fhir/R4/: each is compared whole, so no expression of anyone else is touched.
"""

from __future__ import annotations

_DOM_3 = (
    "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | "
    "%resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#')"
    ".exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#')"
    ".exists()).not()).trace('unmatched', id).empty()"
)
#: Published text → (what is read, why).
CORRECTIONS = {
    _DOM_3: (
        _DOM_3.replace("descendants().as(", "descendants().ofType("),
        "dom-3: as() takes one item, and descendants are many",
    ),
    "operator = 'exists' implies (answer is Boolean)": (
        "operator = 'exists' implies (answer is boolean)",
        "que-7: the answer is a FHIR boolean, which is not a System.Boolean",
    ),
    "enableWhen.count() > 2 implies enableBehavior.exists()": (
        "enableWhen.count() > 1 implies enableBehavior.exists()",
        "que-12: it is asked of more than one enableWhen, as its text says",
    ),
    "value.as(DateTime) | value.as(Period)": (
        "value.as(dateTime) | value.as(Period)",
        "Observation code-value-date: there is no FHIR type DateTime",
    ),
}


def corrected(text: str) -> str:
    """`text`, or what is read in its place."""
    found = CORRECTIONS.get(text)
    return found[0] if found else text
